package transfer

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"strconv"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/local"
	"jottatools/lib/place"
	"jottatools/lib/record"
)

// get is one file of a Download.
type get struct {
	*downloads
	rec    *record.Record
	path   jfs.Path
	folder *place.Folder
	name   string
	meta   *record.Record // what the saved stream has at its path; nil if nothing
	// planned: the record is of a plan, which has compared the contents.
	planned bool

	mode  fs.FileMode // the file's to be; 0: as it comes
	mtime time.Time   // likewise; zero: as it comes
	shown int64       // bytes reported as progress
}

// carryOut does what the record says and sets its status. What the record leaves
// open it completes.
func (g *get) carryOut() error {
	if g.ctx.Err() != nil {
		return context.Cause(g.ctx)
	}
	if g.rec.MD5 == "" || g.rec.Size < 0 {
		if err := g.look(); err != nil {
			return err
		}
	}
	g.wish()
	info, err := g.folder.Lstat(g.name)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && !info.Mode().IsRegular():
		return place.InTheWay(info, g.rec.Path)
	case err == nil:
		if settled, err := g.compare(info); settled || err != nil {
			return err
		}
		if g.mode == 0 {
			g.mode = info.Mode().Perm() // a file that is replaced keeps its permissions
		}
	case g.rec.Action != record.ActionGet:
		g.rec.Action = record.ActionGet // it has vanished since the plan was made
	}
	if g.rec.Reason == "" {
		g.rec.Reason = record.ReasonNew
		if err == nil {
			g.rec.Reason = record.ReasonChanged
		}
	}
	return g.fetch()
}

// look asks the service for what the record does not say.
func (g *get) look() error {
	info, err := g.receiver.Service.Stat(g.ctx, g.path)
	if err != nil {
		return err
	}
	info.Deleted = time.Time{}
	switch {
	case info.Kind != jfs.KindFile:
		return &jfs.Error{Op: "download", Path: g.path, Class: record.ClassKindConflict, Message: "it is a folder, not a file"}
	case info.Problem() != nil:
		return info.Problem()
	case info.MD5 == "":
		return &jfs.Error{Op: "download", Path: g.path, Class: record.ClassCorrupt, Message: "the service knows no MD5 of it, so it could not be checked"}
	case g.rec.Revision > 0 && g.rec.Revision != info.Number:
		return &jfs.Error{Op: "download", Path: g.path, Class: record.ClassIncomplete, Message: "the record does not say what size and MD5 its revision has; list it again"}
	}
	g.o.Expect(0, info.Size-max(g.rec.Size, 0))
	g.rec.Size, g.rec.MD5 = info.Size, info.MD5
	if g.rec.MTime.IsZero() {
		g.rec.MTime = info.Modified
	}
	return nil
}

// wish finds out what time and mode the file is to have: those of the saved
// stream if its content is the same. Of another content it tells the permissions
// at most.
func (g *get) wish() {
	g.mtime = g.rec.MTime
	if g.meta == nil || g.meta.Kind != record.KindFile {
		return
	}
	g.mode, _ = local.Mode(g.meta.Mode)
	if g.meta.MD5 != g.rec.MD5 || g.meta.MD5 == "" {
		g.mode = g.mode.Perm()
	} else if sameSecond(g.meta.MTime, g.rec.MTime) {
		g.mtime = g.meta.MTime
	}
}

// sameSecond reports whether two times are one as far as the service can tell: it
// keeps whole seconds (docs/protocol.md, section 3.4).
func sameSecond(a, b time.Time) bool {
	d := a.Sub(b)
	return -time.Second < d && d < time.Second
}

// compare looks at the file that is there. It is settled if there is nothing to
// fetch.
func (g *get) compare(info fs.FileInfo) (settled bool, err error) {
	stored := g.rec.MTime
	switch {
	case g.rec.Action == record.ActionNone:
		return true, g.adjust(info)
	case g.rec.Action == record.ActionTouch:
		return true, g.touch(info)
	case !g.planned && info.Size() == g.rec.Size && (stored.IsZero() || sameSecond(info.ModTime(), stored)):
		g.rec.Action, g.rec.Reason = record.ActionNone, record.ReasonSame
		return true, g.adjust(info)
	case !g.planned && info.Size() == g.rec.Size:
		if same, err := g.sameContent(); err != nil || same {
			if err == nil {
				g.rec.Action, g.rec.Reason = record.ActionTouch, record.ReasonTouched
				err = g.touch(info)
			}
			return true, err
		}
	}
	if !g.o.Overwrite && info.ModTime().Sub(stored) >= time.Second {
		g.rec.Status, g.rec.Reason = record.StatusSkipped, record.ReasonNewer
		g.kept.Add(1)
		return true, nil
	}
	return false, nil
}

// touch gives the file its time and mode.
func (g *get) touch(info fs.FileInfo) error {
	if err := g.adjust(info); err != nil {
		return err
	}
	g.rec.Status = record.StatusDone
	return nil
}

// adjust sets time and mode where they are not what they are to be.
func (g *get) adjust(info fs.FileInfo) error {
	exact := g.mtime.Equal(info.ModTime())
	if exact = exact || g.meta == nil && sameSecond(g.mtime, info.ModTime()); !exact && !g.mtime.IsZero() {
		if err := g.folder.SetTime(g.name, g.mtime); err != nil {
			return err
		}
	}
	if g.mode != 0 && g.mode != info.Mode() {
		return g.folder.SetMode(g.name, g.mode)
	}
	return nil
}

// sameContent reads the file that is there.
func (g *get) sameContent() (bool, error) {
	f, err := g.folder.OpenRegular(g.name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	sum := md5.New()
	if _, err := io.Copy(sum, contextReader{g.ctx, f}); err != nil {
		return false, err
	}
	return hex.EncodeToString(sum.Sum(nil)) == g.rec.MD5, nil
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

// fetch brings the content, from wherever an earlier try has left it.
func (g *get) fetch() error {
	start := time.Now()
	part, err := g.folder.Part(g.name, g.rec.MD5+" "+strconv.FormatInt(g.rec.Size, 10))
	if err != nil {
		return err
	}
	sum := md5.New()
	at, err := g.resume(part, sum)
	if err != nil {
		part.Close(true)
		return err
	}
	f := &fetch{Receiver: g.receiver, ctx: g.ctx, path: g.path, revision: g.rec.Revision, size: g.rec.Size, md5: g.rec.MD5,
		to: part, sum: sum, at: at, progress: g.show}
	err = f.run(part.Restart)
	if err == nil {
		err = part.Finish(g.mode, g.mtime)
	}
	part.Close(worthKeeping(err))
	g.rec.Transfer = &record.Transfer{Sent: f.fetched, ResumedAt: at, Took: time.Since(start)}
	if err != nil {
		return err
	}
	g.rec.Status = record.StatusDone
	return nil
}

// resume reads what is there already into sum, and returns how much that is.
func (g *get) resume(part *place.Part, sum hash.Hash) (int64, error) {
	size, err := part.Size()
	if err != nil || size == 0 {
		return 0, err
	}
	if size > g.rec.Size {
		return 0, part.Restart()
	}
	return io.Copy(sum, contextReader{g.ctx, part.File})
}

// worthKeeping reports whether a part can be taken up after a failure.
func worthKeeping(err error) bool {
	var e *jfs.Error
	return err != nil && (!errors.As(err, &e) || e.Retry || errors.Is(err, errCutOff))
}

// show reports progress up to the byte at offset.
func (g *get) show(offset int64) {
	g.o.Progress(0, offset-g.shown)
	g.shown = offset
}
