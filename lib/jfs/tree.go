package jfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"jottatools/lib/record"
)

// ListTree returns every live entry below the folder or mount point at p, in one
// request and in constant memory: complete files, and folders each before what
// is in them. Beyond that the order is the service's own. Trashed, unfinished and
// damaged files are left out.
//
// An error ends the sequence, and then the entries before it are not the whole
// tree. Errors: ErrNotExist; ErrExist if p is a file; and ErrListing if the
// closing counts are missing or wrong, when [Client.WalkTree] may do better.
// Source: docs/protocol.md, section 6.9.
func (c *Client) ListTree(ctx context.Context, p Path) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := c.listTree(ctx, p, yield); err != nil && err != errStopped {
			yield(Entry{}, err)
		}
	}
}

const opTree = "list"

func (c *Client) listTree(ctx context.Context, p Path, yield func(Entry, error) bool) error {
	if p.Depth() < 2 {
		return &Error{Op: opTree, Path: p, Class: record.ClassNotFound, Message: "only mount points and what is in them can be listed as a tree"}
	}
	parts, err := p.parts()
	if err != nil {
		return atPath(opTree, p, err)
	}
	address, err := c.entryURL(ctx, opTree, p, "mode=liststream")
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, request{op: opTree, path: p, method: http.MethodGet, url: address})
	if err != nil {
		return c.whyNoTree(ctx, p, err)
	}
	defer closeBody(resp)
	err = parseTree(resp.Body, parts[1:], yield)
	if err != nil && err != errStopped {
		return answerError(ctx, opTree, p, resp, err)
	}
	return err
}

// whyNoTree looks closer at an answer that says there is no such tree: it may be
// a file, or the service may not list this folder.
func (c *Client) whyNoTree(ctx context.Context, p Path, err error) error {
	if e := (*Error)(nil); !errors.As(err, &e) || e.Class != record.ClassNotFound {
		return err
	}
	info, statErr := c.node(ctx, opTree, p, nil)
	switch {
	case statErr != nil:
		return statErr
	case !info.Deleted.IsZero():
		return err
	case info.Kind == KindFile && info.Live():
		return isFile(p)
	case info.Kind == KindFile:
		return err
	}
	return listingError("the service does not list this folder as a tree").at(p)
}

func isFile(p Path) error {
	return &Error{Op: opTree, Path: p, Class: record.ClassKindConflict, Message: "it is a file, not a folder"}
}

func listingError(format string, args ...any) *Error {
	return &Error{Op: opTree, Class: record.ClassServer, Message: fmt.Sprintf(format, args...), Retry: true, Err: ErrListing}
}

func (e *Error) at(p Path) *Error {
	e.Path = p
	return e
}

// level is a folder on the way from the listed one to the current entry.
type level struct {
	wire    string
	path    string // local, relative to the listed folder
	foreign bool
	met     bool // an element spoke of it: it is in the service's count
}

// treeParser reads a streamed listing. It knows only the way to the current
// entry, so a folder that the stream comes back to after leaving it is counted
// twice. The service goes depth first; if it does not, the counts differ and the
// listing is refused, which is safe.
type treeParser struct {
	root  []string // wire names of what is listed, from the mount point on
	way   []level  // the first is the listed folder
	last  string   // wire path of the last of way, "" before the first
	yield func(Entry, error) bool

	folders, files         int64 // counted
	saidFolders, saidFiles int64 // announced
	stats                  bool
}

// errStopped ends a listing whose reader wants no more of it.
var errStopped = errors.New("the reader stopped")

// treeElement is one element of a streamed listing, with its texts as they are.
type treeElement struct {
	kind                                         treeKind
	path, filename, md5, size, created, modified string // of a file, and path of a folder
	folders, files                               string // of the counts
}

type treeKind int

const (
	fileElement treeKind = iota
	folderElement
	countsElement
)

// treeSource reads the elements of a streamed listing, and io.EOF at the end of
// the document. What makes them out of bytes is all that it knows.
type treeSource interface {
	next(*treeElement) error
}

// field returns the place for the text of an element inside e, nil if it does not
// matter.
func (e *treeElement) field(name string) *string {
	switch name {
	case "path":
		return &e.path
	case "filename":
		return &e.filename
	case "md5":
		return &e.md5
	case "size":
		return &e.size
	case "created":
		return &e.created
	case "modified":
		return &e.modified
	case "folders":
		return &e.folders
	case "files":
		return &e.files
	}
	return nil
}

// parseTree hands out the entries of a streamed listing of root, given by the
// wire names from the mount point on. It returns an error unless the listing
// proves complete.
func parseTree(r io.Reader, root []string, yield func(Entry, error) bool) error {
	source, err := newTreeScanner(&endReader{r: r, left: maxListing})
	if err != nil {
		return err
	}
	p := &treeParser{root: root, way: make([]level, 1, 16), yield: yield}
	return p.run(source)
}

func (p *treeParser) run(source treeSource) error {
	var e treeElement
	for {
		err := source.next(&e)
		if err == io.EOF {
			return p.finish()
		}
		if err != nil {
			return err
		}
		switch e.kind {
		case fileElement:
			err = p.file(&e)
		case folderElement:
			err = p.folder(&e)
		case countsElement:
			err = p.counts(&e)
		}
		if err != nil {
			return err
		}
	}
}

// finish compares the counts with what was there.
func (p *treeParser) finish() error {
	switch {
	case !p.stats:
		return listingError("the listing ends without its counts")
	case p.folders != p.saidFolders || p.files != p.saidFiles:
		return listingError("the listing has %s and %s but announces %d and %d", record.Count(p.folders, "folder", "folders"), record.Count(p.files, "file", "files"), p.saidFolders, p.saidFiles)
	}
	return nil
}

func (p *treeParser) counts(x *treeElement) error {
	if p.stats {
		return listingError("the listing has its counts twice")
	}
	p.stats = true
	p.saidFolders, p.saidFiles = lenientInt(x.folders, -1), lenientInt(x.files, -1)
	return nil
}

func (p *treeParser) folder(x *treeElement) error {
	p.folders++
	at, err := p.enter(x.path)
	if err != nil {
		return err
	}
	at.met = true
	return nil
}

func (p *treeParser) file(x *treeElement) error {
	p.files++
	at, err := p.enter(x.path)
	if err != nil {
		return err
	}
	if !at.met {
		at.met = true
		p.folders++
	}
	local, foreign, err := fromWire(x.filename)
	if err != nil {
		return err
	}
	e := Entry{
		Path: join(at.path, local), Kind: KindFile, Foreign: at.foreign || foreign, wire: x.filename,
		Revision: Revision{
			State: record.StateCompleted, Size: lenientInt(x.size, SizeUnknown), MD5: lenientMD5(x.md5),
			Created: lenientTime(x.created).Truncate(time.Second), Modified: lenientTime(x.modified).Truncate(time.Second),
		},
	}
	if !p.yield(e, nil) {
		return errStopped
	}
	return nil
}

// enter goes to the folder with the wire path /mountpoint/… and hands out the
// folders on the way that are new.
func (p *treeParser) enter(path string) (*level, error) {
	if path == p.last && path != "" {
		return &p.way[len(p.way)-1], nil
	}
	p.last = ""
	rest, err := p.below(path)
	if err != nil {
		return nil, err
	}
	depth := 1
	for rest != "" {
		var wire string
		wire, rest, _ = strings.Cut(rest, "/")
		if depth < len(p.way) {
			if p.way[depth].wire == wire {
				depth++
				continue
			}
			p.way = p.way[:depth]
		}
		local, foreign, err := fromWire(wire)
		if err != nil {
			return nil, err
		}
		up := p.way[depth-1]
		next := level{wire: wire, path: join(up.path, local), foreign: up.foreign || foreign}
		p.way = append(p.way, next)
		depth++
		if !p.yield(Entry{Path: next.path, Kind: KindFolder, Revision: Revision{Size: SizeUnknown}, Foreign: next.foreign, wire: wire}, nil) {
			return nil, errStopped
		}
	}
	p.way = p.way[:depth]
	p.last = strings.Clone(path)
	return &p.way[depth-1], nil
}

// below returns the part of a wire path that lies below the listed folder.
func (p *treeParser) below(path string) (string, error) {
	rest := strings.Trim(path, "/")
	for _, want := range p.root {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if record.Fold(part) != record.Fold(want) {
			return "", listingError("the listing has an entry in %s, which is somewhere else", quoted(path))
		}
	}
	return rest, nil
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// WalkTree returns the same entries as [Client.ListTree], with one request for
// each folder: slower, but the service has done it right for longer. Memory grows
// with the size of the folders on the way to the current one. An entry that
// vanishes behind the listing of its folder is left out.
//
// Errors end the sequence and are those of ListTree, save ErrListing.
func (c *Client) WalkTree(ctx context.Context, p Path) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		escaped, err := p.escaped()
		if err != nil {
			yield(Entry{}, atPath(opTree, p, err))
			return
		}
		if err := c.walk(ctx, p, Entry{}, escaped, yield); err != nil && err != errStopped {
			yield(Entry{}, err)
		}
	}
}

// walk hands out what is below dir, which is "" for the root itself.
func (c *Client) walk(ctx context.Context, root Path, dir Entry, escaped string, yield func(Entry, error) bool) error {
	at := root.Join(dir.Path)
	var folders []Entry
	var stop error
	info, err := c.nodeAt(ctx, opTree, at, escaped, func(e Entry) {
		if stop != nil || !e.Live() {
			return
		}
		e.Path = join(dir.Path, e.Path)
		e.Foreign = e.Foreign || dir.Foreign
		switch e.Kind {
		case KindFile:
			e.Newer = nil
			if !yield(e, nil) {
				stop = errStopped
			}
		case KindFolder:
			folders = append(folders, e)
		}
	})
	var gone *Error
	switch {
	case stop != nil:
		return stop
	case err != nil && dir.Path != "" && errors.As(err, &gone) && gone.Class == record.ClassNotFound:
		return nil
	case err != nil:
		return err
	case info.Kind == KindFile && info.Live():
		return isFile(at)
	case !info.Deleted.IsZero() || info.Kind == KindFile:
		if dir.Path != "" {
			return nil
		}
		return &Error{Op: opTree, Path: at, Class: record.ClassNotFound, Message: "it is in the trash"}
	}
	for _, folder := range folders {
		if !yield(folder, nil) {
			return errStopped
		}
		var b strings.Builder
		b.WriteString(escaped)
		b.WriteByte('/')
		escape(&b, folder.wire)
		if err := c.walk(ctx, root, folder, b.String(), yield); err != nil {
			return err
		}
	}
	return nil
}
