package report

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"jottatools/lib/record"
)

// By is how a finding was made. What has been found by reading back is not refuted by a
// comparison of digests.
type By string

// The ways to find that a file is not stored as it is on disk.
const (
	ByDigest By = "digest" // its MD5 is not the service's, or what the last run had
	ByRead   By = "read"   // what came back from the service is not what is on disk
)

// findings are the files of which a proof is due, and what the stream says of them. A
// finding stays open until the very file has been proven in the same or a stronger
// way, has been stored anew, or is gone from the source.
type findings struct {
	open  []*finding
	at    map[string]*finding   // by path
	under map[string][]*finding // by each folder above
}

// finding is a file, or another entry, that was not proven.
type finding struct {
	Entry
	closed  bool     // there is nothing to prove any more
	seen    bool     // the stream has a record of it
	hidden  bool     // it, or a folder above it, is left out or cannot be read: nobody knows
	mounted []string // file systems above it that the stream has a record of
}

func newFindings(p *Proof) *findings {
	f := &findings{at: map[string]*finding{}, under: map[string][]*finding{}}
	for _, e := range p.Unproven {
		if f.at[e.Path] != nil || record.CheckPath(e.Path) != nil {
			continue
		}
		if e.By == "" { // of an older report
			e.By = ByRead
		}
		if e.Since.IsZero() {
			e.Since = p.Failed
		}
		x := &finding{Entry: e}
		f.open = append(f.open, x)
		f.place(x)
	}
	return f
}

func (f *findings) place(x *finding) {
	f.at[x.Path] = x
	for dir := path.Dir(x.Path); dir != "."; dir = path.Dir(dir) {
		f.under[dir] = append(f.under[dir], x)
	}
}

// look takes note of what a record says of those beneath it, and returns the open finding
// about the entry itself, or nil.
func (f *findings) look(rec *record.Record) *finding {
	for _, x := range f.under[rec.Path] {
		switch {
		case rec.Action == record.ActionDelete: // says nothing of those that are not deleted
		case rec.Error != nil || leftOut(rec) || rec.Reason == record.ReasonDangling || rec.Reason == record.ReasonForeign:
			x.hidden = true
		case rec.Kind == record.KindSymlink, rec.Kind == record.KindSpecial, rec.Kind == record.KindFile:
			x.closed = true // it has taken the place of their folder
		case rec.Mount:
			x.mounted = append(x.mounted, strings.Clone(rec.Path))
		}
	}
	x := f.at[rec.Path]
	if x == nil || x.closed {
		return nil
	}
	switch {
	case rec.Action == record.ActionDelete:
		return x
	case rec.Error != nil:
	case leftOut(rec), rec.Reason == record.ReasonDangling, rec.Reason == record.ReasonForeign:
		x.hidden = true
		return nil
	case rec.Kind == record.KindSymlink, rec.Kind == record.KindSpecial, rec.Kind == record.KindDir && x.By == ByRead:
		x.closed = true // it has taken the place of the file
		return nil
	}
	x.seen = true
	return x
}

// leftOut reports whether an entry is left out by a rule or by circumstances, whatever is
// beneath it.
func leftOut(rec *record.Record) bool {
	switch rec.Reason {
	case record.ReasonYoung, record.ReasonLarge, record.ReasonElsewhere:
		return true
	}
	return rec.Ignored
}

// backup judges a record of a run that stores. With again, the files that were to be
// proven were hashed afresh. dest is the remote folder of the run.
func (f *findings) backup(rec *record.Record, dest string, again bool) {
	if rec.Action == record.ActionMove && rec.Status == record.StatusDone {
		f.move(rec, dest)
		return
	}
	x := f.look(rec)
	if x == nil {
		return
	}
	done := rec.Status == record.StatusDone || rec.Status == record.StatusDeduplicated
	switch {
	case rec.Error != nil || rec.Status == record.StatusFailed:
		if damage(rec) {
			x.update(newEntry(rec))
		}
	case rec.Action == record.ActionDelete:
		x.closed = done
	case rec.Action == record.ActionPut, rec.Action == record.ActionMkdir:
		x.closed = done
	case rec.Reason == record.ReasonTouched && done && x.Reason == record.ReasonTouched:
		x.closed = true
	case x.By == ByDigest && rec.Kind == record.KindDir:
		x.closed = rec.Action == record.ActionNone && rec.Status == ""
	case x.By == ByDigest && (again || rec.Fresh):
		x.closed = rec.Reason == record.ReasonSame || rec.Reason == record.ReasonTouched
	}
}

// move takes a finding along with a file that was moved on the service: its content is the
// same as before.
func (f *findings) move(rec *record.Record, dest string) {
	from, ok := strings.CutPrefix(rec.From, strings.TrimSuffix(dest, "/")+"/")
	x := f.at[from]
	if !ok || x == nil || x.closed || f.at[rec.Path] != nil {
		return
	}
	delete(f.at, from)
	x.Path, x.seen, x.hidden = strings.Clone(rec.Path), true, false
	f.place(x)
}

// update describes a finding as it was made this time, unless that says less.
func (x *finding) update(e Entry) {
	if e.By == "" {
		e.By = ByDigest
	}
	if x.By == ByRead && e.By != ByRead {
		return
	}
	x.Reason, x.Class, x.Message, x.By = e.Reason, e.Class, e.Message, e.By
}

// rest returns the findings that are still open.
func (f *findings) rest() []Entry {
	var open []Entry
	for _, x := range f.open {
		if !x.closed {
			open = append(open, x.Entry)
		}
	}
	return open
}

// disk looks which files are still in the source.
type disk struct {
	source string
	lstat  func(name string) (fs.FileInfo, error)
	before []Entry // mounts of the source in the run before
}

// isGone returns whether a file is surely gone from the source, and whether it surely is
// there. What was on a file system that is not mounted is neither.
func (d *disk) isGone(x *finding) (gone, there bool) {
	if d.source == "" || record.CheckPath(x.Path) != nil {
		return false, false
	}
	if !x.stillMounted(d.before) {
		return false, false
	}
	lstat := d.lstat
	if lstat == nil {
		lstat = os.Lstat
	}
	_, err := lstat(filepath.Join(d.source, filepath.FromSlash(x.Path)))
	switch {
	case err == nil:
		return false, true
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return false, false
	}
	_, err = lstat(d.source)
	return err == nil, false
}

// stillMounted reports whether all file systems above the file that were there before are
// there now.
func (x *finding) stillMounted(before []Entry) bool {
	return !slices.ContainsFunc(before, func(mount Entry) bool {
		return x.Path != mount.Path && record.Under(x.Path, mount.Path) && !slices.Contains(x.mounted, mount.Path)
	})
}

// damage reports whether an error says that content is not what it should be.
func damage(rec *record.Record) bool {
	return rec.Error != nil && rec.Error.Class == record.ClassCorrupt
}

// passing reports whether an error is about the service, the line, the account or the
// run, and says nothing of the entry.
func passing(e *record.Error) bool {
	switch e.Class {
	case record.ClassAuth, record.ClassLocked, record.ClassQuota, record.ClassRateLimited, record.ClassServer, record.ClassNetwork, record.ClassLimit:
		return true
	case record.ClassCorrupt:
		return false
	}
	return e.Retry
}

// settle keeps in p what is open: the findings that are left, and the fresh ones of this
// run. Of both, some are only counted.
func (p *Proof) settle(open, fresh []Entry, now time.Time, before, besides unlisted) {
	for i := range fresh {
		fresh[i].Since = now
	}
	var l listed
	p.Unproven, p.Omitted = nil, 0
	for _, e := range append(open, fresh...) {
		omitted := int64(0)
		l.add(&p.Unproven, &omitted, e)
		besides.count(e.By, omitted)
	}
	if besides.reads > 0 {
		p.OmittedAt = now
	}
	p.OmittedRead = before.reads + besides.reads
	p.Omitted = before.digests + besides.digests + p.OmittedRead
	if p.OmittedRead == 0 {
		p.OmittedAt = time.Time{}
	}
	if p.Omitted == 0 && len(p.Unproven) == 0 {
		p.Failed = time.Time{}
	}
}

// unlisted counts findings beyond those that are listed, by how they were made.
type unlisted struct{ digests, reads int64 }

func (u *unlisted) count(by By, n int64) {
	if by == ByRead {
		u.reads += n
	} else {
		u.digests += n
	}
}

// unlisted returns how many findings are open that are not listed.
func (p *Proof) unlisted() unlisted {
	reads := max(0, min(p.OmittedRead, p.Omitted))
	return unlisted{max(0, p.Omitted-reads), reads}
}
