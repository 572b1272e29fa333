package jserve

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// names joins what a folder lists.
func (w *world) names(path string) string {
	w.t.Helper()
	e := w.get(path)
	return strings.Join(slices.Concat(e.names("folders"), e.names("files")), " ")
}

func (w *world) check(path, want string) {
	w.t.Helper()
	if got := w.names(path); got != want {
		w.t.Errorf("%s lists %q, want %q", path, got, want)
	}
}

func to(path string) string { return query("/user01" + path) }

func TestMkDir(t *testing.T) {
	w := newWorld(t)
	if got := w.post("/Jotta/Archive/a%20b/c%2Bd/E?mkDir=true").text("path"); got != "/user01/Jotta/Archive/a b/c+d" {
		t.Errorf("path = %q", got)
	}
	w.post("/jotta/archive/A%20B/C%2bD/e?mkDir=true") // the same folder
	w.check("/Jotta/Archive/a%20b/c%2Bd", "E")
	if got := w.post("/Jotta/Archive?mkDir=true").XMLName.Local; got != "mountPoint" {
		t.Errorf("mkDir on a mount point answers <%s>", got)
	}
	w.want(404, "POST", "/jfs/user01/Jotta/New/x?mkDir=true") // no new mount points on the built-in device
	w.want(404, "POST", "/jfs/user01/PC/New/x?mkDir=true")
	w.want(201, "POST", "/jfs/user01/PC?type=laptop")
	w.post("/PC/New/x?mkDir=true")
	w.put("/Jotta/Archive/file", "x")
	w.want(409, "POST", "/jfs/user01/Jotta/Archive/file?mkDir=true")
	w.want(409, "POST", "/jfs/user01/Jotta/Archive/file/below?mkDir=true")
	w.want(400, "POST", "/jfs/user01/PC?mkDir=true")
	w.want(403, "POST", "/jfs/user01/Jotta/Trash/x?mkDir=true")
	w.want(403, "POST", "/jfs/user01/Jotta/Shared/x?mkDir=true")
	// In a form, as an old client sends it.
	got := w.send("POST", "/jfs/user01/Jotta/Archive/form", strings.NewReader("mkDir=true"), "Content-Type", "application/x-www-form-urlencoded")
	if got.status != 200 {
		t.Errorf("mkDir in a form = %d", got.status)
	}
	w.want(500, "POST", "/jfs/user01/Jotta/Archive/x?mkDir=false")
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 255)
	for _, name := range []string{"%20leading", "trailing.", "~x", "a%5Cb;c&d%23e+f'g`h[i]%7Bj%7D$!^=,@", "%E2%98%83", long, "%EF%BC%85", "%CC%88"} {
		w.post("/Jotta/Archive/good/" + name + "?mkDir=true")
		w.get("/Jotta/Archive/good/" + name)
	}
	for _, name := range []string{"a%22b", "a*b", "a:b", "a%3Cb", "a%3Eb", "a%3Fb", "a%7Cb", "a%01b", "a%7Fb", "a%00b", "a%2Fb", "%FF", "..%2Fx", "x" + long, "%EF%BF%BE"} {
		got := w.want(400, "POST", "/jfs/user01/Jotta/Archive/bad/"+name+"?mkDir=true")
		if !strings.Contains(got.body, "InvalidArgumentException") {
			t.Errorf("mkDir %s answers %s", name, got.body)
		}
	}
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/bad") // nothing of it was made
	if got := w.want(400, "POST", "/jfs/user01/Jotta/Archive/100%25?mkDir=true"); strings.Contains(got.body, "<") {
		t.Errorf("a %% in a name answers %q, want no XML", got.body)
	}
	for _, path := range []string{"/Jotta/Archive/../x", "/Jotta/./Archive", "/Jotta/Archive/%2e%2e"} {
		if got := w.send("GET", "/jfs/user01"+path, nil); got.status != 400 {
			t.Errorf("GET %s = %d, want 400", path, got.status)
		}
	}
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/a*b") // look-up of a forbidden name

	// A raw + is a space, unless only the literal name exists.
	w.post("/Jotta/Archive/p/a+b?mkDir=true")
	w.check("/Jotta/Archive/p", "a b")
	w.post("/Jotta/Archive/p/c%2Bd?mkDir=true")
	w.get("/Jotta/Archive/p/c+d")
	w.get("/Jotta/Archive/p/a%20b")
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/p/a%2Bb")

	// Letter case is kept and ignored, by simple folding only; forms differ.
	w.post("/Jotta/Archive/f/%C3%84%CE%A3?mkDir=true")         // ÄΣ
	w.get("/Jotta/Archive/f/%C3%A4%CF%83")                     // äσ
	w.get("/Jotta/Archive/f/%C3%A4%CF%82")                     // äς
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/f/a%CC%88σ") // decomposed
	w.post("/Jotta/Archive/f/stra%C3%9Fe?mkDir=true")          // ß is not ss
	w.post("/Jotta/Archive/f/STRASSE?mkDir=true")
	w.check("/Jotta/Archive/f", "STRASSE straße ÄΣ")
	w.get("//Jotta//Archive//f/")
	w.want(200, "GET", "/jfs/USER01/jOTTA/aRCHIVE/F")
	w.want(200, "GET", "/jfs/user@example.com/Jotta")
}

func TestTrash(t *testing.T) {
	w := newWorld(t)
	at := func() string { return formatJFS(w.clock.Load()) }
	w.put("/Jotta/Archive/d/early", "1")
	w.put("/Jotta/Archive/d/late", "2")
	w.put("/Jotta/Archive/d/sub/deep", "3")
	first := at()
	w.post("/Jotta/Archive/d/early?dl=true")
	w.clock.Add(60)
	second := at()
	if got := w.post("/Jotta/Archive/d?dlDir=true").attr("deleted"); got != second {
		t.Errorf("dlDir answers deleted=%q, want %s", got, second)
	}
	w.clock.Add(60)
	w.post("/Jotta/Archive/d?dlDir=true") // again: keeps its time
	for path, want := range map[string]string{"/d": second, "/d/early": first, "/d/late": second, "/d/sub": second, "/d/sub/deep": second} {
		if got := w.get("/Jotta/Archive" + path).attr("deleted"); got != want {
			t.Errorf("%s deleted = %q, want %s", path, got, want)
		}
	}
	w.check("/Jotta/Archive", "†d")
	w.check("/Jotta/Archive/d", "†sub †early †late")
	w.check("/Jotta/Trash", "†d")
	w.want(200, "GET", "/jfs/user01/Jotta/Archive/d/late?mode=bin") // clients that show the trash read from there
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/d?mode=liststream")

	// dl is for files, dlDir for folders; a missing file is deleted with success.
	w.post("/Jotta/Archive/e?mkDir=true")
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/e?dl=true")
	w.put("/Jotta/Archive/f", "f")
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/f?dlDir=true")
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/nope?dlDir=true")
	if got := w.post("/Jotta/Archive/nope?dl=true"); got.attr("name") != "nope" || got.attr("deleted") == "" || got.attr("uuid") != "00000000-0000-0000-0000-000000000000" {
		t.Errorf("dl of nothing answers %s deleted=%q", got, got.attr("deleted"))
	}
	w.want(404, "POST", "/jfs/user01/Jotta/Nope?dl=true")
	w.want(403, "POST", "/jfs/user01/Jotta/Archive?dl=true")

	// Reviving the folder leaves what was in it in the trash.
	w.post("/Jotta/Archive/d?mkDir=true")
	w.check("/Jotta/Archive", "d e f")
	w.check("/Jotta/Archive/d", "†sub †early †late")
	w.check("/Jotta/Trash", "†sub †early †late")
	if got := w.get("/Jotta/Archive/d/late").attr("deleted"); got != second {
		t.Errorf("after the revival late is deleted at %q, want %s", got, second)
	}

	// Restoring by content, by upload, and beneath a trashed folder.
	w.post("/Jotta/Archive/d/late?cphash=true", "JSize", "1", "JMd5", sum("2"))
	w.put("/Jotta/Archive/d/early", "new")
	w.put("/Jotta/Archive/d/sub/deep", "3")
	w.check("/Jotta/Archive/d", "sub early late")
	if got := w.get("/Jotta/Archive/d/early").text("currentRevision", "number"); got != "2" {
		t.Errorf("revision after the restore = %s, want 2", got)
	}
	w.check("/Jotta/Trash", "")

	// A folder may take a trashed file's name; the file is left to the trash view.
	w.post("/Jotta/Archive/f?dl=true")
	w.post("/Jotta/Archive/f?mkDir=true")
	if got := w.get("/Jotta/Archive/f").XMLName.Local; got != "folder" {
		t.Errorf("f is a <%s>, want the live folder", got)
	}
	w.check("/Jotta/Trash", "†f")

	if got := w.want(200, "POST", "/files/v1/purge_trash").body; got != `{"files":1,"folders":0}` {
		t.Errorf("purge = %s", got)
	}
	w.check("/Jotta/Trash", "")
	w.get("/Jotta/Archive/f")
	for _, cmd := range []string{"rm", "rmDir", "mv=" + to("/Jotta/Archive/y"), "mvDir=" + to("/Jotta/Archive/y")} {
		w.want(404, "POST", "/jfs/user01/Jotta/Trash/x?"+cmd)
	}
	w.want(500, "POST", "/jfs/user01/Jotta/Archive/f?restore=true")
}

func TestTrashExpires(t *testing.T) {
	dir := t.TempDir()
	inDir := func(c *Config) { c.Dir = dir }
	t.Run("fill", func(t *testing.T) {
		w := newWorld(t, inDir)
		w.put("/Jotta/Archive/old", "1")
		w.put("/Jotta/Archive/new", "2")
		w.post("/Jotta/Archive/old?dl=true")
		w.announce("/Jotta/Archive/unfinished", "abc", nil).allocation(t)
	})
	t.Run("29 days later", func(t *testing.T) {
		w := newWorld(t, inDir, later(29))
		w.tidy()
		w.check("/Jotta/Archive", "new †old")
		w.post("/Jotta/Archive/new?dl=true")
	})
	t.Run("31 days later", func(t *testing.T) {
		w := newWorld(t, inDir, later(31))
		w.tidy()
		w.check("/Jotta/Archive", "†new")
	})
}

func (w *world) tidy() {
	w.t.Helper()
	if err := w.srv.store.Tidy(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// later moves the clock by days before the server starts.
func later(days int64) func(*Config) {
	return func(c *Config) {
		now := c.Now
		c.Now = func() time.Time { return now().AddDate(0, 0, int(days)) }
	}
}

func TestRemove(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/d/f", "x")
	w.put("/Jotta/Archive/d/g", "y")
	if got := w.post("/Jotta/Archive/d/f?rm=true"); got.XMLName.Local != "folder" || got.attr("name") != "d" || got.at("files") != nil {
		t.Errorf("rm answers %s", shape(got))
	}
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/d/f")
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/d/f?rm=true")
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/d?rm=true")
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/d/g?rmDir=true")
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/nope?rmDir=true")
	w.post("/Jotta/Archive/d?dlDir=true")
	if got := w.post("/Jotta/Archive/d?rmDir=true").XMLName.Local; got != "mountPoint" { // a tombstone
		t.Errorf("rmDir answers <%s>", got)
	}
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/d")
	w.check("/Jotta/Trash", "")
	w.want(403, "POST", "/jfs/user01/Jotta?rm=true")
	w.want(403, "POST", "/jfs/user01/Jotta/Archive?rm=true")
	w.want(201, "POST", "/jfs/user01/BENCH")
	w.want(201, "POST", "/jfs/user01/BENCH/Test")
	w.put("/BENCH/Test/f", "x")
	if got := w.post("/BENCH?rm=true").XMLName.Local; got != "user" {
		t.Errorf("rm of a device answers <%s>", got)
	}
	w.want(404, "GET", "/jfs/user01/BENCH/Test/f")
	if got := w.want(200, "GET", "/jfs/user01").xml(t).text("usage"); got != "0" {
		t.Errorf("usage after everything is gone = %s", got)
	}
}

func TestMove(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/d/f", "one")
	w.put("/Jotta/Archive/d/f", "two")
	before := w.get("/Jotta/Archive/d/f")
	w.want(201, "POST", "/jfs/user01/BENCH")
	after := w.post("/Jotta/Archive/d/f?mv=" + to("/BENCH/made/a b/g+h"))
	if after.attr("uuid") != before.attr("uuid") || after.text("currentRevision", "number") != "2" || after.text("path") != "/user01/BENCH/made/a b" {
		t.Errorf("mv answers\n%s", shape(after))
	}
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/d/f?mv="+to("/Jotta/Archive/d/again"))

	// Over a live file, over a tombstone, over a folder.
	w.put("/Jotta/Archive/d/x", "x")
	w.put("/Jotta/Archive/d/y", "y")
	w.clock.Add(1)
	w.post("/Jotta/Archive/d/x?mv=" + to("/Jotta/Archive/d/y"))
	w.check("/Jotta/Archive/d", "y †y")
	if got := w.want(200, "GET", "/jfs/user01/Jotta/Archive/d/y?mode=bin").body; got != "x" {
		t.Errorf("y = %q, want x", got)
	}
	w.post("/Jotta/Archive/d/y?mv=" + to("/Jotta/Archive/d/z"))
	w.put("/Jotta/Archive/d/y2", "y2")
	w.post("/Jotta/Archive/d/y2?mv=" + to("/Jotta/Archive/d/y"))
	w.check("/Jotta/Archive/d", "†y y z")
	w.post("/Jotta/Archive/e/sub?mkDir=true")
	w.want(409, "POST", "/jfs/user01/Jotta/Archive/d/y?mv="+to("/Jotta/Archive/e"))
	w.want(409, "POST", "/jfs/user01/Jotta/Archive/e?mvDir="+to("/Jotta/Archive/d"))
	w.want(409, "POST", "/jfs/user01/Jotta/Archive/e?mvDir="+to("/Jotta/Archive/d/y"))

	// Folders: with mv too, to another case, not into themselves.
	w.post("/Jotta/Archive/d/?mvDir=" + to("/Jotta/Archive/missing/D+2"))
	w.check("/Jotta/Archive/missing/D%2B2", "†y y z")
	w.post("/Jotta/Archive/missing?mv=" + to("/Jotta/Sync/moved"))
	w.check("/Jotta/Sync/moved/d%2b2", "†y y z")
	w.post("/Jotta/Sync/moved?mvDir=" + to("/Jotta/Sync/MOVED"))
	w.check("/Jotta/Sync", "MOVED")
	w.want(400, "POST", "/jfs/user01/Jotta/Archive/e?mvDir="+to("/Jotta/Archive/e/sub/x"))
	w.want(404, "POST", "/jfs/user01/Jotta/Sync/MOVED/D%2B2/y?mvDir="+to("/Jotta/Sync/n"))
	w.want(404, "POST", "/jfs/user01/Jotta/Sync/nope?mvDir="+to("/Jotta/Sync/n"))
	w.post("/Jotta/Archive/e?dlDir=true")
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/e?mvDir="+to("/Jotta/Archive/n"))
	for _, bad := range []string{"relative", query("/other/Jotta/Archive/x"), to(""), to("/Jotta"), to("/Jotta/New"), to("/Jotta/Archive/a:b"), to("/Jotta/Archive/../x")} {
		w.want(400, "POST", "/jfs/user01/Jotta/Sync/MOVED?mvDir="+bad)
	}
	w.want(400, "POST", "/jfs/user01/Jotta/Sync?mvDir="+to("/Jotta/Archive/s"))
	w.want(403, "POST", "/jfs/user01/Jotta/Sync/MOVED?mvDir="+to("/Jotta/Shared/s"))
	w.check("/Jotta/Sync", "MOVED")
}

// TestTombstonesOfOneName has two: the path leads to the one trashed last, whichever is older.
func TestTombstonesOfOneName(t *testing.T) {
	w := newWorld(t)
	content := func() string { return w.want(200, "GET", "/jfs/user01/Jotta/Archive/y?mode=bin").body }
	for _, order := range [][2]string{{"first", "second"}, {"second", "first"}} {
		w.put("/Jotta/Archive/first", "first")
		w.put("/Jotta/Archive/second", "second")
		for _, name := range order {
			w.clock.Add(1)
			w.post("/Jotta/Archive/" + name + "?mv=" + to("/Jotta/Archive/y"))
			w.post("/Jotta/Archive/y?dl=true")
		}
		if got := content(); got != order[1] {
			t.Errorf("the path leads to %q, want %q", got, order[1])
		}
		w.check("/Jotta/Trash", "†y †y")
		w.want(200, "POST", "/files/v1/purge_trash")
	}
}

func TestCopy(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/f", "content")
	src := w.get("/Jotta/Archive/f")
	got := w.post("/Jotta/Archive/f?cp=" + to("/Jotta/Archive/new/a+b &c"))
	if got.attr("uuid") == src.attr("uuid") || got.text("currentRevision", "number") != "1" || got.text("currentRevision", "md5") != sum("content") ||
		got.text("currentRevision", "created") != src.text("currentRevision", "created") || got.attr("name") != "a+b &c" {
		t.Errorf("cp answers\n%s", shape(got))
	}
	w.put("/Jotta/Archive/g", "other")
	if got := w.post("/Jotta/Archive/f?cp="+to("/Jotta/Archive/g")).text("currentRevision", "number"); got != "2" {
		t.Errorf("cp over a file makes revision %s, want 2", got)
	}
	w.post("/Jotta/Archive/g?dl=true")
	if got := w.post("/Jotta/Archive/f?cp=" + to("/Jotta/Archive/g")).attr("deleted"); got != "" {
		t.Errorf("cp over a tombstone leaves it deleted at %s", got)
	}
	w.post("/Jotta/Archive/d?mkDir=true")
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/nope?cp="+to("/Jotta/Archive/x"))
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/d?cp="+to("/Jotta/Archive/x"))
	w.want(409, "POST", "/jfs/user01/Jotta/Archive/f?cp="+to("/Jotta/Archive/d"))
	w.want(500, "POST", "/jfs/user01/Jotta/Archive/d?cpDir="+to("/Jotta/Archive/x"))
}

func TestCpHash(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/f", "content")
	w.announce("/Jotta/Archive/unfinished", "never sent", nil).allocation(t)
	w.post("/Jotta/Archive/d?mkDir=true")
	headers := func(content string, more ...string) []string {
		return append([]string{"JSize", fmt.Sprint(len(content)), "JMd5", sum(content)}, more...)
	}
	touched := w.post("/Jotta/Archive/f?cphash=true", headers("content", "JCreated", "2017-05-11-T09:02:40Z", "JModified", "2024-05-01-T10:12:12+0200")...)
	if touched.text("currentRevision", "number") != "1" || touched.text("currentRevision", "created") != "2017-05-11-T09:02:40Z" || touched.text("currentRevision", "modified") != formatJFS(epoch+60) {
		t.Errorf("touch answers\n%s %s", shape(touched), touched.text("currentRevision", "modified"))
	}
	if got := w.post("/Jotta/Archive/f?cphash=true", headers("content")...).text("currentRevision", "modified"); got != formatJFS(epoch+60) {
		t.Errorf("modified without a header = %s, want it kept", got)
	}
	w.clock.Add(5)
	if got := w.post("/Jotta/Archive/f?cphash=true", headers("content", "JModified", "yesterday")...).text("currentRevision", "modified"); got != formatJFS(epoch+5) {
		t.Errorf("modified with a strange header = %s, want now", got)
	}
	w.post("/Jotta/Archive/made/g?cphash="+sum("content"), "JSize", "7")
	if got := w.get("/Jotta/Archive/made/g").text("currentRevision", "created"); got != formatJFS(epoch+5) {
		t.Errorf("created = %s, want now", got)
	}
	w.put("/Jotta/Archive/g", "other")
	if got := w.post("/Jotta/Archive/g?cphash=true", headers("content")...).text("currentRevision", "number"); got != "2" {
		t.Errorf("known content makes revision %s, want 2", got)
	}
	for path, h := range map[string][]string{
		"/f":          headers("unknown"),
		"/nowhere/f":  headers("unknown"),
		"/unfinished": headers("never sent"),
		"/d":          headers("content"),
		"/f/g":        headers("content"),
		"/f?":         {"JSize", "7", "JMd5", "bad"},
	} {
		w.want(404, "POST", "/jfs/user01/Jotta/Archive"+strings.TrimSuffix(path, "?")+"?cphash=true", h...)
	}
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/nowhere") // failing made nothing
}

func TestRevisions(t *testing.T) {
	w := newWorld(t)
	const path = "/Jotta/Archive/f"
	numbers := func() string {
		t.Helper()
		e := w.get(path)
		s := e.text("currentRevision", "number") + " " + e.text("latestRevision", "number") + " |"
		if older := e.at("revisions"); older != nil {
			for _, r := range older.Children {
				s += " " + r.text("number")
			}
		}
		return s
	}
	for i := 1; i <= 7; i++ {
		w.put(path, fmt.Sprint("version ", i))
	}
	if got, want := numbers(), "7 - | 6 5 4 3"; got != want {
		t.Errorf("revisions = %s, want %s", got, want)
	}
	if got := w.want(200, "GET", "/jfs/user01"+path+"?mode=bin&revision=4").body; got != "version 4" {
		t.Errorf("revision 4 = %q", got)
	}
	for _, gone := range []string{"2", "8", "x", "-1"} {
		w.want(404, "GET", "/jfs/user01"+path+"?mode=bin&revision="+gone)
	}
	a := w.announce(path, "unfinished", nil).allocation(t)
	if got, want := numbers(), "7 8 | 6 5 4 3"; got != want {
		t.Errorf("with an unfinished one = %s, want %s", got, want)
	}
	w.send("POST", a.UploadURL, strings.NewReader("UNFINISHED"))
	w.put(path, "version 9")
	if got, want := numbers(), "9 - | 8 7 6 5"; got != want {
		t.Errorf("after a corrupt one = %s, want %s", got, want)
	}
	for i := range 6 {
		w.announce(path, fmt.Sprint("never sent ", i), nil).allocation(t)
	}
	if got, want := numbers(), "9 15 | 14 13 12 11"; got != want {
		t.Errorf("unfinished ones = %s, want %s", got, want)
	}
}

func TestDevices(t *testing.T) {
	w := newWorld(t)
	got := w.send("POST", "/jfs/user01/my%20laptop", strings.NewReader("type=laptop"), "Content-Type", "application/x-www-form-urlencoded")
	if e := got.xml(t); got.status != 201 || e.text("type") != "LAPTOP" || e.text("name") != "my laptop" || e.text("sid") == "" {
		t.Errorf("new device = %d\n%s", got.status, got.body)
	}
	again := w.want(201, "POST", "/jfs/user01/MY%20LAPTOP?type=IMAC").xml(t)
	if again.text("type") != "LAPTOP" || again.text("name") != "my laptop" {
		t.Errorf("existing device = %s %s", again.text("name"), again.text("type"))
	}
	if got := w.want(201, "POST", "/jfs/user01/plain").xml(t).text("type"); got != "WORKSTATION" {
		t.Errorf("type of a device without one = %s", got)
	}
	w.want(400, "POST", "/jfs/user01/a:b")
	w.want(500, "POST", "/jfs/user01")
	w.want(404, "GET", "/jfs/user01/nope")

	w.want(201, "POST", "/jfs/user01/plain/Test", "JMd5", sum(""), "JSize", "0") // an old client's headers
	w.want(200, "POST", "/jfs/user01/plain/test")
	w.want(404, "POST", "/jfs/user01/nope/Test")
	w.want(200, "POST", "/jfs/user01/Jotta/Archive")
	w.put("/plain/Test/f", "x")
	w.post("/plain/Test?dl=true")
	e := w.get("/plain/Test")
	if e.text("deleted") == "-" || w.get("/plain/Test/f").attr("deleted") == "" || e.text("size") != "1" {
		t.Errorf("trashed mount point:\n%s", shape(e))
	}
	w.check("/Jotta/Trash", "†Test")
	w.want(200, "POST", "/jfs/user01/plain/Test")
	if e := w.get("/plain/Test"); e.text("deleted") != "-" || strings.Join(e.names("files"), " ") != "†f" {
		t.Errorf("revived mount point: deleted %s, %v", e.text("deleted"), e.names("files"))
	}
	if got := w.post("/plain/Test?rm=true").XMLName.Local; got != "device" {
		t.Errorf("rm of a mount point answers <%s>", got)
	}
	w.want(404, "GET", "/jfs/user01/plain/Test")
}

func TestShares(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/d/räksmörgås.txt", "0123456789")
	w.put("/Jotta/Archive/d/sub/g", "g")
	share := func(path string) string { return w.get(path + "?mode=enableShare").text("publicURI") }
	const path = "/Jotta/Archive/d/r%C3%A4ksm%C3%B6rg%C3%A5s.txt"
	uri := share(path)
	if len(uri) != 32 || share(path) != uri || w.get(path).text("publicURI") != uri {
		t.Errorf("publicURI = %q, and must stay", uri)
	}
	public := func(path string, headers ...string) answer {
		t.Helper()
		req, err := http.NewRequest("GET", w.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := w.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return answer{resp.StatusCode, resp.Header, string(body)}
	}
	for _, link := range []string{"/opin/io/downloadPublic/user01/" + uri, "/p/user01/" + uri + "?download", "/s/" + uri + "?download"} {
		got := public(link)
		if got.status != 200 || got.body != "0123456789" || got.header.Get("Content-Disposition") != "attachment; filename=\"r_ksm_rg_s.txt\"; filename*=utf-8''r%C3%A4ksm%C3%B6rg%C3%A5s.txt" {
			t.Errorf("%s = %d %q %v", link, got.status, got.body, got.header)
		}
	}
	link := "/opin/io/downloadPublic/user01/" + uri
	if got := public(link, "Range", "bytes=2-4"); got.status != 206 || got.body != "234" {
		t.Errorf("part of a share = %d %q", got.status, got.body)
	}
	folder := share("/Jotta/Archive/d")
	if got := public("/s/" + folder + "?download"); got.status != 200 || !strings.Contains(got.body, "d/sub/g") || got.header.Get("Content-Type") != "application/zip" {
		t.Errorf("shared folder = %d, %d bytes, %v", got.status, len(got.body), got.header)
	}
	w.post(path + "?dl=true")
	if got := public(link).status; got != 404 {
		t.Errorf("share of a trashed file = %d, want 404", got)
	}
	if got := strings.Join(w.get("/Jotta/Links").names("files"), " "); got != "†räksmörgås.txt" {
		t.Errorf("links = %s", got)
	}
	w.put("/Jotta/Archive/d/räksmörgås.txt", "0123456789")
	if got := w.get(path + "?mode=disableShare").text("publicURI"); got != "-" {
		t.Errorf("publicURI after disabling = %s", got)
	}
	w.get(path + "?mode=disableShare") // again
	for _, gone := range []string{link, "/s/" + uri, "/s/x", "/s/", "/opin/io/downloadPublic/nobody/" + uri, "/opin/io/downloadPublic/other/" + folder} {
		if got := public(gone).status; got != 404 {
			t.Errorf("%s = %d, want 404", gone, got)
		}
	}
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/nope?mode=enableShare")
	w.want(400, "GET", "/jfs/user01/Jotta/Archive?mode=enableShare")
}
