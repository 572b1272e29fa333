package jfs

import (
	"context"
	"net/http"
	"time"

	"jottatools/lib/record"
)

// EmptyTrash deletes everything in the trash of the account for good and returns
// how many files and folders that were, as the service counts; none if the answer
// was lost and Retry asked again. Errors:
// ErrForbidden with the old API, which cannot do it. Source: docs/protocol.md,
// section 9.
func (c *Client) EmptyTrash(ctx context.Context) (files, folders int64, err error) {
	r := request{op: "empty the trash", method: http.MethodPost, url: c.api + "/files/v1/purge_trash"}
	if c.old != nil {
		// Deleting the entries one by one would hit what lives at their paths now.
		return 0, 0, &Error{Op: r.op, Class: record.ClassForbidden, Message: "the old API has no way to do it; use the web interface"}
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return 0, 0, err
	}
	var answer struct {
		Files   int64 `json:"files"`
		Folders int64 `json:"folders"`
	}
	err = getJSON(r, ctx, resp, &answer)
	return answer.Files, answer.Folders, err
}

const opRestore = "restore"

// Restore brings the file at p back from the trash, with its content and times.
// One that is alive stays as it is. Errors: ErrNotExist; ErrExist at a folder;
// ErrIncomplete and ErrCorrupt if no revision of it ever was complete. Source:
// docs/protocol.md, sections 7.8 and 9.
func (c *Client) Restore(ctx context.Context, p Path) error {
	info, err := c.node(ctx, opRestore, p, nil)
	if err != nil {
		return err
	}
	if info.Kind != KindFile {
		return &Error{Op: opRestore, Path: p, Class: record.ClassKindConflict, Message: "it is a folder, not a file"}
	}
	return c.restore(ctx, p, &info.Entry)
}

func (c *Client) restore(ctx context.Context, p Path, e *Entry) error {
	alive := *e
	alive.Deleted = time.Time{}
	if err := alive.Problem(); err != nil {
		return atPath(opRestore, p, err)
	}
	if e.Deleted.IsZero() {
		return nil
	}
	return atOp(opRestore, c.TouchFile(ctx, p, Content{Size: e.Size, MD5: e.MD5, Created: e.Created, Modified: e.Modified}))
}

// RestoreDir brings the folder at p back from the trash, and all in it that went
// there at the time trashed, which is the Deleted time of the folder; the zero
// time stands for everything in it. It returns how many files came back. What
// never was complete is left where it is. Memory grows with the size of the
// folders on the way to the current one.
//
// Of several with one name the last comes back, and nothing goes over what is
// alive. The service has no such command: it is one request for each file and two for
// each folder. After an error call it again with the same time: the folder
// itself may be alive by then. Errors: ErrNotExist; ErrExist at a file or if
// something else has taken a name; ErrNameInvalid for entries that are Foreign,
// after the others have come back. Source: docs/protocol.md, section 9.
func (c *Client) RestoreDir(ctx context.Context, p Path, trashed time.Time) (files int64, err error) {
	if p.Depth() < 3 {
		return 0, &Error{Op: opRestore, Path: p, Class: record.ClassForbidden, Message: "it is not a folder in a mount point"}
	}
	info, err := c.node(ctx, opRestore, p, nil)
	if err != nil {
		return 0, err
	}
	if info.Kind != KindFolder {
		return 0, isFile(p).(*Error).doing(opRestore)
	}
	return c.restoreDir(ctx, p, !info.Deleted.IsZero(), trashed)
}

func (c *Client) restoreDir(ctx context.Context, p Path, gone bool, trashed time.Time) (files int64, err error) {
	if gone {
		if err := c.command(ctx, opRestore, p, "mkDir=true"); err != nil {
			return 0, err
		}
	}
	var children []Entry
	if _, err := c.node(ctx, opRestore, p, func(e Entry) { children = append(children, e) }); err != nil {
		return 0, err
	}
	standing := standingEntries(children)
	var foreign error
	for i := range children {
		e := &children[i]
		at := p.Join(e.Path)
		wanted := !e.Deleted.IsZero() && (trashed.IsZero() || e.Deleted.Equal(trashed))
		if other := standing[record.Fold(e.Path)]; wanted && other != e {
			if other.Deleted.IsZero() && other.Kind != e.Kind {
				return files, &Error{Op: opRestore, Path: at, Class: record.ClassKindConflict, Message: "something else has this name now; move it away first"}
			}
			continue // it would go over what is newer
		}
		// A folder that an earlier call brought back may have more to restore.
		switch {
		case e.Kind == KindFolder && e.Deleted.IsZero(), wanted && e.Kind == KindFolder:
		case wanted && e.State == record.StateCompleted:
		default:
			continue
		}
		if e.Foreign {
			foreign = &Error{Op: opRestore, Path: at, Class: record.ClassNameInvalid, Message: "its name on the service is not one that can be written here; use the web interface"}
			continue
		}
		if e.Kind == KindFile {
			if err := c.restore(ctx, at, e); err != nil {
				return files, err
			}
			files++
			continue
		}
		n, err := c.restoreDir(ctx, at, !e.Deleted.IsZero(), trashed)
		files += n
		if err != nil && (ctx.Err() != nil || !isForeign(err)) {
			return files, err
		}
		if err != nil {
			foreign = err
		}
	}
	return files, foreign
}

// standingEntries returns for each folded name the entry that its path leads to:
// the live one, else the one that went to the trash last.
func standingEntries(entries []Entry) map[string]*Entry {
	standing := make(map[string]*Entry, len(entries))
	for i := range entries {
		e, name := &entries[i], record.Fold(entries[i].Path)
		other := standing[name]
		if other == nil || e.Deleted.IsZero() || !other.Deleted.IsZero() && e.Deleted.After(other.Deleted) {
			standing[name] = e
		}
	}
	return standing
}
