//go:build linux

package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"jottatools/lib/jfs"
	disk "jottatools/lib/local"
	"jottatools/lib/record"
)

// ownerName is the file of the spool that holds the name of the account that it is
// for.
const ownerName = "account"

// maxOwner is the largest such file that is read, in bytes.
const maxOwner = 64 << 10

// errOtherAccount says that the spool is not of the account that is logged in.
var errOtherAccount = errors.New("the spool is of another account")

// checkOwner makes sure that what is in the spool goes to the account that it was
// written for: whoever logs in to another one must not find it there.
func (f *fileSystem) checkOwner(ctx context.Context) error {
	customer, err := f.service.Customer(ctx) // asked for once
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.owner == "" {
		if f.owner, err = f.readOwner(customer.Username); err != nil {
			return fmt.Errorf("find out whose the spool is: %w", err)
		}
	}
	if f.owner == customer.Username {
		return nil
	}
	return &jfs.Error{Op: "upload", Class: record.ClassAuth, Err: errOtherAccount, Message: fmt.Sprintf("what waits in %s is of the account %s, and this is %s; mount that one, or this one with another --spool-dir", f.o.SpoolDir, f.owner, customer.Username)}
}

// readOwner returns the account in the file, after writing it if there is none.
func (f *fileSystem) readOwner(now string) (string, error) {
	name := filepath.Join(f.o.SpoolDir, ownerName)
	file, _, err := disk.OpenRegular(name)
	if errors.Is(err, fs.ErrNotExist) {
		return now, disk.Replace(name, []byte(now+"\n"))
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxOwner))
	if err != nil {
		return "", err
	}
	if owner := strings.TrimSpace(string(b)); owner != "" {
		return owner, nil
	}
	return now, disk.Replace(name, []byte(now+"\n"))
}
