// Package mount shows an account as a folder of the system: devices, mount points,
// folders and files at their places, to read and to write with any program.
//
// What is read comes through package readahead and stays in the cache of package
// chunks. Names are changed at the service at once. Content is written to the spool,
// package spool, on local disk: what a program has closed survives there whatever
// happens, until an upload has brought it to the service. The tree of names is cached
// for a while, folder by folder, or all at once for somebody who walks it.
//
// It is the only package that knows of FUSE, and works on Linux; elsewhere it says
// that it does not. docs/jfuse.md says what programs can expect.
package mount

import (
	"time"

	"jottatools/lib/mount/spool"
	"jottatools/lib/transfer"
)

// Options say how to mount.
type Options struct {
	Dir      string // where; an absolute path
	SpoolDir string // what waits to be uploaded; one mount at a time
	CacheDir string // what was read; likewise

	CacheSize int64               // bytes that may be kept of what was read
	DirTTL    time.Duration       // how long a listing is believed
	Timeout   time.Duration       // what a program waits at most for one operation, fsync and the fetching of content apart
	WriteBack time.Duration       // how long after the last close a file is uploaded
	Jobs      int                 // uploads at once
	Bandwidth *transfer.Bandwidth // of them together; nil: no limit

	ReadOnly    bool
	HardDelete  bool     // delete for good instead of moving to the trash
	FsyncLocal  bool     // fsync waits for the local disk, not for the service
	RefuseChmod bool     // other owners and permissions are refused, not ignored
	Junk        bool     // let in what systems leave in folders, such as .DS_Store
	Symlinks    Symlinks // what becomes of symbolic links

	UID, GID   uint32   // whose everything is
	Umask      uint32   // permissions that nobody gets
	AllowOther bool     // other users may look, too
	System     []string // options for the system's mount, such as noexec
	Debug      bool

	// Warn and Info hear, in words for people, of what somebody has to know, and of what
	// is of interest to those who look for a fault. They may be called concurrently.
	Warn, Info func(format string, args ...any)

	started time.Time
	disk    spool.Disk // of the spool; nil: the system's
}

// Symlinks says what becomes of symbolic links, which the service does not have.
type Symlinks string

// The ways to deal with symbolic links.
const (
	SymlinksRefuse Symlinks = "refuse" // they cannot be made
	SymlinksUpload Symlinks = "upload" // the file that a new one leads to is stored in its place
	SymlinksLinks  Symlinks = "links"  // they are stored as small files, as rclone --links does
)
