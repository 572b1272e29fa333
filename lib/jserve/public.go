package jserve

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/docker/go-units"

	"jottatools/lib/jserve/store"
)

// publicDownload answers for the direct links to what is shared: a file, or a
// folder as ZIP (docs/protocol.md, section 6.11). Nobody needs a password.
func (c *call) publicDownload() error {
	c.stats.count("public")
	e, err := c.sharedEntry()
	if err != nil {
		return errNotFound
	}
	return c.sendShared(&e)
}

// publicPage answers for the pages of public links: with the page, and with what
// it leads to, by its query. So the page needs no other address than its own,
// whatever a proxy in front makes of that.
func (c *call) publicPage() error {
	c.stats.count("public")
	e, err := c.sharedEntry()
	query := c.r.URL.Query()
	switch {
	case err != nil:
		c.stats.failed(http.StatusNotFound)
		return c.showShared(http.StatusNotFound, sharedPage{})
	case query.Has("download"):
		return c.sendShared(&e)
	case query.Has("preview"):
		return c.sendThumb(&e, thumbSizes["WXL"], errNotFound)
	}
	page, err := c.describe(&e)
	if err != nil {
		return err
	}
	return c.showShared(http.StatusOK, page)
}

// sharedEntry finds what a public link stands for. A file without content has
// none.
func (c *call) sharedEntry() (e store.Entry, err error) {
	p, err := splitURLPath(c.r.URL.EscapedPath())
	if err != nil {
		return e, errNotFound
	}
	switch {
	case len(p) == 2: // s/<uri>
		e, err = c.sharedByAnyone(p[1].Name)
	case len(p) > 2:
		e, err = c.store.Shared(p[len(p)-2].Name, p[len(p)-1].Name)
	default:
		err = errNotFound
	}
	if err == nil && e.Kind == store.KindFile && e.Current() == nil {
		err = errNotFound
	}
	return e, err
}

func (s *Server) sharedByAnyone(uri string) (store.Entry, error) {
	for _, a := range s.users {
		if e, err := s.store.Shared(a.name, uri); err == nil {
			return e, nil
		}
	}
	return store.Entry{}, store.ErrNoFile
}

// sendShared sends the content.
func (c *call) sendShared(e *store.Entry) error {
	c.w.Header().Set("Cache-Control", "private, no-cache")
	if e.Kind != store.KindFile {
		return c.sendZip(e)
	}
	return c.sendContent(e.Name, e.Current())
}

// sharedPage is what the page of a public link shows. Without a name, it says
// that there is nothing.
type sharedPage struct {
	Name, Size, Type, Modified string
	Folder, Picture            bool
}

// describe says what there is to say of a shared entry.
func (c *call) describe(e *store.Entry) (sharedPage, error) {
	page := sharedPage{Name: plainName(e.Name), Folder: e.Kind != store.KindFile}
	if page.Folder {
		u, err := c.store.Usage(e.ID)
		page.Size, page.Type = readableSize(u.Bytes), "folder"
		return page, err
	}
	r := e.Current()
	kind := mimeType(e.Name)
	page.Size, page.Type = readableSize(r.Size), kind
	page.Modified = timeOf(r.Modified).UTC().Format("2 January 2006")
	page.Picture = (kind == "image/jpeg" || kind == "image/png") && r.Size <= maxPicture
	return page, nil
}

func readableSize(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	return units.CustomSize("%.4g %s", float64(n), 1024, []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"})
}

// plainName shows what would make a name look like another one: control
// characters, and those that turn the direction of writing.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
}

const sharedStyle = `
:root { color-scheme: light dark; --ink: #1c1b22; --soft: #5b5966; --paper: #fff; --ground: #f3f2f7; --line: #dcdae3; --button: #6a1b7a; --on-button: #fff; }
@media (prefers-color-scheme: dark) {
:root { --ink: #ececf1; --soft: #a9a7b4; --paper: #26252c; --ground: #18171c; --line: #3b3943; --button: #d9a4e6; --on-button: #2a0f31; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
main { width: 100%; max-width: 34rem; padding: 1.5rem; border: 1px solid var(--line); border-radius: .75rem; background: var(--paper); }
h1 { margin: 0; font-size: 1.25rem; line-height: 1.3; overflow-wrap: anywhere; }
p { margin: .25rem 0 1.25rem; color: var(--soft); overflow-wrap: anywhere; }
main > :last-child { margin-bottom: 0; }
img { display: block; max-width: 100%; max-height: 60vh; margin: 0 auto 1.25rem; border-radius: .375rem; }
a { display: block; padding: .7rem 1rem; border-radius: .5rem; color: var(--on-button); background: var(--button); font-weight: 600; text-align: center; text-decoration: none; }
a:hover, a:focus-visible { outline: .15rem solid var(--button); outline-offset: .15rem; }
`

// html returns the page. Values stand in text only, where escaping is all that is needed.
// Templates would do that, too, but keep the linker from leaving anything out.
func (p *sharedPage) html() []byte {
	var b bytes.Buffer
	title := cmp.Or(p.Name, "Nothing here")
	fmt.Fprintf(&b, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>%s</title>
<style>%s</style>
</head>
<body>
<main>
`, html.EscapeString(title), sharedStyle)
	if p.Name == "" {
		b.WriteString("<h1>There is nothing here</h1>\n<p>The link is not complete, or what it led to is not shared any more.</p>\n")
	} else {
		if p.Picture {
			b.WriteString("<img src=\"?preview\" alt=\"\">\n")
		}
		modified, as := "", ""
		if p.Modified != "" {
			modified = " · modified " + p.Modified
		}
		if p.Folder {
			as = " as ZIP"
		}
		fmt.Fprintf(&b, "<h1><bdi>%s</bdi></h1>\n<p>%s · %s%s</p>\n<a href=\"?download\">Download%s</a>\n",
			html.EscapeString(p.Name), html.EscapeString(p.Size), html.EscapeString(p.Type), html.EscapeString(modified), as)
	}
	b.WriteString("</main>\n</body>\n</html>\n")
	return b.Bytes()
}

// sharedPolicy allows what the page has and nothing else: its style, and the
// picture from this server.
var sharedPolicy = sync.OnceValue(func() string {
	digest := sha256.Sum256([]byte(sharedStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) +
		"'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
})

// showShared answers with the page.
func (c *call) showShared(status int, page sharedPage) error {
	h := c.w.Header()
	h.Set("Content-Security-Policy", sharedPolicy())
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-cache")
	c.answer(status, "text/html; charset=utf-8", page.html())
	return nil
}

// sendZip sends a folder with all live files beneath.
func (c *call) sendZip(e *store.Entry) error {
	c.saved(e.Name + ".zip")
	c.w.Header().Set("Content-Type", "application/zip")
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	z := zip.NewWriter(c.w)
	type item struct {
		name string
		rev  store.Revision
	}
	var items []item // of one step of the walk
	w := c.store.Walk(&e.Node, "", true)
	w.Enter = func(f *store.Folder) { items = append(items, item{name: extractablePath(f.Path()[1:]) + "/"}) }
	w.File = func(f *store.Folder, n *store.Node) {
		items = append(items, item{extractablePath(f.Path()[1:] + "/" + n.Name), *n.Current()})
	}
	err := c.walk(w, func() error {
		for i := range items {
			if err := c.zipItem(z, items[i].name, &items[i].rev); err != nil {
				return err
			}
		}
		items = items[:0]
		return nil
	})
	if err != nil {
		return err
	}
	return z.Close()
}

func (c *call) zipItem(z *zip.Writer, name string, r *store.Revision) error {
	if strings.HasSuffix(name, "/") {
		// A folder has no time at the service. Without one, and without the system that names
		// are from, unzip takes the name of a folder for another one than those of its files.
		h := &zip.FileHeader{Name: name, Modified: time.Now()}
		h.SetMode(fs.ModeDir | 0o755)
		_, err := z.CreateHeader(h)
		return err
	}
	f, err := c.store.OpenBlob(r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed since it was listed
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h := &zip.FileHeader{Name: name, Method: zip.Store, Modified: timeOf(r.Modified)}
	h.SetMode(0o644)
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, f)
	c.stats.downloadBytes.Add(n)
	return err
}
