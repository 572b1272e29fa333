//go:build linux

package mount

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
)

// linkSuffix ends the name of a file that stands for a symbolic link and holds its
// text. It is that of rclone --links, so that both read each other's.
const linkSuffix = ".rclonelink"

// maxLink is the longest text of a link, in bytes.
const maxLink = 4096

// isLink reports whether an entry is shown as a symbolic link.
func (f *fileSystem) isLink(e *entry) bool {
	return f.o.Symlinks == SymlinksLinks && e.kind == kindFile && len(e.name) > len(linkSuffix) && strings.HasSuffix(record.Fold(e.name), linkSuffix)
}

// shownName returns the name under which an entry is shown.
func (f *fileSystem) shownName(e *entry) string {
	if f.isLink(e) {
		return e.name[:len(e.name)-len(linkSuffix)]
	}
	return e.name
}

// Symlink does what Options.Symlinks says.
func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f := n.fs
	switch f.o.Symlinks {
	case SymlinksLinks:
		e, err := f.storeText(ctx, n.entry, name+linkSuffix, target)
		if err != nil {
			return nil, f.errno(err)
		}
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		return n.show(ctx, e, name, out), 0
	case SymlinksUpload:
		if err := f.storeTarget(ctx, n.entry, target, name); err != nil {
			return nil, f.errno(err)
		}
		// The kernel insists on a link; the next look finds the file.
		out.Mode, out.Nlink, out.Size = syscall.S_IFLNK|0o777, 1, uint64(len(target))
		return n.NewInode(ctx, &linkMade{target: target}, fs.StableAttr{Mode: syscall.S_IFLNK}), 0
	}
	return nil, f.errno(fmt.Errorf("link %s: the service has no symbolic links; see --symlinks: %w", name, syscall.EPERM))
}

// linkMade is a link that is a file as soon as somebody looks again.
type linkMade struct {
	fs.Inode
	target string
}

// Readlink returns the text of the link.
func (l *linkMade) Readlink(context.Context) ([]byte, syscall.Errno) { return []byte(l.target), 0 }

// storeText makes a file that holds a text.
func (f *fileSystem) storeText(ctx context.Context, dir *entry, name, text string) (*entry, error) {
	return f.storeFrom(ctx, dir, name, strings.NewReader(text), time.Now())
}

// storeFrom makes a file with the content of r.
func (f *fileSystem) storeFrom(ctx context.Context, dir *entry, name string, r io.Reader, modified time.Time) (*entry, error) {
	e, err := f.create(ctx, dir, name)
	if err != nil {
		return nil, err
	}
	f.tree.mu.Lock()
	l := e.local
	e.handles, e.writers = e.handles+1, e.writers+1
	f.tree.mu.Unlock()
	err = l.change(func(file *spool.File) error {
		_, err := io.Copy(io.NewOffsetWriter(file, 0), r)
		return err
	})
	if err == nil {
		err = l.setModified(modified)
	}
	if releaseErr := f.release(e, true); err == nil {
		err = releaseErr
	}
	if err != nil {
		f.unlink(e)
		return nil, err
	}
	return e, nil
}

// storeTarget stores the file that a link would lead to.
func (f *fileSystem) storeTarget(ctx context.Context, dir *entry, target, name string) error {
	caller, ok := fuse.FromContext(ctx)
	if !ok || caller.Uid != uint32(os.Getuid()) {
		return fmt.Errorf("link %s: only the user who mounted can have the files stored that links lead to: %w", name, syscall.EPERM)
	}
	f.tree.mu.Lock()
	at := filepath.Join(f.o.Dir, string(f.tree.path(dir)))
	f.tree.mu.Unlock()
	if !filepath.IsAbs(target) {
		target = filepath.Join(at, target)
	}
	if rel, err := filepath.Rel(f.o.Dir, target); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
		return fmt.Errorf("link %s: it leads to a file in the mount; copy that: %w", name, syscall.EPERM)
	}
	waitCtx, cancel := f.forWait(ctx)
	defer cancel()
	file, modified, err := openTarget(waitCtx, f.o.Dir, target)
	if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	defer file.Close()
	_, err = f.storeFrom(ctx, dir, name, file, modified)
	return err
}

// openTarget opens a regular file that is not in the mount. Its name may lead into
// the mount all the same, to a folder that the kernel has locked until there is an
// answer to the caller; so it is given up when the context ends. Then what is left
// behind goes on and ends with that answer.
func openTarget(ctx context.Context, mnt, target string) (*os.File, time.Time, error) {
	type opened struct {
		file     *os.File
		modified time.Time
		err      error
	}
	done := make(chan opened, 1)
	go func() {
		var o opened
		o.file, o.modified, o.err = openRegular(mnt, target)
		if ctx.Err() != nil && o.file != nil {
			o.file.Close()
		}
		done <- o
	}()
	select {
	case o := <-done:
		return o.file, o.modified, o.err
	case <-ctx.Done():
		return nil, time.Time{}, context.Cause(ctx)
	}
}

// openRegular opens a file in such a way that Go does not poll it: with one that is in
// the mount the only thread that runs Go would wait for itself.
func openRegular(mnt, target string) (*os.File, time.Time, error) {
	fd, err := -1, error(unix.EINTR)
	for err == unix.EINTR {
		fd, err = unix.Open(target, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0) // a FIFO would wait for a writer
	}
	if err != nil {
		return nil, time.Time{}, &os.PathError{Op: "open", Path: target, Err: err}
	}
	var top, is unix.Stat_t
	err = cmp.Or(unix.Stat(mnt, &top), unix.Fstat(fd, &is), unix.SetNonblock(fd, false))
	file := os.NewFile(uintptr(fd), target)
	switch {
	case err != nil:
	case is.Dev == top.Dev:
		err = fmt.Errorf("%s leads to a file in the mount; copy that: %w", target, syscall.EPERM)
	case is.Mode&unix.S_IFMT != unix.S_IFREG:
		err = fmt.Errorf("%s is not a regular file: %w", target, syscall.EPERM)
	}
	if err != nil {
		file.Close()
		return nil, time.Time{}, err
	}
	return file, time.Unix(is.Mtim.Unix()), nil
}

// Readlink returns the text of a link.
func (n *node) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	f := n.fs
	f.tree.mu.Lock()
	size, isLink := n.entry.size(), f.isLink(n.entry)
	if isLink {
		n.entry.handles++
	}
	f.tree.mu.Unlock()
	if !isLink || size > maxLink {
		return nil, syscall.EINVAL
	}
	h := &handle{fs: f, entry: n.entry}
	defer h.Release(ctx)
	waitCtx, cancel := f.forWait(ctx)
	defer cancel()
	text := make([]byte, size)
	got, err := f.readEntry(waitCtx, h, text, 0)
	if err != nil && err != io.EOF {
		return nil, f.errno(err)
	}
	return text[:got], 0
}
