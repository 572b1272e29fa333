//go:build linux

package mount

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"syscall"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// The extended attributes of files, and of the mount itself.
const (
	xattrMD5       = "user.jotta.md5"       // of the content, once the service has it
	xattrState     = "user.jotta.state"     // COMPLETED, or PENDING as long as something waits to be uploaded
	xattrRevision  = "user.jotta.revision"  // number of the revision
	xattrPublicURL = "user.jotta.publicurl" // of a file or folder that is shared; setting it shares, removing it ends that
	xattrStatus    = "user.jotta.status"    // of the mount, as JSON; see Status
)

// statePending is the state of a file that the service does not have as it is here.
const statePending = "PENDING"

// Getxattr returns an attribute.
func (n *node) Getxattr(_ context.Context, attr string, dest []byte) (uint32, syscall.Errno) {
	value, err := n.fs.attribute(n.entry, attr)
	if err != nil {
		return 0, n.fs.errno(err)
	}
	return give(dest, value)
}

// give copies a value to where the kernel wants it, or says how long it is.
func give(dest []byte, value string) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), 0
}

func (f *fileSystem) attribute(e *entry, attr string) (string, error) {
	f.tree.mu.Lock()
	p, rev, isFile, pending := f.tree.path(e), e.rev, e.kind == kindFile, e.local != nil
	f.tree.mu.Unlock()
	if pending {
		_, sent := e.local.state()
		pending = !sent
	}
	switch {
	case attr == xattrStatus && e == f.tree.root:
		b, err := json.Marshal(f.status())
		return string(b), err
	case attr == xattrPublicURL && p.Depth() > 2:
		return f.publicURL(p)
	case !isFile:
	case attr == xattrState && pending:
		return statePending, nil
	case attr == xattrState:
		return record.StateCompleted, nil
	case pending:
	case attr == xattrMD5:
		return rev.md5, nil
	case attr == xattrRevision:
		if rev.number == 0 {
			ctx, cancel := f.forOp()
			defer cancel()
			var err error
			if rev.number, err = f.number(ctx, e, p, rev); err != nil {
				return "", err
			}
		}
		return strconv.FormatInt(rev.number, 10), nil
	}
	return "", syscall.ENODATA
}

func (f *fileSystem) publicURL(p jfs.Path) (string, error) {
	ctx, cancel := f.forOp()
	defer cancel()
	info, err := f.service.Stat(ctx, p)
	if errors.Is(err, jfs.ErrNotExist) {
		return "", syscall.ENODATA // not uploaded yet
	}
	if err != nil {
		return "", err
	}
	link, err := f.service.LinkTo(ctx, info)
	if err == nil && link.Page == "" {
		err = syscall.ENODATA
	}
	return link.Page, err
}

// Setxattr shares a file or folder; all other attributes are given by the service.
func (n *node) Setxattr(_ context.Context, attr string, _ []byte, _ uint32) syscall.Errno {
	return n.share(attr, func(ctx context.Context, p jfs.Path) error {
		_, err := n.fs.service.Share(ctx, p)
		return err
	})
}

// Removexattr ends the sharing.
func (n *node) Removexattr(_ context.Context, attr string) syscall.Errno {
	return n.share(attr, n.fs.service.Unshare)
}

func (n *node) share(attr string, do func(context.Context, jfs.Path) error) syscall.Errno {
	f := n.fs
	f.tree.mu.Lock()
	p := f.tree.path(n.entry)
	f.tree.mu.Unlock()
	switch {
	case f.o.ReadOnly:
		return syscall.EROFS
	case attr != xattrPublicURL && strings.HasPrefix(attr, "user.jotta."):
		return syscall.EPERM
	case attr != xattrPublicURL:
		return syscall.ENOTSUP
	case p.Depth() <= 2:
		return syscall.EPERM
	}
	ctx, cancel := f.forOp()
	defer cancel()
	f.renaming.RLock()
	defer f.renaming.RUnlock()
	return f.errno(do(ctx, p))
}

// Listxattr lists none: a program that copies what is listed would leave it on other
// files, or fail where it cannot be set.
func (n *node) Listxattr(context.Context, []byte) (uint32, syscall.Errno) { return 0, 0 }
