package place

import (
	"crypto/md5"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// Part is a file on its way. What it holds when the program dies is found again
// by the next one that fetches the same content to the same name.
type Part struct {
	*os.File
	folder     *Folder
	name, temp string
	unlock     func() // lets others at it
	done       bool

	written int64 // bytes that the system has not been told of to write to the disk
}

// flushSize is how many bytes of a part the system is given to write to the disk at a
// time. It would by itself begin with that when a good part of the memory is full,
// and the disk would be idle until then.
const flushSize = 8 << 20

// partTries is how often a part is opened that somebody takes away meanwhile.
const partTries = 5

// Part opens the file on its way to name; content identifies what it is to hold.
// Its Size says how much of that is there from before. One part is of one program at
// a time: the error is of class changing if another one is at it.
func (f *Folder) Part(name, content string) (*Part, error) {
	sum := md5.Sum([]byte(name + "\x00" + content))
	p := &Part{folder: f, name: name, temp: local.PartName([8]byte(sum[:]))}
	busy := &record.Error{Class: record.ClassChanging, Message: join(f.path, name) + ": another run is fetching it; run this again when that one has ended"}
	for range partTries {
		var err error
		p.File, err = f.root.OpenFile(p.temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			err = p.reopen()
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has got its name just now
		}
		if err != nil {
			return nil, at(err, join(f.path, name))
		}
		unlock, free, err := local.Lock(p.File)
		switch {
		case err == nil && free && p.isThere():
			p.unlock = unlock
			return p, nil
		case free:
			unlock() // of a file that has got its name, or was removed, just before
		}
		p.File.Close()
		if err != nil {
			return nil, at(err, join(f.path, name))
		}
		if !free {
			return nil, busy
		}
	}
	return nil, busy
}

// isThere reports whether the open file is the one in the folder.
func (p *Part) isThere() bool {
	opened, err := p.File.Stat()
	if err != nil {
		return false
	}
	info, err := p.folder.root.Lstat(p.temp)
	return err == nil && os.SameFile(opened, info)
}

// reopen opens a part of an earlier run. It replaces anything that is not a regular file.
func (p *Part) reopen() error {
	f := p.folder
	info, err := f.root.Lstat(p.temp)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		if p.File, err = f.root.OpenFile(p.temp, os.O_RDWR|nonblock, 0); err != nil {
			return err
		}
		if opened, err := p.File.Stat(); err == nil && os.SameFile(opened, info) {
			return nil
		}
		p.File.Close()
	}
	if err := f.root.Remove(p.temp); err != nil {
		return err
	}
	p.File, err = f.root.OpenFile(p.temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	return err
}

// Size returns how many bytes the part holds.
func (p *Part) Size() (int64, error) {
	info, err := p.File.Stat()
	if err != nil {
		return 0, at(err, join(p.folder.path, p.name))
	}
	return info.Size(), nil
}

// Write adds to the part; an error names the file it is on its way to.
func (p *Part) Write(b []byte) (int, error) {
	n, err := p.File.Write(b)
	if p.written += int64(n); p.written >= flushSize {
		if end, err := p.File.Seek(0, io.SeekCurrent); err == nil {
			local.StartWriting(p.File, end-p.written, p.written)
		}
		p.written = 0
	}
	return n, at(err, join(p.folder.path, p.name))
}

// Restart drops what the part holds.
func (p *Part) Restart() error {
	p.written = 0
	if _, err := p.File.Seek(0, 0); err != nil {
		return at(err, join(p.folder.path, p.name))
	}
	return at(p.File.Truncate(0), join(p.folder.path, p.name))
}

// Finish gives the part its name, in place of the file that has it, after setting
// its mode, unless that is 0, and its time, unless that is zero. Nothing but a file
// is replaced. If the file system does not hold the time, the file has its name all the
// same, and the error says so.
func (p *Part) Finish(mode fs.FileMode, mtime time.Time) error {
	f, path := p.folder, join(p.folder.path, p.name)
	if !p.isThere() {
		return &record.Error{Class: record.ClassChanging, Message: path + ": what was fetched of it was replaced meanwhile; run this again"}
	}
	if mode != 0 { // of the open file: another one may take its place
		if err := p.File.Chmod(mode); err != nil {
			return at(err, path)
		}
	}
	if err := p.File.Close(); err != nil {
		return at(err, path)
	}
	var otherTime *record.Error
	if !mtime.IsZero() {
		if err := f.setTime(p.temp, mtime); err != nil && !errors.As(err, &otherTime) {
			return at(err, path)
		}
	}
	if info, err := f.root.Lstat(p.name); err == nil && !info.Mode().IsRegular() {
		return InTheWay(info, path)
	}
	if err := f.root.Rename(p.temp, p.name); err != nil {
		return at(renameError(err), path)
	}
	p.done = true
	f.tree.changed.Store(true)
	if otherTime != nil {
		return &record.Error{Class: otherTime.Class, Message: "it was fetched whole, but " + otherTime.Message}
	}
	return nil
}

func renameError(err error) error {
	var link *os.LinkError
	if errors.As(err, &link) {
		return &fs.PathError{Op: "rename", Err: link.Err}
	}
	return err
}

// Close closes the part. It stays for the next try if keep is set and it holds
// anything; otherwise it is removed.
func (p *Part) Close(keep bool) {
	defer p.unlock()
	size, err := p.Size()
	p.File.Close()
	if !p.done && (!keep || err == nil && size == 0) {
		p.folder.root.Remove(p.temp)
	}
}
