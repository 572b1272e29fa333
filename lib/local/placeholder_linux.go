package local

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// placeholderIno is the inode number of the folders that stand in a btrfs snapshot for
// the subvolumes that the snapshot does not contain (BTRFS_EMPTY_SUBVOL_DIR_OBJECTID
// in the kernel's include/uapi/linux/btrfs_tree.h).
const placeholderIno = 2

// Placeholder reports whether the folder that dir has open and info describes stands for
// a btrfs subvolume that the snapshot it is in does not contain. It looks empty. Only
// of a folder with the inode number in question is the type of its file system asked:
// the root of an ext4 file system has that number, too.
func Placeholder(dir *os.File, info fs.FileInfo) bool {
	if stateOf(info).ino != placeholderIno {
		return false
	}
	var st unix.Statfs_t
	for {
		err := unix.Fstatfs(int(dir.Fd()), &st)
		if err != unix.EINTR {
			return err == nil && uint32(st.Type) == unix.BTRFS_SUPER_MAGIC
		}
	}
}
