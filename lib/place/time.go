package place

import (
	"fmt"
	"time"

	"jottatools/lib/record"
)

// Between these, every file system can hold a time, and nobody has to look what became
// of it.
var (
	firstPlain = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	lastPlain  = time.Date(2038, 1, 19, 0, 0, 0, 0, time.UTC)
)

// setTime gives the entry called name its time of modification. Name is a file that is
// no symbolic link, or ".". File systems silently store the nearest time that they can
// hold; that is an error.
func (f *Folder) setTime(name string, mtime time.Time) error {
	set := func() error { return f.root.Chtimes(name, time.Time{}, mtime) }
	if !time.Unix(0, mtime.UnixNano()).Equal(mtime) { // which Chtimes would set
		set = func() error { return f.setLinkTime(name, mtime) }
	}
	if err := set(); err != nil || mtime.After(firstPlain) && mtime.Before(lastPlain) {
		return err
	}
	info, err := f.root.Lstat(name)
	if err != nil {
		return err
	}
	if d := info.ModTime().Sub(mtime); d.Abs() > 2*time.Second { // as coarse as file systems are
		return &record.Error{Class: record.ClassInternal, Message: fmt.Sprintf(
			"the file system does not hold its time, %s, and made it %s", record.LocalTime(mtime), record.LocalTime(info.ModTime()))}
	}
	return nil
}
