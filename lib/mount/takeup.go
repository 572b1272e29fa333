//go:build linux

package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/chunks"
	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
)

// takeUp goes on with what an earlier mount left.
func (f *fileSystem) takeUp(found *spool.Found) {
	for _, problem := range found.Problems {
		f.o.Warn("spool: %s", problem)
	}
	for _, in := range found.Intents {
		if err := in.Settle(f.happened(in)); err != nil {
			f.o.Warn("spool: %v", err)
		}
	}
	taken := 0
	for _, file := range found.Files {
		err := f.takeUpFile(file)
		if err == nil {
			taken++
		} else {
			kept, keepErr := file.Keep()
			if err = errors.Join(err, keepErr); keepErr != nil {
				kept = file.Name()
			}
			f.o.Warn("spool: %s: %v; its content is kept as %s", file.Path(), err, kept)
		}
	}
	if taken > 0 {
		f.o.Info("uploading %s of an earlier mount", record.Count(int64(taken), "file", "files"))
	}
}

// happened finds out whether a renaming that was cut off has been carried out.
func (f *fileSystem) happened(in spool.Intent) bool {
	ctx, cancel := f.forOp()
	defer cancel()
	live := func(p string) bool {
		info, err := f.service.Stat(ctx, jfs.Path(p))
		return err == nil && info.Deleted.IsZero()
	}
	// If neither can be found, the service cannot be asked, or what was there has gone:
	// the new name is what people last wanted.
	return live(in.To) || !live(in.From)
}

func (f *fileSystem) takeUpFile(file *spool.File) error {
	p, err := jfs.ParsePath(file.Path())
	if err != nil {
		return err
	}
	if p.Depth() < 3 {
		return errors.New("it belongs into no mount point")
	}
	size, modified, err := file.Stat()
	if err != nil {
		return err
	}
	l := newLocal(file, size, modified)
	l.committed, l.restNoted = l.version, file.Rest() != nil
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	e := f.tree.ensure(p)
	if e == nil || e.local != nil {
		return errors.New("another file of the spool has been put in its place since")
	}
	if l.rest, err = restOf(e, file.Rest(), size); err != nil {
		return err
	}
	// What has a rest has not been sent: that would have been fetched, and noted, before.
	l.found, l.unnoted = true, l.rest == nil
	e.local, e.tried = l, true
	f.uploads.add(e, 0)
	return nil
}

// ensure returns the entry of a file, and makes it and those above it if they are not
// known; nil if a file is where a folder belongs, or the reverse. The mu is held.
func (t *tree) ensure(p jfs.Path) *entry {
	e := t.root
	names := strings.Split(string(p[1:]), "/")
	for i, name := range names {
		k := kindFolder
		switch i {
		case 0:
			k = kindDevice
		case 1:
			k = kindMountPoint
		case len(names) - 1:
			k = kindFile
		}
		child := e.children[record.Fold(name)]
		if child == nil {
			child = t.add(e, name, k)
		}
		if child.isDir() == (k == kindFile) {
			return nil
		}
		e = child
	}
	return e
}

// verdict says what becomes of a content that was found in the spool.
type verdict int

const (
	mayGo    verdict = iota // the service has what it had by then, or nothing
	hadIt                   // the service got it already, and something newer since
	inTheWay                // somebody else has stored something
)

// judge compares what the service has in the place of a content, ours, with what it
// may have had there when the content was written.
func judge(info *jfs.Info, before []spool.Content, ours spool.Content) verdict {
	now := revisionOf(&info.Revision).content()
	if !info.Live() || info.Kind != jfs.KindFile || now == ours || slices.Contains(before, now) {
		return mayGo
	}
	for i := range info.Older { // the newest first
		switch c := revisionOf(&info.Older[i]).content(); {
		case c == ours:
			return hadIt
		case slices.Contains(before, c):
			return inTheWay
		}
	}
	return inTheWay
}

// outdoneError says that somebody else has stored another content in the place of one
// that was written here.
type outdoneError struct {
	info    jfs.Info
	verdict verdict
}

func (e *outdoneError) Error() string { return "the service has another version by now" }

// mayStore decides whether a version of a content may be sent to p. Somebody else may have
// stored something there since it was read, or since an earlier mount left it in the spool,
// which must not be covered by what knows nothing of it. It may even be stored already,
// since what is removed from the spool is not synced. If fresh, nothing is known to have
// been there, and it is left to the service to refuse what would replace something.
func (f *fileSystem) mayStore(ctx context.Context, l *local, p jfs.Path, version uint64, ours spool.Content) (fresh bool, err error) {
	before, known := l.before()
	fresh = known && len(before) == 0 && !l.isFound()
	if known && !fresh {
		if err := f.compare(ctx, p, before, ours); err != nil {
			return false, err
		}
	}
	return fresh, l.offer(version, ours)
}

// compare returns an [*outdoneError] if the service has something else at p than it may
// have.
func (f *fileSystem) compare(ctx context.Context, p jfs.Path, before []spool.Content, ours spool.Content) error {
	info, err := f.service.Stat(ctx, p)
	if errors.Is(err, jfs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if v := judge(&info, before, ours); v != mayGo {
		return &outdoneError{info, v}
	}
	return nil
}

// newOnly is a service that replaces nothing.
type newOnly struct{ Service }

func (s newOnly) Allocate(ctx context.Context, p jfs.Path, c jfs.Content) (*jfs.Allocation, error) {
	return s.AllocateNew(ctx, p, c)
}

// sendNew sends a content to where nothing is known to be. How the service says that
// something is there is not known for sure (docs/protocol.md, section 8.1): whenever it
// refuses, it is looked at.
func (f *fileSystem) sendNew(ctx context.Context, p jfs.Path, content jfs.Content, from transfer.Source) error {
	sender := &transfer.Sender{Service: newOnly{f.service}, Bandwidth: f.o.Bandwidth}
	_, err := sender.Send(ctx, p, content, from)
	var refused *jfs.Error
	if !errors.As(err, &refused) || refused.Retry || refused.Status < 400 || refused.Status >= 500 {
		return err
	}
	switch refused.Class {
	case record.ClassQuota, record.ClassLocked, record.ClassAuth, record.ClassRateLimited:
		return err
	}
	if err := f.compare(ctx, p, nil, spool.Content{MD5: content.MD5, Size: content.Size}); err != nil {
		return err
	}
	_, err = f.uploads.sender.Send(ctx, p, content, from)
	return err
}

// outdone leaves its place to what somebody else has stored there. A content that the
// service does not have gets a name of its own, as a copy beside it. The caller has claimed
// the entry.
func (f *fileSystem) outdone(e *entry, l *local, by *outdoneError) error {
	if !f.renaming.TryRLock() { // whoever renames a folder waits for this upload
		return errOutdated
	}
	defer f.renaming.RUnlock()
	f.tree.mu.Lock()
	p, dir, open, gone := f.tree.path(e), e.parent, e.handles > 0, e.gone || e.local != l
	name := ""
	if !gone {
		name = f.asideName(dir, e.name, l)
	}
	aside := f.tree.path(dir).Join(name)
	f.tree.mu.Unlock()
	switch {
	case gone:
		return errOutdated
	case open:
		return &jfs.Error{Op: "upload", Path: p, Class: record.ClassChanging, Retry: true,
			Message: "somebody else has stored another version meanwhile; once the file is closed, what was written here is kept beside that"}
	case by.verdict == inTheWay:
		if err := l.file.Place(string(aside), l.file.Created(), nil); err != nil {
			return err
		}
	}
	f.tree.mu.Lock()
	if e.handles > 0 || e.gone || e.local != l {
		f.tree.mu.Unlock()
		return errors.Join(errOutdated, f.follow(e, l))
	}
	e.local, e.stored, e.rev = nil, true, revisionOf(&by.info.Revision)
	e.opened = chunks.ID{}
	if inode := e.inode; inode != nil {
		f.running.Go(func() { inode.NotifyContent(0, 0) })
	}
	if by.verdict == hadIt {
		f.tree.mu.Unlock()
		f.o.Info("%s of the spool was stored already, and there is a newer version", p)
		return f.drop(l, (*spool.File).Remove)
	}
	other := f.tree.add(dir, name, kindFile)
	other.local, other.changed = l, time.Now()
	f.tree.mu.Unlock()
	err := fmt.Errorf("%s was written here, but before it could be uploaded somebody else stored another version; what was written here becomes %s", p, aside)
	f.conflict(aside)
	f.note(err)
	f.o.Warn("%v", err)
	f.uploads.add(other, 0)
	return nil
}

// mostConflicts bounds how many conflicts a status names.
const mostConflicts = 20

// conflict notes that something was stored under a name of its own.
func (f *fileSystem) conflict(aside jfs.Path) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conflicts++
	f.aside = append(f.aside, string(aside))
	f.aside = f.aside[max(0, len(f.aside)-mostConflicts):]
}

// asideName returns a free name for what was written as name. The tree's mu is held.
func (f *fileSystem) asideName(dir *entry, name string, l *local) string {
	host, err := os.Hostname()
	if err != nil {
		host = "here"
	}
	modified := l.modified().Format("2006-01-02 150405")
	as := fmt.Sprintf(" (conflict %s %s)", strings.ReplaceAll(host, "/", "-"), modified)
	if l.isFound() {
		as = fmt.Sprintf(" (from the spool, %s)", modified)
	}
	ext := path.Ext(name)
	stem := []rune(strings.TrimSuffix(name, ext))
	for n := 1; ; n++ {
		suffix := as
		if n > 1 {
			suffix = fmt.Sprintf("%s %d", suffix, n)
		}
		for len(stem) > 0 {
			if _, err := jfs.WireName(string(stem) + suffix + ext); err == nil {
				break
			}
			stem = stem[:len(stem)-1] // it is too long
		}
		if free := string(stem) + suffix + ext; dir.children[record.Fold(free)] == nil {
			return free
		}
	}
}
