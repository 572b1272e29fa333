//go:build linux

package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/chunks"
	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
)

// Mounted is a mount.
type Mounted struct {
	fs     *fileSystem
	server *fuse.Server
	done   chan struct{}
}

// maxRequest is the most that one request of the kernel reads or writes, in bytes.
const maxRequest = 1 << 20

// background is how many requests the kernel may have under way by itself.
const background = 64

// Mount mounts the account at o.Dir and takes up what an earlier mount left in the
// spool. The service need not be there for that, but if it is, it must take the login.
// The error is spool.ErrInUse if another mount has the spool.
func Mount(service Service, o Options) (*Mounted, error) {
	o.started = time.Now()
	f, found, err := newFileSystem(service, o)
	if err != nil {
		return nil, err
	}
	if err := f.greet(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	m := &Mounted{fs: f, done: make(chan struct{})}
	root := &node{fs: f, entry: f.tree.root}
	missing := o.missingTTL()
	options := &fs.Options{
		NegativeTimeout: &missing,
		RootStableAttr:  &fs.StableAttr{Ino: f.tree.root.ino},
		NullPermissions: true,
		MountOptions: fuse.MountOptions{
			Name: "jfuse", FsName: "jottacloud", AllowOther: o.AllowOther, Options: append([]string{"default_permissions"}, o.System...),
			MaxWrite: maxRequest, MaxReadAhead: maxRequest, MaxBackground: background, Debug: o.Debug,
			DirectMount: os.Geteuid() == 0, IgnoreSecurityLabels: true,
		},
	}
	if o.ReadOnly {
		options.Options = append(options.Options, "ro")
	}
	if options.DirectMount {
		directFlags(&options.MountOptions)
	}
	// Whoever looks first must find what is in the spool, not what it is to replace.
	f.takeUp(found)
	if m.server, err = serve(o.Dir, root, options); err != nil {
		return nil, errors.Join(fmt.Errorf("mount at %s: %w", o.Dir, err), f.close())
	}
	f.uploads.start(o.Jobs)
	go func() {
		m.server.Wait()
		close(m.done)
	}()
	return m, nil
}

// directFlags takes out of the options those that mount(2) has as flags, and that go-fuse
// would hand to the file system, which refuses them. fusermount3 takes them as words, save
// nosymfollow, which 3.14 does not know.
func directFlags(o *fuse.MountOptions) {
	o.DirectMountFlags = unix.MS_NOSUID | unix.MS_NODEV
	o.Options = slices.DeleteFunc(o.Options, func(option string) bool {
		switch option {
		case "noatime":
			o.DirectMountFlags |= unix.MS_NOATIME
		case "nosymfollow":
			o.DirectMountFlags |= unix.MS_NOSYMFOLLOW
			o.DirectMountStrict = true
		case "atime":
		default:
			return false
		}
		return true
	})
}

// serve is fs.Mount without its look into the mount, by which go-fuse has the kernel ask
// once whether files can be polled: a process that is killed while it waits for itself
// never ends, and nor does whoever looks at the mount. What it is for are processes
// that open files of their own mount in such a way that Go polls them; see openTarget.
func serve(dir string, root fs.InodeEmbedder, options *fs.Options) (*fuse.Server, error) {
	server, err := fuse.NewServer(fs.NewNodeFS(root, options), dir, &options.MountOptions)
	if err == nil {
		go server.Serve()
	}
	return server, err
}

// CheckDir says whether something can be mounted at dir, which has to be empty unless
// nonEmpty is set. What a mount that has died left there is taken away.
func CheckDir(dir string, nonEmpty bool) error {
	// The system may remember what the folder was like, but not how full it is.
	for isDead(dir) {
		if err := lazy(dir); err != nil {
			return fmt.Errorf("take away the mount at %s that has died: %w", dir, err)
		}
	}
	fi, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !fi.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case nonEmpty:
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if names, err := f.Readdirnames(1); len(names) > 0 || err != io.EOF {
		return fmt.Errorf("%s is not empty (or a mount already), and what is in it could not be seen; name an empty folder, or say -o nonempty", dir)
	}
	return nil
}

func newFileSystem(service Service, o Options) (*fileSystem, *spool.Found, error) {
	if o.disk == nil {
		o.disk = spool.System{}
	}
	s, found, err := spool.OpenOn(o.disk, o.SpoolDir)
	if err != nil {
		return nil, nil, err
	}
	cache, err := chunks.Open(o.CacheDir, o.CacheSize)
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	f := &fileSystem{service: service, o: o, tree: newTree(), spool: s, cache: cache,
		files: map[chunks.ID]*shared{}, checked: map[chunks.ID]bool{}}
	f.ctx, f.stop = context.WithCancelCause(context.Background())
	f.uploads = newUploads(f)
	f.tree.outdated = f.outdated
	return f, found, nil
}

// Done is closed when the mount has gone, whoever has unmounted it.
func (m *Mounted) Done() <-chan struct{} { return m.done }

// Close uploads what waits, for as long as patience lasts, and unmounts. The error
// says what is left in the spool.
func (m *Mounted) Close(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(m.fs.ctx, patience)
	m.fs.uploads.drain(ctx)
	cancel()
	err := m.unmount()
	if err == nil {
		<-m.done
		// The last close of a file may have come with the end.
		ctx, cancel := context.WithTimeout(m.fs.ctx, patience)
		m.fs.uploads.drain(ctx)
		cancel()
	}
	return errors.Join(err, m.fs.close())
}

// unmount takes the mount away. Programs that still have files open keep a broken
// one, as there is nobody any more to serve it.
func (m *Mounted) unmount() error {
	select {
	case <-m.done:
		return nil
	default:
	}
	err := m.server.Unmount()
	if err == nil {
		return nil
	}
	if lazy(m.fs.o.Dir) != nil {
		return fmt.Errorf("unmount %s: %w", m.fs.o.Dir, err)
	}
	return fmt.Errorf("%s was in use; what was open there was cut off", m.fs.o.Dir)
}

// close ends everything but the mount itself.
func (f *fileSystem) close() error {
	f.stop(errClosed)
	f.uploads.close()
	for _, j := range f.uploads.list() {
		if l := j.entry.local; l != nil {
			f.doneRest(l)
		}
	}
	f.running.Wait()
	f.cache.Close()
	left := len(f.uploads.list())
	err := f.spool.Close()
	if left > 0 {
		err = errors.Join(err, &LeftError{left, f.o.SpoolDir})
	}
	return err
}

var errClosed = errors.New("the mount has been closed")

// LeftError says that files are not uploaded yet.
type LeftError struct {
	Files int
	Spool string
}

// Error says how many there are, and what becomes of them.
func (e *LeftError) Error() string {
	what := "files are"
	if e.Files == 1 {
		what = "file is"
	}
	return fmt.Sprintf("%d %s not uploaded yet; the next mount goes on with what is in %s", e.Files, what, e.Spool)
}

// lazyPatience is how long that may take; it asks nobody.
const lazyPatience = time.Minute

// lazy takes a mount away that is in use.
func lazy(dir string) error {
	if os.Geteuid() == 0 {
		return unix.Unmount(dir, unix.MNT_DETACH)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lazyPatience)
	defer cancel()
	return exec.CommandContext(ctx, "fusermount3", "-u", "-z", dir).Run()
}

func readStatus(dir string) ([]byte, error) {
	b, n := make([]byte, 64<<10), 0
	answer := make(chan error, 1)
	go func() {
		var err error
		n, err = unix.Getxattr(dir, xattrStatus, b)
		answer <- err
	}()
	err := await(answer, func() bool { return false })
	switch err {
	case unix.ENODATA, unix.ENOTSUP, unix.ENOENT, unix.ENOTDIR:
		return nil, fmt.Errorf("%w at %s; name the folder that was given to jfuse", ErrNoMount, dir)
	case unix.ENOTCONN, errNoAnswer:
		return nil, fmt.Errorf("the mount at %s has died; mount again, and what waits is uploaded", dir)
	}
	return b[:max(n, 0)], err
}

// status tells how the mount is.
func (f *fileSystem) status() *Status {
	s := &Status{Version: 1, State: StateOK, PID: os.Getpid(), Since: f.o.started.UTC().Truncate(time.Second), Files: []PendingFile{},
		Spool: f.o.SpoolDir, Cache: f.o.CacheDir, CacheBytes: f.cache.Used(), CacheLimit: f.cache.Limit()}
	jobs := f.uploads.list()
	room := statusRoom
	f.tree.mu.Lock()
	for _, j := range jobs {
		file := PendingFile{Path: string(f.tree.path(j.entry)), Tries: j.tries, Failed: j.failed}
		if j.entry.local != nil {
			file.Size, file.SpoolBytes = j.entry.local.size.Load(), j.entry.local.here()
		}
		full := false
		if j.err != nil {
			file.Error = j.err.Error()
			full = jfs.RecordError(j.err).Class == record.ClassQuota
		}
		s.Pending++
		s.PendingBytes += file.Size
		s.SpoolBytes += file.SpoolBytes
		switch {
		case full:
			s.State = StateFull
		case j.failed && s.State == StateOK:
			s.State = StateFailed
		}
		switch {
		case j.index < 0:
			s.Uploading++
		case j.failed:
			s.Failed++
		default:
			file.Due = j.due.UTC().Truncate(time.Second)
		}
		if room -= len(file.Path) + len(file.Error); room > 0 {
			s.Files = append(s.Files, file)
		}
	}
	f.tree.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Account, s.LastError = f.account.Username, f.lastErr
	s.Conflicts = f.conflicts
	for _, name := range f.aside {
		if room -= len(name); room > 0 {
			s.ConflictFiles = append(s.ConflictFiles, name)
		}
	}
	if f.away != nil {
		s.State = StateAway
	}
	if f.refused != nil {
		s.State, s.LoginError = StateLogin, f.refused.Error()
	}
	if !f.lastAt.IsZero() {
		s.LastErrorAt = f.lastAt.UTC().Truncate(time.Second)
	}
	return s
}
