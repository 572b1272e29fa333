package place

import (
	"io/fs"
	"os"
)

// working is what the owner of a folder needs to work in it.
const working fs.FileMode = 0o700

// lift makes a folder that is there already one that its owner can work in. A folder that a
// restore has made read-only, as it was when it was saved, must not keep the next restore out.
// It returns the mode that the folder gets back at the end, or 0 if it has not been changed: the
// owner, or root, may do everything as it is, or the folder belongs to somebody else.
func lift(info fs.FileInfo, chmod func(fs.FileMode) error) (before fs.FileMode) {
	mode := info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	if mode&working == working || os.Geteuid() == 0 || chmod(mode|working) != nil {
		return 0
	}
	return mode
}

// liftTop is [lift] for the folder that everything is put into.
func liftTop(dir string) (before fs.FileMode) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0 // opening it will say why
	}
	return lift(info, func(mode fs.FileMode) error { return os.Chmod(dir, mode) })
}
