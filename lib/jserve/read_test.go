package jserve

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAuthentication(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		user, password string
		status         int
	}{
		{"user01", "secret", 200},
		{"USER01", "secret", 200},
		{"user@example.com", "secret", 200},
		{"user01", "Secret", 401},
		{"user01", "", 401},
		{"nobody", "secret", 401},
		{"nobody", "", 401},
		{"", "", 401},
		{"other", "pass", 401}, // not the account in the path
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/jfs/user01", nil)
		r.SetBasicAuth(tt.user, tt.password)
		rec := httptest.NewRecorder()
		w.srv.ServeHTTP(rec, r)
		if rec.Code != tt.status {
			t.Errorf("%s:%s = %d, want %d", tt.user, tt.password, rec.Code, tt.status)
		}
	}
	for _, header := range []string{"", "Basic", "Basic !!!", "Basic dXNlcg==", "Bearer x", "Digest x"} {
		for _, path := range []string{"/jfs/user01", "/account/v1/customer", "/files/v1/allocate", "/upload/x"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Authorization", header)
			rec := httptest.NewRecorder()
			w.srv.ServeHTTP(rec, r)
			if rec.Code != 401 || !strings.Contains(rec.Body.String(), "BadCredentialsException") {
				t.Errorf("Authorization %q on %s = %d %s", header, path, rec.Code, rec.Body)
			}
		}
	}
	if got := w.want(400, "GET", "/jfs/").body; !strings.Contains(got, "Username not found in url!") {
		t.Errorf("no user in the path: %s", got)
	}
}

func TestDownload(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/f.txt", "0123456789")
	w.put("/Jotta/Archive/empty", "")
	w.announce("/Jotta/Archive/unfinished", "abc", nil).allocation(t)
	const f = "/jfs/user01/Jotta/Archive/f.txt?mode=bin"
	tests := []struct {
		path, rng string
		status    int
		body      string
		content   string // Content-Range
	}{
		{f, "", 200, "0123456789", ""},
		{f, "bytes=0-", 206, "0123456789", "bytes 0-9/10"},
		{f, "bytes=2-5", 206, "2345", "bytes 2-5/10"},
		{f, "bytes=3-100", 206, "3456789", "bytes 3-9/10"},
		{f, "bytes=9-9", 206, "9", "bytes 9-9/10"},
		{f, "bytes=-3", 206, "789", "bytes 7-9/10"},
		{f, "bytes=-30", 206, "0123456789", "bytes 0-9/10"},
		{f, "bytes=0-1,3-4", 200, "0123456789", ""},
		{f, "lines=1-2", 200, "0123456789", ""},
		{f, "bytes=10-", 416, "-", "bytes */10"},
		{f, "bytes=10-2", 416, "-", "bytes */10"},
		{f, "bytes=x-2", 416, "-", "bytes */10"},
		{f, "bytes=-0", 416, "-", "bytes */10"},
		{f, "bytes=99999999999999999999-", 416, "-", "bytes */10"},
		{"/jfs/user01/Jotta/Archive/empty?mode=bin", "bytes=0-", 200, "", ""},
		{"/jfs/user01/Jotta/Archive/empty?mode=bin", "bytes=1-", 416, "-", "bytes */0"},
		{"/jfs/user01/Jotta/Archive/unfinished?mode=bin", "", 404, "-", ""},
		{"/jfs/user01/Jotta/Archive/nope?mode=bin", "", 404, "-", ""},
		{"/jfs/user01/Jotta/Archive?mode=bin", "", 404, "-", ""},
	}
	for _, tt := range tests {
		headers := []string{"Accept-Encoding", "gzip"}
		if tt.rng != "" {
			headers = append(headers, "Range", tt.rng)
		}
		got := w.send("GET", tt.path, nil, headers...)
		if got.status != tt.status || tt.body != "-" && got.body != tt.body || got.header.Get("Content-Range") != tt.content || got.header.Get("Content-Encoding") != "" {
			t.Errorf("%s %s = %d %q %v, want %d %q", tt.path, tt.rng, got.status, got.body, got.header, tt.status, tt.body)
		}
		if tt.status == 416 && !strings.Contains(got.body, "RequestedRangeNotSatisfiedException") {
			t.Errorf("416 says %s", got.body)
		}
	}
	if got := w.send("HEAD", f, nil); got.status != 200 || got.header.Get("Content-Length") != "10" || got.header.Get("Content-Type") != "text/plain" {
		t.Errorf("HEAD = %d %v", got.status, got.header)
	}
}

func TestGzip(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.put(fmt.Sprintf("/Jotta/Archive/d/file %d", i), fmt.Sprint(i))
	}
	for _, path := range []string{"/Jotta/Archive/d", "/Jotta/Archive?mode=list", "/Jotta/Archive?mode=liststream"} {
		plain := w.want(200, "GET", "/jfs/user01"+path)
		packed := w.want(200, "GET", "/jfs/user01"+path, "Accept-Encoding", "br, gzip;q=0.8")
		if plain.header.Get("Content-Encoding") != "" || packed.header.Get("Content-Encoding") != "gzip" || len(packed.body) >= len(plain.body) {
			t.Errorf("%s: %v and %v", path, plain.header, packed.header)
			continue
		}
		z, err := gzip.NewReader(strings.NewReader(packed.body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || string(got) != plain.body {
			t.Errorf("%s unpacks to %d bytes, %v; want %d", path, len(got), err, len(plain.body))
		}
		if got := w.want(200, "GET", "/jfs/user01"+path, "Accept-Encoding", "gzip;q=0").header.Get("Content-Encoding"); got != "" {
			t.Errorf("%s: gzip was refused but sent", path)
		}
	}
}

func TestMetadataCounts(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/d/b", "1")
	w.put("/Jotta/Archive/d/A", "1")
	w.put("/Jotta/Archive/d/_", "1")
	w.put("/Jotta/Archive/d/c", "1")
	w.post("/Jotta/Archive/d/c?dl=true")
	w.post("/Jotta/Archive/d/sub?mkDir=true")
	e := w.get("/Jotta/Archive/d")
	if got := strings.Join(e.names("files"), " "); got != "A b †c _" { // _ sorts after letters
		t.Errorf("files = %s", got)
	}
	m := e.at("metadata")
	if m.attr("total") != "5" || m.attr("num_folders") != "1" || m.attr("num_files") != "4" {
		t.Errorf("metadata %v", m.Attrs)
	}
	if got := w.get("/Jotta/Archive").text("size"); got != "3" {
		t.Errorf("size of the mount point = %s, want 3", got)
	}
	if got := w.get("/Jotta").at("mountPoints").Children[0].text("size"); got != "3" {
		t.Errorf("size in the device's list = %s, want 3", got)
	}
}

// listed is how a liststream ends.
type listed struct {
	Folders int `xml:"folders"`
	Files   int `xml:"files"`
}

// clientCount counts folders and files in the order of the stream, by the rule
// of docs/protocol.md, section 6.9: one for each folder element, and one for a
// file whose path has not come up before.
func clientCount(t *testing.T, body string) (folders, files int, seen []string, said listed) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(body))
	met := make(map[string]bool)
	for {
		token, err := d.Token()
		if err == io.EOF {
			return folders, files, seen, said
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "folder":
			var f struct {
				Path string `xml:"path"`
			}
			if err := d.DecodeElement(&f, &start); err != nil {
				t.Fatal(err)
			}
			folders++
			met[f.Path] = true
			seen = append(seen, f.Path+"/")
		case "file":
			var f struct {
				Path     string `xml:"path"`
				Filename string `xml:"filename"`
			}
			if err := d.DecodeElement(&f, &start); err != nil {
				t.Fatal(err)
			}
			if !met[f.Path] {
				folders++
				met[f.Path] = true
				seen = append(seen, f.Path+"/")
			}
			files++
			seen = append(seen, path.Join(f.Path, f.Filename))
		case "stats":
			if err := d.DecodeElement(&said, &start); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestListStreamCounts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		w := newWorld(t)
		want := map[string]bool{"/Archive/root/": true}
		w.post("/Jotta/Archive/root?mkDir=true")
		w.put("/Jotta/Archive/outside", "x")
		folders := []string{"/Archive/root"}
		for i := range 60 {
			in := folders[random.IntN(len(folders))]
			name := fmt.Sprintf("%s/<%d> & 'x'", in, i)
			name = strings.NewReplacer("<", "", ">", "").Replace(name) // not allowed in names
			switch random.IntN(6) {
			case 0, 1:
				w.post("/Jotta" + escapePath(name) + "?mkDir=true")
				folders = append(folders, name)
				want[name+"/"] = true
			case 2:
				w.put("/Jotta"+name, "trashed")
				w.post("/Jotta" + escapePath(name) + "?dl=true")
			case 3:
				w.announce("/Jotta"+name, "unfinished", nil)
			case 4:
				w.put("/Jotta"+name+"/f", "x")
				w.post("/Jotta" + escapePath(name) + "?dlDir=true")
			default:
				w.put("/Jotta"+name, name)
				want[name] = true
			}
		}
		body := w.want(200, "GET", "/jfs/user01/Jotta/Archive/root?mode=liststream").body
		folderCount, fileCount, seen, said := clientCount(t, body)
		if folderCount != said.Folders || fileCount != said.Files {
			t.Errorf("a client counts %d folders, %d files; stats say %d, %d", folderCount, fileCount, said.Folders, said.Files)
		}
		slices.Sort(seen)
		if len(slices.Compact(slices.Clone(seen))) != len(seen) {
			t.Errorf("something is listed twice: %q", seen)
		}
		for _, s := range seen {
			if !want[s] {
				t.Errorf("%s is listed, but must not be", s)
			}
			delete(want, s)
		}
		if len(want) > 0 {
			t.Errorf("not listed: %v", want)
		}
		if strings.Contains(body, "\n") {
			t.Error("liststream is not one line")
		}
	}
}

func escapePath(p string) string {
	return strings.NewReplacer(" ", "%20", "&", "%26", "'", "%27").Replace(p)
}

func TestListStreamErrors(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/f", "x")
	for _, path := range []string{"/Jotta/Archive/nope", "/Jotta/Archive/f", "/Jotta/Nope", "/Jotta", "/Jotta/Trash"} {
		w.want(404, "GET", "/jfs/user01"+path+"?mode=liststream")
	}
}

func TestLargeListingsStream(t *testing.T) {
	w := newWorld(t)
	fillTree(t, w, 1, 1500) // several pages, and more than one piece
	for query, count := range map[string]string{"": `num_files="1500"`, "?mode=list": "</filedirlist>", "?mode=liststream": "<files>1500</files>"} {
		got := w.want(200, "GET", "/jfs/user01/Jotta/Archive/dir%200"+query)
		if n := strings.Count(got.body, "<file ") + strings.Count(got.body, "<file>"); n != 1500 || !strings.Contains(got.body, count) {
			t.Errorf("%q lists %d files", query, n)
		}
		if got.header.Get("Content-Length") != "" {
			t.Errorf("%q was put together in memory", query)
		}
	}
}

func TestStats(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/f", "0123456789")
	w.want(206, "GET", "/jfs/user01/Jotta/Archive/f?mode=bin", "Range", "bytes=0-3")
	r := httptest.NewRequest("GET", "/_jserve/stats", nil)
	r.RemoteAddr, r.Host = "127.0.0.1:1234", "127.0.0.1:7070"
	rec := httptest.NewRecorder()
	w.srv.ServeHTTP(rec, r)
	var got Stats
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != 200 {
		t.Fatalf("stats = %d %s", rec.Code, rec.Body)
	}
	if got.Requests["allocate"] != 1 || got.Requests["upload"] != 1 || got.Requests["download"] != 1 || got.UploadBytes != 10 || got.DownloadBytes != 4 || got.BytesIn < 10 || got.BytesOut < 4 {
		t.Errorf("stats = %+v", got)
	}
	r.RemoteAddr = "192.0.2.1:1234"
	rec = httptest.NewRecorder()
	w.srv.ServeHTTP(rec, r)
	if rec.Code != 401 {
		t.Errorf("stats from afar without a password = %d, want 401", rec.Code)
	}
}

func TestUnknownPaths(t *testing.T) {
	w := newWorld(t)
	for path, status := range map[string]int{"/": 404, "/nope": 404, "/jfsx": 404, "/files/v1/nope": 404, "/account": 404} {
		w.want(status, "GET", path)
	}
	w.want(405, "DELETE", "/jfs/user01/Jotta")
	w.want(405, "GET", "/files/v1/allocate")
	w.want(405, "POST", "/account/v1/customer")
	w.want(500, "POST", "/jfs/user01/Jotta/Archive/x")
	w.want(400, "POST", "/jfs/user01/Jotta/Archive/x?mkDir=%zz")
}

func TestExternalURL(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.ExternalURL = "https://up.example.com/" })
	if got := w.announce("/Jotta/Archive/f", "x", nil).allocation(t).UploadURL; !strings.HasPrefix(got, "https://up.example.com/upload/") {
		t.Errorf("upload_url = %s", got)
	}
}

func TestServeStops(t *testing.T) {
	srv, err := New(Config{Dir: t.TempDir(), Users: []User{{Name: "u", Password: "p"}}, Latency: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- srv.Serve(ctx, ln) }()
	req, _ := http.NewRequest("GET", "http://"+ln.Addr().String()+"/jfs/u", nil)
	req.SetBasicAuth("u", "p")
	client := &http.Client{Transport: &http.Transport{}}
	resp, err := client.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("request = %v, %v", resp, err)
	}
	resp.Body.Close()
	client.CloseIdleConnections()
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve = %v after a requested end", err)
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if err := srv.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, users := range [][]User{{{Name: "a:b", Password: "p"}}, {{Name: "u"}}, {{Name: "u", Password: "p"}, {Name: "U", Password: "p"}}} {
		if srv, err := New(Config{Dir: dir, Users: users}); err == nil {
			srv.Close()
			t.Errorf("New took %v", users)
		}
	}
}

func TestEventToken(t *testing.T) {
	w := newWorld(t)
	e := w.want(200, "GET", "/rest/token/user01/createToken").xml(t)
	if want := sample(t, "constructed-ws-token.xml").xml(t); e.XMLName.Local != want.XMLName.Local || len(e.Children) != len(want.Children) {
		t.Errorf("token answers %v with %d elements", e, len(e.Children))
	}
	if e.text("username") != "user01" || len(e.text("authToken")) < 20 {
		t.Errorf("token of %s is %q", e.text("username"), e.text("authToken"))
	}
	w.want(401, "GET", "/rest/token/other/createToken")
	w.want(404, "GET", "/rest/token/user01")
	w.want(405, "POST", "/rest/token/user01/createToken")
}
