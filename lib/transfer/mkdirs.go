package transfer

import (
	"context"
	"errors"
	"strings"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// MakeFolders makes what is named, and the folders above it, up to the mount point, and
// writes a record for each folder, once. One that is there leaves with status skipped and
// [record.ReasonSame], and keeps its spelling; the remote paths are spelled as on the
// service. A file in the way, or a name that the service does not take, is an error of
// that folder and of those in it. A mount point can be named, too, and is made only where
// the service makes mount points.
//
// The paths of the records are what follows the first slash of the remote ones. Memory
// grows with the number of folders. With DryRun the service is not asked. Errors are as
// for [Upload].
func MakeFolders(ctx context.Context, paths []jfs.Path, out *record.Writer, service Uploader, o UploadOptions) error {
	m := &folderMaker{run: newRun(ctx, out, 1), service: service, o: o, made: map[string]folderMade{}}
	if !o.DryRun {
		if customer := m.account(service); customer.WriteLocked {
			m.stop(lockedError(""))
		}
	}
	for _, p := range paths {
		if m.ended() {
			break
		}
		m.make(p)
	}
	return m.close()
}

type folderMaker struct {
	*run
	service Uploader
	o       UploadOptions
	made    map[string]folderMade // by folded path
}

// folderMade is a folder that has been dealt with.
type folderMade struct {
	as  jfs.Path // as the service spells it
	err error
}

// make makes the folder p, and before that the one it is in, unless that has been done.
func (m *folderMaker) make(p jfs.Path) folderMade {
	key := record.Fold(string(p))
	if done, ok := m.made[key]; ok {
		return done
	}
	as := p
	if p.Depth() > 3 {
		above := m.make(p.Parent())
		as = above.as.Join(p.Name())
		if above.err != nil {
			return m.settle(key, folderMade{as, &record.Error{Class: jfs.RecordError(above.err).Class, Message: "make folder " + string(p) + ": the folder above it cannot be made"}}, "")
		}
	}
	if m.o.DryRun {
		return m.settle(key, folderMade{as, checkNames(p)}, record.StatusSkipped)
	}
	there, as, err := m.carryOut(as)
	status := record.StatusDone
	if there {
		status = record.StatusSkipped
	}
	return m.settle(key, folderMade{as, err}, status)
}

func checkNames(p jfs.Path) error {
	for name := range strings.SplitSeq(string(p[1:]), "/") {
		if _, err := jfs.CheckName(name); err != nil {
			return err
		}
	}
	return nil
}

// carryOut makes one folder in one that is there.
func (m *folderMaker) carryOut(p jfs.Path) (there bool, as jfs.Path, err error) {
	if m.ctx.Err() != nil {
		return false, p, context.Cause(m.ctx)
	}
	if err := checkNames(p); err != nil {
		return false, p, err
	}
	info, err := m.service.Stat(m.ctx, p)
	missing := errors.Is(err, jfs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return false, p, err
	case err == nil && info.Kind != jfs.KindFile && info.Live():
		return true, info.Spelled(), nil
	case err == nil && info.Kind == jfs.KindFile && info.Live():
		return false, info.Spelled(), &jfs.Error{Op: "make folder", Path: p, Class: record.ClassKindConflict, Message: "a file has this name; move it away or choose another name"}
	}
	if err := mkDir(m.ctx, m.service, p); err != nil {
		return false, p, err
	}
	if missing || p.Depth() < 3 {
		return false, p, nil
	}
	as, err = Respell(m.ctx, m.service, p)
	return false, as, err
}

// settle remembers what became of a folder, and writes its record.
func (m *folderMaker) settle(key string, done folderMade, status record.Status) folderMade {
	m.made[key] = done
	rec := &record.Record{Kind: record.KindDir, Path: string(done.as[1:]), Size: record.SizeUnknown, Remote: string(done.as),
		Action: record.ActionMkdir, Reason: record.ReasonNew, Status: status}
	if status == record.StatusSkipped && !m.o.DryRun {
		rec.Reason = record.ReasonSame
	}
	m.finish(rec, done.err)
	return done
}
