package transfer

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"hash"
	"io"
	"math"
	"os"

	"jottatools/lib/jfs"
	"jottatools/lib/local"
	"jottatools/lib/record"
)

// VerifyOptions say what to read back.
type VerifyOptions struct {
	Jobs      int          // files dealt with at once
	Slice     record.Slice // of the paths; 1/1 is all of them
	Bandwidth *Bandwidth   // of all downloads together; nil: no limit

	Expect   func(files, bytes int64) // as in UploadOptions
	Progress func(files, bytes int64)
	NoMore   func()
}

// Verify downloads the files of the slice that are the same on both sides according to
// the plan in, and compares them byte for byte with those on disk. It keeps no data.
// Records of identical files leave with the status verified, in any order, the others
// with an error that says which side is wrong. All other records
// pass as they come. Errors are as for [Upload].
func Verify(ctx context.Context, in *record.Reader, out *record.Writer, service Downloader, o VerifyOptions) error {
	v := &verification{run: newRun(ctx, out, o.Jobs), receiver: NewReceiver(service, o.Jobs, o.Bandwidth), o: o}
	defer v.roots.Close()
	asked := false
	for rec := range in.All() {
		if v.ended() {
			break
		}
		if !v.wanted(rec) {
			v.pass(rec)
			continue
		}
		p, err := jfs.ParsePath(rec.Remote)
		if err != nil {
			v.finish(rec, err)
			continue
		}
		if !asked {
			asked = true
			if v.account(service).ReadLocked {
				v.stop(&jfs.Error{Op: "download", Class: record.ClassLocked, Message: "the account hands nothing out at present; see the web interface for the reason"})
			}
		}
		o.Expect(1, rec.Size)
		v.start(func() { v.finish(rec, v.verify(rec, p)) })
	}
	o.NoMore()
	return v.close()
}

// verification is one Verify.
type verification struct {
	*run
	receiver *Receiver
	roots    local.Roots
	o        VerifyOptions
}

func (v *verification) wanted(rec *record.Record) bool {
	return rec.Kind == record.KindFile && rec.Error == nil && rec.Status == "" &&
		rec.Reason == record.ReasonSame && rec.Root != "" && rec.Remote != "" && v.o.Slice.Contains(rec.Path)
}

// verify compares one file.
func (v *verification) verify(rec *record.Record, p jfs.Path) error {
	if v.ctx.Err() != nil {
		return context.Cause(v.ctx)
	}
	f, fi, err := v.roots.Open(rec)
	if err != nil {
		if c := local.Class(err); c == record.ClassVanished || c == record.ClassChanging {
			return leaveChanging(rec)
		}
		return local.NewError(err)
	}
	defer f.Close()
	if changed(rec, fi) {
		return leaveChanging(rec)
	}
	shown := int64(0)
	c := &comparer{with: f}
	err = v.receiver.Fetch(v.ctx, p, c, func(offset int64) {
		v.o.Progress(0, offset-shown)
		shown = offset
	})
	switch fi, statErr := f.Stat(); {
	case v.ctx.Err() != nil:
		return context.Cause(v.ctx)
	case statErr == nil && changed(rec, fi):
		return leaveChanging(rec)
	case c.err != nil:
		return local.NewError(c.err)
	case err != nil:
		return err
	case c.differs || c.at != rec.Size:
		if c.at == rec.Size && c.collides() {
			return collision(p)
		}
		return different(p)
	}
	rec.Status = record.StatusVerified
	v.o.Progress(1, 0)
	return nil
}

// different is the error for content that has the MD5 that the service says.
func different(p jfs.Path) error {
	return &jfs.Error{
		Op: "verify", Path: p, Class: record.ClassCorrupt,
		Message: "what comes back has the MD5 of what was stored, but is not what is on disk, although size and time of the file are as they were: the disk may be failing; look at the file, and fetch the stored one with jget",
	}
}

// collision is the error for content that has the MD5 and size of what is on disk.
func collision(p jfs.Path) error {
	return &jfs.Error{
		Op: "verify", Path: p, Class: record.ClassCollision,
		Message: "what comes back has the MD5 and size of what is on disk, and is something else: the service took one content for another, and does not have this one; to store it, pack it, for instance with zip, and look who made it",
	}
}

// leaveChanging leaves a file to the next run. That is no failure.
func leaveChanging(rec *record.Record) error {
	rec.Status, rec.Reason = record.StatusSkipped, record.ReasonChanging
	return nil
}

// comparer compares what is written to it with a file. It takes it all, different
// or not, so that the MD5 of the whole is found out, too.
type comparer struct {
	with    *os.File
	at      int64
	differs bool
	sum     hash.Hash // of all that was written; nil as long as nothing differs
	err     error     // of the disk
	buffer  []byte
}

func (c *comparer) Write(p []byte) (int, error) {
	if c.buffer == nil {
		c.buffer = make([]byte, pieceSize)
	}
	done := 0
	for done < len(p) && !c.differs && c.err == nil {
		part := p[done:min(len(p), done+pieceSize)]
		n, err := c.with.ReadAt(c.buffer[:len(part)], c.at+int64(done))
		switch {
		case n == len(part):
			c.differs = !bytes.Equal(part, c.buffer[:n])
		case errors.Is(err, io.EOF):
			c.differs = true
		default:
			c.err = err
		}
		if c.differs {
			// What was written before is what is in the file.
			c.sum = md5.New()
			_, c.err = io.Copy(c.sum, io.NewSectionReader(c.with, 0, c.at+int64(done)))
		} else {
			done += len(part)
		}
	}
	if c.differs {
		c.sum.Write(p[done:])
	}
	c.at += int64(len(p))
	return len(p), nil
}

// collides reports whether what was written has the MD5 of the file, though it differs
// from it.
func (c *comparer) collides() bool {
	if !c.differs {
		return false
	}
	whole := md5.New()
	n, err := io.Copy(whole, io.NewSectionReader(c.with, 0, math.MaxInt64))
	return err == nil && n == c.at && bytes.Equal(whole.Sum(nil), c.sum.Sum(nil))
}
