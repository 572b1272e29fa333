package jserve

import (
	"archive/zip"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// foreignHeaders are what browsers of all ages send along with a request that a page
// of another site has made.
var foreignHeaders = [][]string{
	{"Sec-Fetch-Site", "cross-site"},
	{"Sec-Fetch-Site", "same-site"}, // another port of this machine
	{"Origin", "https://evil.example"},
	{"Origin", "null"},
	{"Referer", "https://evil.example/page"},
}

// A page of another site cannot have a browser change anything, whatever password the
// browser remembers.
func TestOtherSitesChangeNothing(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.AllowFaults = true })
	w.put("/Jotta/Archive/f", "content")
	w.post("/Jotta/Archive/d?mkDir=true")
	jfs := "/jfs/user01/Jotta/Archive/"
	requests := []string{
		"GET " + jfs + "f?mode=enableShare", "GET " + jfs + "f?mode=ENABLESHARE", "HEAD " + jfs + "f?mode=enableshare", "GET " + jfs + "f?mode=disableShare",
		"POST " + jfs + "new?mkDir=true", "POST " + jfs + "f?dl=true", "POST " + jfs + "d?dlDir=true", "POST " + jfs + "f?rm=true", "POST " + jfs + "d?rmDir=true",
		"POST " + jfs + "f?mv=/user01/Jotta/Archive/g", "POST " + jfs + "d?mvDir=/user01/Jotta/Archive/e", "POST " + jfs + "f?cp=/user01/Jotta/Archive/g",
		"POST " + jfs + "h?cphash=" + sum("content"), "POST " + jfs + "h?umode=nomultipart", "POST /jfs/user01/device", "POST /jfs/user01/Jotta/mountpoint",
		"DELETE " + jfs + "f",
		"POST /_jserve/faults", "POST " + authPath + "?" + strings.TrimPrefix(authQuery(), authPath+"?"),
	}
	for _, rt := range routes {
		if rt.takes("POST") {
			requests = append(requests, "POST "+strings.ReplaceAll(rt.path, "…", "x"))
		}
	}
	for _, rt := range realmRoutes {
		if rt.takes("POST") && !rt.asks {
			requests = append(requests, "POST "+realmsPath+"/jottacloud/"+rt.path)
		}
	}
	state := func() string {
		trash := w.get("/Jotta/Trash")
		return fmt.Sprint(w.want(200, "GET", "/jfs/user01/Jotta/Archive?mode=list").xml(t), trash.names("files"), trash.names("folders"),
			w.get("/Jotta/Archive").names("files"), w.get("/Jotta/Archive").names("folders"), w.get("/Jotta/Archive/f").text("publicURI"), w.get("/Jotta").text("mountPoints"),
			w.get("").at("devices").names("device"))
	}
	before := state()
	for _, request := range requests {
		verb, path, _ := strings.Cut(request, " ")
		for _, headers := range foreignHeaders {
			a := w.send(verb, path, strings.NewReader("some=thing"), append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
			if a.status != http.StatusForbidden {
				t.Errorf("%s with %q = %d %.200s", request, headers, a.status, a.body)
			}
		}
	}
	if after := state(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}

	// Its own pages, addresses that people type, and clients that are no browsers may.
	for _, headers := range [][]string{
		nil, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", w.url}, {"Referer", w.url + "/s/x"}, {"User-Agent", "rclone/v1.70"},
	} {
		w.want(200, "GET", jfs+"f?mode=enableShare", headers...)
		w.want(200, "GET", jfs+"f?mode=disableShare", headers...)
		w.want(200, "POST", jfs+"d?mkDir=true", headers...)
	}
	// Reading is no change: a link to a file works on any page.
	w.want(200, "GET", jfs+"f?mode=bin", foreignHeaders[0]...)
}

// Behind a proxy that gives the server another name, its own pages are those of that name.
func TestOwnSiteBehindAProxy(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.ExternalURL = "https://files.example/" })
	const path = "/jfs/user01/Jotta/Archive/d?mkDir=true"
	w.want(200, "POST", path, "Origin", "https://files.example")
	w.want(403, "POST", path, "Origin", "https://other.example")
}

// What people store is never run by a browser in the name of the server.
func TestContentIsNotRun(t *testing.T) {
	w := newWorld(t)
	const script = "<script>alert(1)</script>"
	for _, name := range []string{"page.html", "picture.svg", "text.xml", "plain.txt", "none"} {
		path := "/jfs/user01/Jotta/Archive/" + name
		w.put("/Jotta/Archive/"+name, script+name)
		uri := w.want(200, "GET", path+"?mode=enableShare").xml(t).text("publicURI")
		for _, get := range []string{path + "?mode=bin", path + "?mode=bin&revision=1", "/opin/io/downloadPublic/user01/" + uri, "/s/" + uri + "?download", "/p/" + uri + "?download"} {
			wantHarmless(t, get, w.want(200, "GET", get), name)
		}
		wantHarmless(t, "part of "+path, w.want(206, "GET", path+"?mode=bin", "Range", "bytes=0-10"), name)
	}
	w.put("/Jotta/Archive/real.png", asPNG(t, picture(8, 8)))
	wantHarmless(t, "thumbnail", w.want(200, "GET", "/jfs/user01/Jotta/Archive/real.png?mode=thumb"), "real.png.jpg")
	folder := w.want(200, "GET", "/jfs/user01/Jotta/Archive?mode=list")
	if got := folder.header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("a listing: X-Content-Type-Options %q", got)
	}
	if got := folder.header.Get("Cross-Origin-Resource-Policy"); got != "same-origin" {
		t.Errorf("a listing: Cross-Origin-Resource-Policy %q", got)
	}
}

func wantHarmless(t *testing.T, what string, a answer, name string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(a.header.Get("Content-Disposition"))
	if err != nil || kind != "attachment" || params["filename"] != name {
		t.Errorf("%s: Content-Disposition %q", what, a.header.Get("Content-Disposition"))
	}
	if got := a.header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("%s: X-Content-Type-Options %q", what, got)
	}
	if got := a.header.Get("Content-Security-Policy"); got != "sandbox; default-src 'none'" {
		t.Errorf("%s: Content-Security-Policy %q", what, got)
	}
}

// The names in a ZIP lead into the folder it is of, on Windows as well.
func TestZipNames(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{`..\..\out`, `C\\Windows`, `...`, `. .`, `d/...../f`, "plain", "..hidden", "end."} {
		segments := strings.Split(name, "/")
		for i := range segments {
			segments[i] = url.PathEscape(segments[i])
		}
		w.put("/Jotta/Archive/z/"+name, name)
	}
	uri := w.want(200, "GET", "/jfs/user01/Jotta/Archive/z?mode=enableShare").xml(t).text("publicURI")
	a := w.want(200, "GET", "/opin/io/downloadPublic/user01/"+uri)
	z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		for part := range strings.FieldsFuncSeq(strings.TrimSuffix(f.Name, "/"), func(r rune) bool { return r == '/' || r == '\\' }) {
			if strings.Trim(part, ". ") == "" {
				t.Errorf("%q leads out", f.Name)
			}
		}
	}
	slices.Sort(names)
	want := []string{"z/", "z/..hidden", "z/C＼＼Windows", "z/d/", "z/d/．．．．．/", "z/d/．．．．．/f", "z/end.", "z/plain", "z/．．．", "z/．␠．", "z/..＼..＼out"}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
}
