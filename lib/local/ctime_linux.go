package local

import "golang.org/x/sys/unix"

// ctimesOf knows the file systems by the numbers that statfs gives. FAT, exFAT and HFS
// store no ctime: the kernel makes one up from the other times when it reads an inode
// (fs/fat/inode.c, fs/exfat/inode.c, fs/hfs/inode.c).
func ctimesOf(path string) ctimes {
	const hfs = 0x4244 // HFS_SUPER_MAGIC in fs/hfs/hfs.h; HFS+ has another
	var st unix.Statfs_t
	err := unix.Statfs(path, &st)
	for err == unix.EINTR {
		err = unix.Statfs(path, &st)
	}
	if err != nil {
		return ctimesNone
	}
	switch uint32(st.Type) {
	case unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC, hfs:
		return ctimesNone
	case unix.FUSE_SUPER_MAGIC, unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.V9FS_MAGIC:
		return ctimesUncertain
	}
	return ctimesOwn
}
