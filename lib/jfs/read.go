package jfs

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"jottatools/lib/record"
)

// Kind says what an entry is.
type Kind string

// The kinds of entries.
const (
	KindFile       Kind = "file"
	KindFolder     Kind = "folder"
	KindMountPoint Kind = "mountPoint"
	KindDevice     Kind = "device"
	KindAccount    Kind = "user"
)

// SizeUnknown is the size of what has none: a folder, a damaged upload, an
// unfinished one in a listing.
const SizeUnknown = record.SizeUnknown

// Revision is one version of a file's content. Times are zero if not known and
// have whole seconds.
type Revision struct {
	Number   int64     // counts up from 1; 0 if not known
	State    string    // record.StateCompleted and so on
	Size     int64     // bytes; SizeUnknown if not given
	MD5      string    // 32 lower-case hex digits
	Created  time.Time // as the client that sent it said
	Modified time.Time // likewise
	Updated  time.Time // when the service got it
}

// Entry is a file or folder, mount point or device in a listing.
type Entry struct {
	Path     string // relative to what was listed, slash-separated, local names
	Kind     Kind
	Revision           // of a file: the newest complete one, or the newest of all if none is complete
	Deleted  time.Time // when it went to the trash; zero if it is alive
	// Newer is a revision after Revision that is not complete, nil if there is none.
	Newer *Revision
	// Foreign marks an entry whose name on the service is not the one that its
	// local name stands for. Path leads to another entry, or to none: such an
	// entry can be looked at but must never be changed or deleted by its Path.
	Foreign bool

	wire string // name on the service
}

// Live reports whether the entry is not in the trash and, for a file, complete.
func (e *Entry) Live() bool {
	return e.Deleted.IsZero() && (e.Kind != KindFile || e.State == record.StateCompleted)
}

// Problem says why an entry cannot be read, nil if it can: ErrNotExist for what
// is in the trash, ErrIncomplete for a file of which no revision was ever sent to
// its end, ErrCorrupt for one that arrived damaged. A file with a complete
// revision has no problem, whatever came after it. Source: docs/protocol.md,
// section 2.1.
func (e *Entry) Problem() error {
	class, what := record.ClassNotFound, "it is in the trash"
	switch {
	case e.Live():
		return nil
	case !e.Deleted.IsZero():
	case e.State == record.StateCorrupt:
		class, what = record.ClassCorrupt, "its content arrived damaged; upload it again"
	default:
		class, what = record.ClassIncomplete, "its upload is not complete; upload it again"
	}
	return &Error{Op: "read", Path: Path(e.Path), Class: class, Message: what}
}

// Info is an entry asked for by itself.
type Info struct {
	Entry
	UUID      string     // of a file
	PublicURI string     // of a shared entry, else empty; see [Client.LinkTo]
	SharePath string     // of a shared entry, if the service says where its page is
	Older     []Revision // before Revision, newest first; at most 4
}

// Stat returns what is at p. Something in the trash is found at its old path,
// with Deleted set. Errors: ErrNotExist. Source: docs/protocol.md, sections 6.1
// to 6.5.
func (c *Client) Stat(ctx context.Context, p Path) (Info, error) {
	return c.node(ctx, "look at", p, nil)
}

// List returns what is at p and, unless it is a file, what is directly in it, in
// the service's order: complete, unfinished, damaged and trashed entries alike.
// All of it is held in memory. Errors: ErrNotExist. Source: docs/protocol.md,
// sections 6.1 to 6.5.
func (c *Client) List(ctx context.Context, p Path) (Info, []Entry, error) {
	var children []Entry
	info, err := c.node(ctx, "list", p, func(e Entry) { children = append(children, e) })
	return info, children, err
}

// ListEach hands what is directly in the folder at p to each, as [Client.List] returns
// it, one by one while the answer arrives, and returns what is at p. If each returns
// false, the rest of the answer is not read, and whole is false. Errors: ErrNotExist.
// Source: docs/protocol.md, sections 6.1 to 6.5.
func (c *Client) ListEach(ctx context.Context, p Path, each func(Entry) bool) (info Info, whole bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := false
	info, err = c.node(ctx, "list", p, func(e Entry) {
		if !stopped && !each(e) {
			stopped = true
			cancel()
		}
	})
	if stopped {
		return info, false, nil
	}
	return info, err == nil, err
}

// Spelled returns the path of an entry that [Client.Stat] returned, with its name as
// the service has it: the one that was asked for may differ in letter case.
func (i *Info) Spelled() Path {
	p := Path(i.Path)
	if i.Foreign || i.wire == "" || p.Depth() < 1 {
		return p
	}
	name, foreign, err := fromWire(i.wire)
	if err != nil || foreign {
		return p
	}
	return p.Parent().Join(name)
}

func (c *Client) node(ctx context.Context, op string, p Path, child func(Entry)) (Info, error) {
	escaped, err := p.escaped()
	if err != nil {
		return Info{}, atPath(op, p, err)
	}
	return c.nodeAt(ctx, op, p, escaped, child)
}

// nodeAt is node for an entry that may be out of reach by its local name.
func (c *Client) nodeAt(ctx context.Context, op string, p Path, escaped string, child func(Entry)) (Info, error) {
	address, err := c.addressAt(ctx, c.jfs, escaped, "")
	if err != nil {
		return Info{}, err
	}
	resp, err := c.send(ctx, request{op: op, path: p, method: http.MethodGet, url: address})
	if err != nil {
		return Info{}, err
	}
	defer closeBody(resp)
	info, err := parseNode(resp.Body, child)
	if err != nil {
		return Info{}, answerError(ctx, op, p, resp, err)
	}
	info.Path = string(p)
	return info, nil
}

// answerError returns the error of an answer that could not be read or
// understood.
func answerError(ctx context.Context, op string, p Path, resp *http.Response, err error) error {
	var syntax *xml.SyntaxError
	var e *Error
	switch {
	case errors.As(err, &e):
		return atPath(op, p, e)
	case errors.As(err, &syntax):
		what := "the answer is not valid XML, or was cut short (" + clip(oneLine(syntax.Msg), maxSaid) + ")"
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			what = "the answer is a web page: is there a proxy or a sign-in page in between?"
		}
		return &Error{Op: op, Path: p, Class: record.ClassServer, Status: resp.StatusCode, Message: what, Retry: true, Err: err}
	}
	return transportError(ctx, op, p, err)
}

// unexpected is the error of an answer that is well-formed but something else.
func unexpected(root string) error {
	what := "the answer is not about a file or folder but is a <" + clip(oneLine(root), 50) + ">"
	if strings.EqualFold(root, "html") {
		what = "the answer is a web page: is there a proxy or a sign-in page in between?"
	}
	return &Error{Class: record.ClassServer, Message: what, Retry: true}
}

// xmlRevision is a revision as it stands in an answer. Everything is text, since
// any of it may be missing or empty.
type xmlRevision struct {
	Number   string `xml:"number"`
	State    string `xml:"state"`
	Size     string `xml:"size"`
	MD5      string `xml:"md5"`
	Created  string `xml:"created"`
	Modified string `xml:"modified"`
	Updated  string `xml:"updated"`
}

func (x *xmlRevision) revision() Revision {
	return Revision{
		Number: lenientInt(x.Number, 0), State: strings.TrimSpace(x.State), Size: lenientInt(x.Size, SizeUnknown),
		MD5: lenientMD5(x.MD5), Created: lenientTime(x.Created), Modified: lenientTime(x.Modified), Updated: lenientTime(x.Updated),
	}
}

// xmlNode is an entry inside a listing.
type xmlNode struct {
	NameAttr    string       `xml:"name,attr"`
	NameElement string       `xml:"name"`
	DeletedAttr string       `xml:"deleted,attr"`
	DeletedElem string       `xml:"deleted"`
	Size        string       `xml:"size"`
	Modified    string       `xml:"modified"`
	Current     *xmlRevision `xml:"currentRevision"`
	Latest      *xmlRevision `xml:"latestRevision"`
}

// entry returns the node as an entry of the folder that was listed.
func (x *xmlNode) entry(kind Kind) (Entry, error) {
	e := Entry{Kind: kind, Revision: Revision{Size: SizeUnknown}}
	e.wire = cmp.Or(x.NameAttr, x.NameElement) // one or the other, by kind
	var err error
	if e.Path, e.Foreign, err = fromWire(e.wire); err != nil {
		return e, err
	}
	e.Deleted = deletedAt(cmp.Or(x.DeletedAttr, x.DeletedElem))
	if kind == KindFile {
		e.Revision, e.Newer = shown(x.Current, x.Latest)
	} else {
		e.Size = lenientInt(x.Size, SizeUnknown)
		e.Modified = lenientTime(x.Modified)
	}
	return e, nil
}

// shown picks the revision that stands for the file (docs/protocol.md, section
// 2.2).
func shown(current, latest *xmlRevision) (Revision, *Revision) {
	switch {
	case current != nil && latest != nil:
		newer := latest.revision()
		return current.revision(), &newer
	case current != nil:
		return current.revision(), nil
	case latest != nil:
		return latest.revision(), nil
	}
	return Revision{Size: SizeUnknown}, nil
}

// fromWire returns the local name for a name of the service, and whether the
// way back leads elsewhere.
func fromWire(wire string) (local string, foreign bool, err error) {
	if wire == "" || strings.Contains(wire, "/") {
		return "", false, &Error{Class: record.ClassServer, Message: "the answer has an entry with the name " + quoted(wire)}
	}
	local = LocalName(wire)
	if local == wire && plain(wire) && len(wire) <= maxName {
		return local, false, nil
	}
	back, err := WireName(local)
	return local, err != nil || back != wire, nil
}

// deletedAt reads the time of a deletion, "" for none. One that cannot be read
// still says that the entry is deleted.
func deletedAt(s string) time.Time {
	if t := lenientTime(s); s == "" || !t.IsZero() {
		return t
	}
	return time.Unix(0, 0).UTC()
}

func lenientInt(s string, otherwise int64) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

// lenientMD5 returns an MD5 in lower case, "" if it is none.
func lenientMD5(s string) string {
	md5, _ := record.ParseMD5(strings.TrimSpace(s))
	return md5
}

// parseNode reads the document about one entry. The children go to child one by
// one, if it is not nil.
func parseNode(r io.Reader, child func(Entry)) (Info, error) {
	info := Info{Entry: Entry{Revision: Revision{Size: SizeUnknown}}}
	d := newDecoder(r, maxFolder)
	root, err := d.root()
	if err != nil {
		return info, err
	}
	switch info.Kind = Kind(root.Name.Local); info.Kind {
	case KindFile, KindFolder, KindMountPoint, KindDevice, KindAccount:
	default:
		return info, unexpected(root.Name.Local)
	}
	for _, a := range root.Attr {
		switch a.Name.Local {
		case "name":
			info.wire = a.Value
		case "uuid":
			info.UUID = a.Value
		case "deleted":
			info.Deleted = deletedAt(a.Value)
		}
	}
	var current, latest *xmlRevision
	var deleted, size, modified string
	for {
		start, err := d.child()
		if err == io.EOF {
			break
		}
		if err != nil {
			return info, err
		}
		switch start.Name.Local {
		case "deleted":
			err = d.DecodeElement(&deleted, &start)
		case "size":
			err = d.DecodeElement(&size, &start)
		case "modified":
			err = d.DecodeElement(&modified, &start)
		case "publicURI":
			err = d.DecodeElement(&info.PublicURI, &start)
		case "publicSharePath":
			err = d.DecodeElement(&info.SharePath, &start)
		case "currentRevision":
			err = d.DecodeElement(&current, &start)
		case "latestRevision":
			err = d.DecodeElement(&latest, &start)
		case "revisions":
			var older struct {
				Revision []xmlRevision `xml:"revision"`
			}
			err = d.DecodeElement(&older, &start)
			for i := range older.Revision {
				info.Older = append(info.Older, older.Revision[i].revision())
			}
		case "folders", "files", "mountPoints", "devices":
			err = parseChildren(d, child)
		default:
			err = d.Skip()
		}
		if err != nil {
			return info, err
		}
	}
	if deleted != "" {
		info.Deleted = deletedAt(deleted)
	}
	if info.Kind == KindFile {
		info.Revision, info.Newer = shown(current, latest)
	} else {
		info.Size, info.Modified = lenientInt(size, SizeUnknown), lenientTime(modified)
	}
	return info, nil
}

// parseChildren reads the elements of a list of entries.
func parseChildren(d *decoder, child func(Entry)) error {
	for {
		start, err := d.child()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		kind := Kind(start.Name.Local)
		switch kind {
		case KindFile, KindFolder, KindMountPoint, KindDevice:
			d.entry()
		default:
			kind = ""
		}
		if child == nil || kind == "" {
			if err := d.Skip(); err != nil {
				return err
			}
			continue
		}
		var node xmlNode
		if err := d.DecodeElement(&node, &start); err != nil {
			return err
		}
		entry, err := node.entry(kind)
		if err != nil {
			return err
		}
		child(entry)
	}
}
