package local

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Replace writes content as the file called name, readable by its owner only, in place
// of the one before, which stays if this fails. It is written aside, beside it, and put
// into its place once it is on disk. When Replace returns, it outlives a crash.
//
// Only a regular file is ever replaced. A symbolic link stays, and what it leads to is
// replaced or made, as it would be by cp or the shell. A FIFO that is being read and a
// device that takes a stream, such as a terminal or the null device, are written to;
// anything else is an error that wraps [ErrNotRegular].
func Replace(name string, content []byte) error { return ReplaceMode(name, content, 0o600) }

// ReplaceMode is [Replace] for a file with other permissions, from which the umask is
// taken.
func ReplaceMode(name string, content []byte, perm fs.FileMode) error {
	into, err := mayReplace(name)
	switch {
	case err != nil:
		return err
	case into:
		return writeInto(name, content)
	}
	place, err := behindLinks(name)
	if err != nil {
		return err
	}
	if place == "" {
		return writeInto(name, content)
	}
	aside, err := writeAside(place, content, perm)
	if err == nil {
		err = os.Rename(aside, place)
	}
	if err != nil {
		if aside != "" {
			os.Remove(aside)
		}
		return err
	}
	return SyncDir(filepath.Dir(place))
}

// MayReplace returns an error that wraps [ErrNotRegular] if something other than a
// regular file is at name, as far as links lead: it must not be replaced by one.
func MayReplace(name string) error {
	into, err := mayReplace(name)
	if into {
		err = notRegular(name)
	}
	return err
}

// mayReplace reports whether what is at name is to be written into instead.
func mayReplace(name string) (into bool, err error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return false, nil
	case mode&fs.ModeNamedPipe != 0, mode&fs.ModeCharDevice != 0:
		return true, nil
	}
	return false, notRegular(name)
}

func notRegular(name string) error {
	return &fs.PathError{Op: "write", Path: name, Err: ErrNotRegular}
}

// maxLinks is how many symbolic links in a row are followed, as on Linux.
const maxLinks = 40

// behindLinks returns the name of the file that name leads to, whether or not there is
// one; "" if that has none: /dev/stdout leads to an open file by way of /proc.
func behindLinks(name string) (string, error) {
	for range maxLinks {
		target, err := os.Readlink(name)
		if err != nil {
			return name, nil // it is no link, or not there
		}
		if strings.HasPrefix(name, "/proc/") {
			return "", nil
		}
		if !filepath.IsAbs(target) {
			// Without Clean: .. counts from where the folder really is.
			target = filepath.Dir(name) + string(filepath.Separator) + target
		}
		name = target
	}
	return "", &fs.PathError{Op: "write", Path: name, Err: errors.New("too many symbolic links")}
}

// writeAside writes content to a new file beside place, and returns its name once it is
// on disk. The name is "" if nothing was made.
func writeAside(place string, content []byte, perm fs.FileMode) (string, error) {
	dir, base := filepath.Split(place)
	if len(base) > 100 {
		base = base[:100] // what is added must not make the name too long
	}
	aside := dir + "." + base + "." + rand.Text()
	f, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	return aside, errors.Join(err, f.Sync(), f.Close())
}

// intoPatience is how long the reader of a FIFO may take for the content.
const intoPatience = time.Minute

// writeInto writes content to what cannot be replaced. It does not wait for somebody
// to read a FIFO.
func writeInto(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|nonblock, 0)
	if isUnread(err) {
		return fmt.Errorf("%w (nobody reads it)", err)
	}
	if err != nil {
		return err
	}
	// What has no deadlines takes the content at once, or says that it does not.
	_ = f.SetWriteDeadline(time.Now().Add(intoPatience))
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
