package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// NameService is the part of a [jfs.Client] that is needed to see what name something
// is stored under.
type NameService interface {
	Stat(context.Context, jfs.Path) (jfs.Info, error)
	Move(ctx context.Context, from, to jfs.Path) error
	MoveDir(ctx context.Context, from, to jfs.Path) error
}

// Revives reports whether the service has an entry at p that is not alive, in the trash
// or never sent to its end, and that is spelled in other letter case. Storing something
// at p brings that entry back, with its old spelling: use [Respell] afterwards. Errors
// are those of [jfs.Client.Stat], except ErrNotExist. Source: docs/protocol.md,
// section 13.1.
func Revives(ctx context.Context, service NameService, p jfs.Path) (bool, error) {
	info, err := service.Stat(ctx, p)
	if errors.Is(err, jfs.ErrNotExist) {
		return false, nil
	}
	return err == nil && !info.Live() && info.Spelled() != p, err
}

// Respell gives what has just been stored at p the spelling of p, if it has another one,
// and returns the path that it has in the end. It looks at the last part of the path
// only. Calling it again is harmless. The error says that the entry has kept another
// name.
func Respell(ctx context.Context, service NameService, p jfs.Path) (as jfs.Path, err error) {
	info, err := service.Stat(ctx, p)
	if err != nil {
		return p, err
	}
	as = info.Spelled()
	if as == p {
		return p, nil
	}
	move := service.Move
	if info.Kind != jfs.KindFile {
		move = service.MoveDir
	}
	if err := move(ctx, as, p); err != nil {
		if ctx.Err() != nil {
			return as, context.Cause(ctx)
		}
		why := *jfs.RecordError(err)
		why.Message = fmt.Sprintf("it is stored as %s, the name that it had in the trash; renaming it failed: %s", as, why.Message)
		return as, &why
	}
	return p, nil
}

// maxNames is how many entries of a folder are looked at, at most; fewer in tests. In a
// larger one each name is asked for by itself.
var maxNames = 5000

const (
	// maxFolders is how many folders are remembered with what is in them.
	maxFolders = 32
	// maxFresh is how many are that this run has made, of which there is nothing to
	// remember: a plan may make all its folders before the first file is stored.
	maxFresh = 20_000
)

// names knows which names in a folder would bring something back that is spelled
// otherwise, from one look at each folder. It is safe for concurrent use.
type names struct {
	service Uploader

	mu      sync.Mutex // guards what follows
	folders map[jfs.Path]*folderNames
	fresh   map[jfs.Path]bool // folders that are as justMade
}

// justMade is what is known of a folder that this run has made, with the right spelling.
var justMade = func() *folderNames {
	f := &folderNames{ready: make(chan struct{}), fresh: true}
	close(f.ready)
	return f
}()

// folderNames is what is known of one folder.
type folderNames struct {
	ready chan struct{} // closed when the rest is known
	err   error

	as    jfs.Path        // the folder, as it is spelled, if its spelling could not be put right
	fresh bool            // nothing is in it but what this run has stored
	each  bool            // there may be more than names has: each name has to be asked for
	names map[string]bool // folded: what is not alive, and the folders
	odd   bool            // some of those are not ASCII, of which our folding is not that of the service for sure
}

func newNames(service Uploader) *names {
	return &names{service: service, folders: map[jfs.Path]*folderNames{}, fresh: map[jfs.Path]bool{}}
}

// prior is what is known of a place before something is stored there.
type prior struct {
	in      *folderNames
	absent  bool // nothing has that name
	revives bool // as of Revives
}

// look finds out what is at p. The folders above are made, with the right spelling, if
// they are in the trash.
func (n *names) look(ctx context.Context, p jfs.Path) (prior, error) {
	f, err := n.folder(ctx, p.Parent())
	if err != nil {
		return prior{}, err
	}
	name := p.Name()
	if f.fresh || !f.each && !f.names[record.Fold(name)] && (len(f.names) == 0 || ascii(name) && !f.odd) {
		return prior{in: f, absent: true}, nil
	}
	info, err := n.service.Stat(ctx, p)
	if errors.Is(err, jfs.ErrNotExist) {
		return prior{in: f, absent: true}, nil
	}
	return prior{in: f, revives: err == nil && !info.Live() && info.Spelled() != p}, err
}

// settle is called after something was stored at p. It puts the spelling right if need
// be, and returns the path that it has.
func (n *names) settle(ctx context.Context, p jfs.Path, before prior) (as jfs.Path, err error) {
	if as = p; before.revives {
		as, err = Respell(ctx, n.service, p)
	}
	if before.in.as != "" {
		as = before.in.as.Join(as.Name())
	}
	return as, err
}

// made notes that the folder at p was made by this run, or brought back.
func (n *names) made(p, as jfs.Path, before prior) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case as != p:
		f := &folderNames{ready: make(chan struct{}), as: as, fresh: before.absent, each: !before.absent}
		close(f.ready)
		n.remember(p, f)
	case before.absent:
		if len(n.fresh) >= maxFresh {
			clear(n.fresh) // they are looked at again
		}
		n.fresh[p] = true
	} // else it may hold anything: folder looks, if it is asked for
}

// remember keeps what is known of a folder. The mu is held.
func (n *names) remember(dir jfs.Path, f *folderNames) {
	if len(n.folders) >= maxFolders {
		for old := range n.folders { // whichever; plans come folder by folder
			if n.folders[old] != f && !old.In(dir) && !dir.In(old) {
				delete(n.folders, old)
				break
			}
		}
	}
	n.folders[dir] = f
}

// folder returns what is known of a folder, and asks the service if that is nothing.
func (n *names) folder(ctx context.Context, dir jfs.Path) (*folderNames, error) {
	n.mu.Lock()
	if n.fresh[dir] {
		n.mu.Unlock()
		return justMade, nil
	}
	f, known := n.folders[dir]
	if !known {
		f = &folderNames{ready: make(chan struct{})}
		n.remember(dir, f)
	}
	n.mu.Unlock()
	if known {
		select {
		case <-f.ready:
			return f, f.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	f.err = n.ask(ctx, dir, f)
	if f.err != nil { // the next one asks again
		n.mu.Lock()
		if n.folders[dir] == f {
			delete(n.folders, dir)
		}
		n.mu.Unlock()
	}
	close(f.ready)
	return f, f.err
}

// ask looks at a folder. One that is in the trash is brought back: the service would do
// so by itself, and leave it the spelling that it had.
func (n *names) ask(ctx context.Context, dir jfs.Path, f *folderNames) error {
	f.names = map[string]bool{}
	listed := 0
	info, whole, err := n.service.ListEach(ctx, dir, func(e jfs.Entry) bool {
		if !e.Live() || e.Kind != jfs.KindFile {
			f.names[record.Fold(e.Path)] = true
			f.odd = f.odd || !ascii(e.Path)
		}
		listed++
		return listed < maxNames
	})
	missing := errors.Is(err, jfs.ErrNotExist)
	switch class := classOf(err); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case class == record.ClassNetwork, class == record.ClassAuth, class == record.ClassRateLimited:
		return err
	case err != nil && !missing: // such as a folder that is too large for the service to list
		f.each = true
	}
	f.each = f.each || err == nil && !whole
	if dir.Depth() < 3 || err != nil && !missing || err == nil && info.Deleted.IsZero() {
		f.fresh = missing
		return nil
	}
	before, err := n.look(ctx, dir)
	if err != nil {
		return err
	}
	as := dir
	if f.fresh = missing; !missing {
		if err := n.service.MkDir(ctx, dir); err != nil {
			return err
		}
		as, err = n.settle(ctx, dir, before)
	} else if before.in.as != "" {
		as = before.in.as.Join(dir.Name())
	}
	if as != dir {
		f.as = as
	}
	if err != nil && f.as == "" {
		return err
	}
	return nil // what is stored in it says where it is
}

// classOf returns the class of an error of the service, "" for any other error.
func classOf(err error) record.Class {
	var e *jfs.Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
