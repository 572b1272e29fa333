// Package share makes public links to files and folders on the service.
//
// [Files], [Place] and [Links] are stages of a pipe. Files lists local files. Place
// finds the destination of each and checks whether it is taken. Links makes a link for
// each file that has been stored. Other stages between them add the digests and upload.
// The package sends no file data.
package share

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"

	"jottatools/lib/jfs"
	"jottatools/lib/local"
	"jottatools/lib/record"
)

// Dest is where files go that are to be shared, if nobody says otherwise: an
// ordinary folder. The mount point /Jotta/Shared is for what others share, and not
// writable (docs/protocol.md, section 6.10).
const Dest jfs.Path = "/Jotta/Archive/Shared"

// Service is the part of a [jfs.Client] that the package needs.
type Service interface {
	Stat(context.Context, jfs.Path) (jfs.Info, error)
	Share(context.Context, jfs.Path) (jfs.Link, error)
	Unshare(context.Context, jfs.Path) error
	Links(context.Context) iter.Seq2[jfs.Info, error]
	LinkTo(context.Context, jfs.Info) (jfs.Link, error)
}

// Options say where files go and which links are wanted.
type Options struct {
	To      jfs.Path // folder that local files go to
	Replace bool     // also over another file of the same name
	Direct  bool     // give the address of the content instead of the page

	Linked func(*record.Record) // if set, hears of each record that has a link
}

// Files writes a record for each of the local files. If a path is missing or not a regular
// file, its record has an error.
func Files(names []string, out *record.Writer) error {
	for _, name := range names {
		rec := &record.Record{Kind: record.KindFile, Path: "-", Size: record.SizeUnknown} // "-": what has no name, such as /
		path, err := filepath.Abs(name)
		if base := filepath.Base(path); record.CheckPath(base) == nil {
			rec.Path = base
		}
		if err == nil {
			err = describe(rec, path)
		}
		if err != nil {
			rec.Status, rec.Error = record.StatusFailed, local.NewError(err)
		}
		if err := out.Write(rec); err != nil {
			return err
		}
	}
	return nil
}

func describe(rec *record.Record, path string) error {
	info, err := local.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return &record.Error{Class: record.ClassKindConflict, Message: "it is a folder; store it with jottasync, then share it with jshare --remote"}
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "share", Path: path, Err: local.ErrNotRegular}
	}
	rec.Root = filepath.Dir(path)
	local.Fill(rec, info)
	link, err := local.Lstat(path)
	if err == nil && link.Mode()&fs.ModeSymlink != 0 {
		rec.Followed, rec.Dev = true, local.Device(info)
	}
	return err
}

// Place says for each file, by its digest, what is to be done so that it is in
// the folder o.To. Another file of its name that is there is replaced only if
// o.Replace says so: its link would lead to something else.
func Place(ctx context.Context, in *record.Reader, out *record.Writer, service Service, o Options) error {
	taken := make(map[string]bool) // by folded name
	r := run{ctx: ctx, out: out}
	for rec := range in.All() {
		var err error
		if rec.Error == nil && rec.Status == "" {
			err = r.try(rec, func() error { return o.place(ctx, rec, service, taken) })
		} else {
			err = out.Write(rec)
		}
		if err != nil {
			return err
		}
	}
	return r.close()
}

func (o *Options) place(ctx context.Context, rec *record.Record, service Service, taken map[string]bool) error {
	name := record.Fold(rec.Path)
	if taken[name] {
		return &record.Error{Class: record.ClassCaseConflict, Message: "another file of this name was given; share them one by one, with --to"}
	}
	taken[name] = true
	if _, err := jfs.CheckName(rec.Path); err != nil {
		return err
	}
	p := o.To.Join(rec.Path)
	if !o.To.Covers(p) {
		return &record.Error{Class: record.ClassNameInvalid, Message: fmt.Sprintf("%s is a place for notes of these programs; give another folder with --to", p)}
	}
	rec.Remote = string(p)
	info, err := service.Stat(ctx, p)
	switch {
	case errors.Is(err, jfs.ErrNotExist), err == nil && !info.Live():
		rec.Action, rec.Reason = record.ActionPut, record.ReasonNew
	case err != nil:
		return err
	case info.Kind != jfs.KindFile:
		return &record.Error{Class: record.ClassKindConflict, Message: fmt.Sprintf("%s is a folder; give another one with --to", p)}
	case info.Size == rec.Size && info.MD5 == rec.MD5:
		rec.Action, rec.Reason = record.ActionNone, record.ReasonSame
	case o.Replace:
		rec.Action, rec.Reason = record.ActionPut, record.ReasonChanged
	default:
		return &record.Error{Class: record.ClassLimit, Message: fmt.Sprintf("%s is there already, with other content; --replace replaces it, also for those who have its link, or give another folder with --to", p)}
	}
	return nil
}

// Links shares each file that is in its place and adds its link to its record.
func Links(ctx context.Context, in *record.Reader, out *record.Writer, service Service, o Options) error {
	r := run{ctx: ctx, out: out}
	for rec := range in.All() {
		if rec.Error == nil && rec.Reason == record.ReasonChanging {
			rec.Status = record.StatusFailed
			rec.Error = &record.Error{Class: record.ClassChanging, Message: "it changed while it was read; run jshare again", Retry: true}
		}
		var err error
		if rec.Error == nil && inPlace(rec) {
			err = r.try(rec, func() error { return o.link(ctx, rec, service) })
		} else {
			err = out.Write(rec)
		}
		if err != nil {
			return err
		}
	}
	return r.close()
}

// inPlace reports whether the service has the content of rec there.
func inPlace(rec *record.Record) bool {
	return rec.Status == record.StatusDone || rec.Status == record.StatusDeduplicated || rec.Action == record.ActionNone && rec.Reason == record.ReasonSame
}

func (o *Options) link(ctx context.Context, rec *record.Record, service Service) error {
	l, err := service.Share(ctx, jfs.Path(rec.Remote))
	if err == nil {
		rec.Status = record.StatusDone
		o.addLink(rec, l)
	}
	return err
}

func (o *Options) addLink(rec *record.Record, l jfs.Link) {
	if rec.Link = l.Page; o.Direct {
		rec.Link = l.Download
	}
	if o.Linked != nil {
		o.Linked(rec)
	}
}

// Remote shares what is on the service already, files and folders, and writes a
// record with the link of each.
func Remote(ctx context.Context, paths []jfs.Path, out *record.Writer, service Service, o Options) error {
	return each(ctx, paths, out, service, func(rec *record.Record) error { return o.link(ctx, rec, service) })
}

// Stop makes files and folders private again, and writes a record for each. It is
// no error if one was not shared.
func Stop(ctx context.Context, paths []jfs.Path, out *record.Writer, service Service) error {
	return each(ctx, paths, out, service, func(rec *record.Record) error {
		err := service.Unshare(ctx, jfs.Path(rec.Remote))
		if err == nil {
			rec.Status = record.StatusDone
		}
		return err
	})
}

func each(ctx context.Context, paths []jfs.Path, out *record.Writer, service Service, do func(*record.Record) error) error {
	r := run{ctx: ctx, out: out}
	for _, p := range paths {
		info := jfs.Info{Entry: jfs.Entry{Path: string(p)}}
		rec := info.Record()
		err := r.try(rec, func() error {
			info, err := service.Stat(ctx, p)
			if err != nil {
				return err
			}
			if !info.Live() {
				return info.Problem()
			}
			info.Path = string(p)
			*rec = *info.Record()
			return do(rec)
		})
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return r.close()
}

// List writes a record for each shared file, with its link. The service lists no
// shared folders (docs/protocol.md, section 6.10), and links to what is in the
// trash are dead.
func List(ctx context.Context, out *record.Writer, service Service, o Options) error {
	for info, err := range service.Links(ctx) {
		if err != nil {
			return err
		}
		if !info.Live() || jfs.Path(info.Path).Reserved() {
			continue
		}
		l, err := service.LinkTo(ctx, info)
		if err != nil {
			return err
		}
		rec := info.Record()
		o.addLink(rec, l)
		if err := out.Write(rec); err != nil {
			return err
		}
	}
	return nil
}
