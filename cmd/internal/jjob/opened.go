package jjob

import (
	"io/fs"
	"os"
	"path/filepath"

	"jottatools/lib/record"
	"jottatools/lib/report"
)

// opened are folders that their owner could not list, as an earlier restore may have left
// them, and now can. They get their modes back at the end, unless the restore gave them
// others.
type opened map[string]fs.FileMode

// listing is what the owner of a folder needs to list it.
const listing fs.FileMode = 0o500

// more opens the folders that a report says could not be read, and reports whether there
// were any: another run of the pipe sees what is in them.
func (o *opened) more(source, name string) (found bool) {
	r, err := report.Load(name)
	if err != nil || r == nil {
		return false
	}
	for _, e := range r.NotStored {
		if e.Class != record.ClassPermission || record.CheckPath(e.Path) != nil {
			continue
		}
		path := filepath.Join(source, filepath.FromSlash(e.Path))
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || info.Mode()&listing == listing || os.Chmod(path, info.Mode()|0o700) != nil {
			continue // it is no such folder, or somebody else's
		}
		if *o == nil {
			*o = opened{}
		}
		(*o)[path], found = info.Mode(), true
	}
	return found
}

// close gives the folders their modes back.
func (o *opened) close() {
	for path, mode := range *o {
		if info, err := os.Lstat(path); err == nil && info.IsDir() && info.Mode() == mode|0o700 {
			os.Chmod(path, mode) // or it stays open to its owner
		}
	}
}
