package jserve

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAllocate(t *testing.T) {
	w := newWorld(t)
	const path = "/Jotta/Archive/dir/hello.txt"

	a := w.announce(path, "hello world", nil).allocation(t)
	want := allocateAnswer{Name: "hello.txt", Path: "/jfs" + path, State: "INCOMPLETE", UploadID: a.UploadID, UploadURL: w.url + "/upload/" + a.UploadID, Bytes: 11}
	if a != want || a.UploadID == "" {
		t.Fatalf("allocate = %+v, want %+v", a, want)
	}
	if got := w.get(path).text("latestRevision", "state"); got != "INCOMPLETE" {
		t.Errorf("state after allocate = %s, want INCOMPLETE", got)
	}
	up := w.send("POST", a.UploadURL, strings.NewReader("hello world"))
	var done struct {
		Path, MD5       string
		Bytes, Modified int64
	}
	if err := json.Unmarshal([]byte(up.body), &done); err != nil || up.status != 200 {
		t.Fatalf("upload = %d %s", up.status, up.body)
	}
	if done.Path != "/jfs"+path || done.MD5 != sum("hello world") || done.Bytes != 11 || done.Modified != epoch*1000 {
		t.Errorf("upload answered %+v", done)
	}
	if got := w.send("POST", a.UploadURL, strings.NewReader("hello world")); got.status != 404 {
		t.Errorf("second upload to the same target = %d, want 404", got.status)
	}

	// The same content again: only the times change.
	w.clock.Add(3600)
	again := w.announce(path, "hello world", map[string]any{"modified": (epoch + 60) * 1000, "created": (epoch + 30) * 1000}).allocation(t)
	if again.State != "COMPLETED" || again.UploadURL != "" || again.ResumePos != 11 {
		t.Errorf("allocate of what is there = %+v", again)
	}
	f := w.get(path)
	for _, c := range []struct{ field, want string }{
		{"number", "1"}, {"modified", formatJFS(epoch + 60)}, {"created", formatJFS(epoch + 30)}, {"updated", formatJFS(epoch)},
	} {
		if got := f.text("currentRevision", c.field); got != c.want {
			t.Errorf("%s = %s, want %s", c.field, got, c.want)
		}
	}

	// Known content at another path, and over other content.
	if got := w.announce("/Jotta/Sync/copy", "hello world", nil).allocation(t).State; got != "COMPLETED" {
		t.Errorf("allocate of known content = %s, want COMPLETED", got)
	}
	w.put("/Jotta/Sync/other", "something else")
	if got := w.announce("/Jotta/Sync/other", "hello world", nil).allocation(t).State; got != "COMPLETED" {
		t.Errorf("allocate of known content over other = %s, want COMPLETED", got)
	}
	if got := w.get("/Jotta/Sync/other").text("currentRevision", "number"); got != "2" {
		t.Errorf("revision = %s, want 2", got)
	}
	if got := w.srv.Stats(); got.UploadBytes != int64(len("hello world"+"something else")) || got.Requests["upload"] != 3 {
		t.Errorf("stats = %+v", got)
	}
	if got := w.announce("/Jotta/Archive/empty", "", nil).allocation(t).State; got != "COMPLETED" {
		t.Errorf("allocate of nothing = %s, want COMPLETED", got)
	}
	if got := w.want(200, "GET", "/jfs/user01/Jotta/Archive/empty?mode=bin").body; got != "" {
		t.Errorf("empty file = %q", got)
	}
}

func TestAllocatePaths(t *testing.T) {
	w := newWorld(t)
	w.want(201, "POST", "/jfs/user01/BENCH?type=WORKSTATION")
	tests := []struct {
		path   string
		status int
		at     string
	}{
		{"/jfs/Jotta/Archive/a", 200, "/Jotta/Archive/a"},
		{"Archive/b/c", 200, "/Jotta/Archive/b/c"},
		{"/Archive/d", 200, "/Jotta/Archive/d"},
		{"/jfs/BENCH/new mount/x+y", 200, "/BENCH/new%20mount/x%2By"},
		{"/jfs/jotta//ARCHIVE/e", 200, "/Jotta/Archive/e"},
		{"/jfs/Jotta/Archive/％ ok", 200, "/Jotta/Archive/%EF%BC%85%20ok"},
		{"/jfs/Nowhere/x/y", 404, ""},
		{"/jfs/Jotta/Nowhere/y", 404, ""},
		{"/jfs/Jotta/Archive", 400, ""},
		{"", 400, ""},
		{"Archive", 400, ""},
		{"Archive/../x", 400, ""},
		{"Archive/./x", 400, ""},
		{"Archive/100%", 400, ""},
		{"Archive/a:b", 400, ""},
		{"Archive/a\x00b", 400, ""},
		{"Archive/" + strings.Repeat("ø", 255), 200, ""},
		{"Archive/" + strings.Repeat("ø", 256), 400, ""},
		{"Trash/x", 403, ""},
		{"Latest/x", 403, ""},
		{"Links/x", 403, ""},
		{"Shared/x", 403, ""},
	}
	for _, tt := range tests {
		got := w.announce("/", "content", map[string]any{"path": tt.path})
		if got.status != tt.status {
			t.Errorf("allocate %q = %d, want %d\n%s", tt.path, got.status, tt.status, got.body)
		}
		if tt.at != "" {
			w.get(tt.at)
		}
	}
}

func TestAllocateRefusals(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/f", "content")
	w.post("/Jotta/Archive/folder?mkDir=true")
	tests := []struct {
		name   string
		extra  map[string]any
		status int
		id     string
	}{
		{"negative size", map[string]any{"bytes": -1}, 400, "InvalidArgumentException"},
		{"no size", map[string]any{"bytes": nil}, 400, "InvalidArgumentException"},
		{"short md5", map[string]any{"md5": "abc"}, 400, "InvalidArgumentException"},
		{"no md5", map[string]any{"md5": "zz" + sum("")[2:]}, 400, "InvalidArgumentException"},
		{"odd handler", map[string]any{"conflict_handler": "EAT_IT"}, 400, "InvalidArgumentException"},
		{"conflict", map[string]any{"conflict_handler": "REJECT_CONFLICTS", "path": "Archive/f"}, 409, "UniqueFileException"},
		{"folder there", map[string]any{"path": "Archive/folder"}, 409, "UniqueFileException"},
		{"file above", map[string]any{"path": "Archive/f/g"}, 409, "UniqueFileException"},
		{"strange times", map[string]any{"created": "yesterday", "modified": 1.5}, 200, ""},
		{"capitals", map[string]any{"md5": strings.ToUpper(sum("x"))}, 200, ""},
	}
	for _, tt := range tests {
		got := w.announce("/Jotta/Archive/new", "x", tt.extra)
		if got.status != tt.status || tt.id != "" && !strings.Contains(got.body, `"error_id":"`+tt.id+`"`) {
			t.Errorf("%s = %d %s, want %d %s", tt.name, got.status, got.body, tt.status, tt.id)
		}
	}
	if got := w.send("POST", "/files/v1/allocate", strings.NewReader("{")); got.status != 400 {
		t.Errorf("half a body = %d, want 400", got.status)
	}
	if got := w.send("POST", "/files/v1/allocate", strings.NewReader(strings.Repeat(" ", maxForm+1))); got.status != 413 {
		t.Errorf("endless body = %d, want 413", got.status)
	}
}

func TestResume(t *testing.T) {
	const path, content = "/Jotta/Archive/f", "hello world"
	// Small files are collected in memory, large ones on disk.
	for _, content := range []string{content, strings.Repeat(content, 40_000)} {
		w := newWorld(t)
		size := len(content)
		a := w.announce(path, content, nil).allocation(t)
		part := func(start, end, wantStatus int) answer {
			t.Helper()
			got := w.send("POST", a.UploadURL, strings.NewReader(content[start:end]), "Range", fmt.Sprintf("bytes=%d-%d", start, end))
			if got.status != wantStatus {
				t.Fatalf("part %d to %d = %d %s, want %d", start, end, got.status, got.body, wantStatus)
			}
			return got
		}
		held := func(want int) {
			t.Helper()
			again := w.announce(path, content, nil).allocation(t)
			if again.ResumePos != int64(want) || again.UploadID != a.UploadID || again.State != "INCOMPLETE" {
				t.Fatalf("allocate again = %+v, want resume_pos %d and the same target", again, want)
			}
			if got := w.get(path).text("latestRevision", "size"); got != fmt.Sprint(want) {
				t.Fatalf("size of the incomplete revision = %s, want %d", got, want)
			}
		}
		if got := part(0, 6, 420); !strings.Contains(got.body, `"error_id":"IncompleteUploadOpenApiException"`) {
			t.Errorf("420 says %s", got.body)
		}
		held(6)
		part(7, 8, 416)
		held(6)
		part(6, 7, 420)
		part(3, 5, 420) // overwrites, and cuts off what was beyond
		held(5)
		if got := w.get("/Jotta/Archive").at("files").Children[0].text("latestRevision", "size"); got != "-" {
			t.Errorf("size in the listing = %s, want none", got)
		}
		part(5, size, 200)
		if got := w.want(200, "GET", "/jfs/user01"+path+"?mode=bin").body; got != content {
			t.Errorf("content differs after resume: %d bytes", len(got))
		}
	}
}

func TestWrongContent(t *testing.T) {
	const path = "/Jotta/Archive/f"
	for _, content := range []string{"hello world", strings.Repeat("hello world", 40_000)} {
		w := newWorld(t)
		w.put(path, "the one before")
		a := w.announce(path, content, nil).allocation(t)
		got := w.send("POST", a.UploadURL, strings.NewReader(strings.ToUpper(content)))
		if got.status != 421 || !strings.Contains(got.body, `"error_id":"CorruptUploadOpenApiException"`) {
			t.Fatalf("wrong bytes = %d %s, want 421", got.status, got.body)
		}
		f := w.get(path)
		if f.text("currentRevision", "number") != "1" || f.text("latestRevision", "state") != "CORRUPT" || f.at("latestRevision", "size") != nil {
			t.Errorf("file after wrong bytes:\n%s", shape(f))
		}
		if got := w.want(200, "GET", "/jfs/user01"+path+"?mode=bin").body; got != "the one before" {
			t.Errorf("content = %.20q, want the one before", got)
		}
		a = w.announce(path, content, nil).allocation(t)
		if a.State != "CORRUPT" || a.ResumePos != 0 {
			t.Errorf("allocate after wrong bytes = %+v, want CORRUPT from 0", a)
		}
		if got := w.send("POST", a.UploadURL, strings.NewReader(content+"!")); got.status != 400 {
			t.Errorf("too many bytes = %d, want 400", got.status)
		}
		w.put(path, content)
		if got := w.get(path).text("currentRevision", "number"); got != "4" {
			t.Errorf("revision after two failures = %s, want 4", got)
		}
	}
}

// finished wraps a handler so that the test learns when an upload's handler has returned.
func finished(h http.Handler, done chan<- struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		if strings.HasPrefix(r.URL.Path, "/upload/") {
			done <- struct{}{}
		}
	})
}

func TestBrokenConnectionKeepsBytes(t *testing.T) {
	const path = "/Jotta/Archive/f"
	for _, size := range []int{20, 1 << 20} {
		w := newWorld(t)
		done := make(chan struct{}, 1)
		ts := httptest.NewServer(finished(w.srv, done))
		defer ts.Close()
		w.url = ts.URL
		content := strings.Repeat("0123456789", size/10)
		a := w.announce(path, content, nil).allocation(t)

		r, p := io.Pipe()
		req, err := http.NewRequest("POST", a.UploadURL, r)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("user01", "secret")
		req.ContentLength = int64(len(content))
		go func() {
			io.WriteString(p, content[:len(content)/2])
			p.CloseWithError(io.ErrClosedPipe) // the client breaks the connection off
		}()
		if resp, err := w.http.Do(req); err == nil {
			resp.Body.Close()
			t.Fatalf("broken upload = %d", resp.StatusCode)
		}
		<-done
		again := w.announce(path, content, nil).allocation(t)
		if again.ResumePos <= 0 || again.ResumePos > int64(len(content)/2) {
			t.Fatalf("resume_pos = %d, want up to %d", again.ResumePos, len(content)/2)
		}
		rest := w.send("POST", again.UploadURL, strings.NewReader(content[again.ResumePos:]), "Range", fmt.Sprintf("bytes=%d-", again.ResumePos))
		if rest.status != 200 {
			t.Errorf("resume = %d %s", rest.status, rest.body)
		}
		<-done
	}
}

// TestLaterUploadWins sends to a target that an idle connection still holds.
func TestLaterUploadWins(t *testing.T) {
	w := newWorld(t)
	content := strings.Repeat("x", 24<<20)
	a := w.announce("/Jotta/Archive/f", content, nil).allocation(t)
	r, p := io.Pipe()
	req, err := http.NewRequest("POST", a.UploadURL, r)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("user01", "secret")
	req.ContentLength = int64(len(content))
	first := make(chan int)
	go func() {
		resp, err := w.http.Do(req)
		if err != nil {
			first <- 0
			return
		}
		resp.Body.Close()
		first <- resp.StatusCode
	}()
	io.WriteString(p, content[:16<<20]) // more than is on the way: the server is at it
	if got := w.send("POST", a.UploadURL, strings.NewReader(content)); got.status != 200 {
		t.Errorf("second upload = %d %s, want 200", got.status, got.body)
	}
	p.Close()
	if got := <-first; got == 200 {
		t.Error("the first upload was told that it is complete")
	}
}

func TestReplacedTarget(t *testing.T) {
	w := newWorld(t)
	old := w.announce("/Jotta/Archive/f", "one", nil).allocation(t)
	w.announce("/Jotta/Archive/f", "two", nil).allocation(t)
	if got := w.send("POST", old.UploadURL, strings.NewReader("one")); got.status != 404 {
		t.Errorf("upload to a replaced target = %d, want 404", got.status)
	}
	a := w.announce("/Jotta/Archive/g", "one", nil).allocation(t)
	w.post("/Jotta/Archive/g?rm=true")
	if got := w.send("POST", a.UploadURL, strings.NewReader("one")); got.status != 404 {
		t.Errorf("upload to a removed file = %d, want 404", got.status)
	}
	a = w.announce("/Jotta/Archive/h", "h", nil).allocation(t)
	req, _ := http.NewRequest("POST", a.UploadURL, strings.NewReader("h"))
	req.SetBasicAuth("other", "pass")
	resp, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("upload by another user = %d, want 404", resp.StatusCode)
	}
	for _, path := range []string{"/upload/nope", "/upload/", "/upload/..%2f..%2fmeta.db"} {
		if got := w.send("POST", path, strings.NewReader("x")); got.status != 404 {
			t.Errorf("upload to %s = %d, want 404", path, got.status)
		}
	}
}

// The quota is for all that an account has the server keep: old revisions, trash, and
// what was announced and is not there yet.
func TestQuota(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Users[0].Quota = 10 })
	full := func(path, content string) {
		t.Helper()
		if got := w.announce("/Jotta/Archive/"+path, content, nil); got.status != 460 {
			t.Errorf("%s with %q = %d %s, want 460", path, content, got.status, got.body)
		}
	}
	uses := func(want string) {
		t.Helper()
		u := w.want(200, "GET", "/jfs/user01").xml(t)
		if u.text("capacity") != "10" || u.text("usage") != want || u.text("account-type") != "free" {
			t.Errorf("account: capacity %s, usage %s, want %s, type %s", u.text("capacity"), u.text("usage"), want, u.text("account-type"))
		}
		if c := w.want(200, "GET", "/account/v1/customer").body; !strings.Contains(c, `"usage":`+want+`,"quota":10,`) {
			t.Errorf("customer: %s", c)
		}
	}
	w.put("/Jotta/Archive/f", "1234")
	full("g", "1234567")
	full("f", "1234567") // the old revision stays
	w.put("/Jotta/Archive/f", "12345")
	uses("9")
	full("g", "12345") // known content
	if a := w.send("POST", "/jfs/user01/Jotta/Archive/f?cp=/user01/Jotta/Archive/g", nil); a.status != 460 {
		t.Errorf("copy = %d", a.status)
	}
	if a := w.send("POST", "/jfs/user01/Jotta/Archive/g?cphash="+sum("12345"), nil, "JSize", "5"); a.status != 460 {
		t.Errorf("cphash = %d", a.status)
	}
	w.post("/Jotta/Archive/f?mv=/user01/Jotta/Archive/m") // takes no more room
	w.post("/Jotta/Archive/m?dl=true")
	uses("9")
	full("g", "ab")
	w.want(200, "POST", "/files/v1/purge_trash")
	w.put("/Jotta/Archive/g", "abcd") // at once, though not all may have been freed
	uses("4")

	// Nothing has come of it yet, but it may.
	announced := w.announce("/Jotta/Archive/h", "123456", nil).allocation(t)
	uses("10")
	full("i", "x")
	w.announce("/Jotta/Archive/h", "123456", nil).allocation(t) // the same once more
	uses("10")
	if got := w.send("POST", announced.UploadURL, strings.NewReader("123456")); got.status != 200 {
		t.Errorf("upload of what fits = %d", got.status)
	}
	uses("10")
	w.post("/Jotta/Archive/h?rm=true")
	w.announce("/Jotta/Archive/h", "12345", nil).allocation(t)
	w.announce("/Jotta/Archive/h", "123456", nil).allocation(t) // replaces it
	uses("10")
	w.clock.Add(8 * 24 * 3600)
	if err := w.srv.store.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	uses("4") // it was given up
}

// An account gets nothing for a digest that another one knows the content of, unless the
// server is told so; it is stored once all the same.
func TestDeduplicationAmongAccounts(t *testing.T) {
	for _, shared := range []bool{false, true} {
		w := newWorld(t, func(c *Config) { c.SharedDedup = shared })
		const secret = "what is mine is mine"
		w.put("/Jotta/Archive/mine", secret)
		theirs := w.with("other", "pass")
		got := theirs.announce("/Jotta/Archive/f", secret, nil).allocation(t)
		if want := map[bool]string{false: "INCOMPLETE", true: "COMPLETED"}[shared]; got.State != want {
			t.Errorf("shared %t: allocate by digest answers %s, want %s", shared, got.State, want)
		}
		if a := theirs.send("POST", "/jfs/other/Jotta/Archive/g?cphash="+sum(secret), nil, "JSize", fmt.Sprint(len(secret))); (a.status == 200) != shared {
			t.Errorf("shared %t: cphash = %d", shared, a.status)
		}
		if a := theirs.send("GET", "/jfs/other/Jotta/Archive/f?mode=bin", nil); (a.status == 200) != shared {
			t.Errorf("shared %t: download = %d %s", shared, a.status, a.body)
		}
		if shared {
			continue
		}
		if a := theirs.send("POST", got.UploadURL, strings.NewReader(secret[:len(secret)-1]+"!")); a.status != 421 {
			t.Errorf("upload of something else = %d", a.status)
		}
		// Once it has sent it, it is its own: copies are for nothing, and the server has one.
		theirs.put("/Jotta/Archive/f", secret)
		if got := theirs.announce("/Jotta/Archive/h", secret, nil).allocation(t); got.State != "COMPLETED" {
			t.Errorf("of one's own: %s", got.State)
		}
		if n, err := w.srv.store.Count(); err != nil || n.Blobs != 1 {
			t.Errorf("%d contents are stored, want 1; %v", n.Blobs, err)
		}
		// It lasts as long as there is a revision of it, and no longer.
		theirs.want(200, "POST", "/jfs/other/Jotta/Archive/f?rm=true")
		theirs.want(200, "POST", "/jfs/other/Jotta/Archive/h?dl=true")
		if got := theirs.announce("/Jotta/Archive/i", secret, nil).allocation(t); got.State != "COMPLETED" {
			t.Errorf("of one's own, in the trash: %s", got.State)
		}
		theirs.want(200, "POST", "/jfs/other/Jotta/Archive/i?rm=true")
		theirs.want(200, "POST", "/files/v1/purge_trash")
		if err := w.srv.store.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := theirs.announce("/Jotta/Archive/j", secret, nil).allocation(t); got.State != "INCOMPLETE" {
			t.Errorf("of what is gone for good: %s", got.State)
		}
		if w.want(200, "GET", "/jfs/user01/Jotta/Archive/mine?mode=bin").body != secret {
			t.Error("the content of the first is gone")
		}
	}
}

func TestRawUpload(t *testing.T) {
	w := newWorld(t)
	const path = "/jfs/user01/Jotta/Archive/f.txt"
	raw := func(body, announced string, headers ...string) *element {
		t.Helper()
		got := w.send("POST", path+"?umode=nomultipart", strings.NewReader(body),
			append([]string{"JSize", fmt.Sprint(len(announced)), "JMd5", sum(announced), "JModified", "2024-05-01-T10:11:13+0200"}, headers...)...)
		if got.status != 201 {
			t.Fatalf("raw upload = %d %s, want 201", got.status, got.body)
		}
		return got.xml(t)
	}
	check := func(e *element, wants ...string) {
		t.Helper()
		for i := 0; i < len(wants); i += 3 {
			if got := e.text(wants[i], wants[i+1]); got != wants[i+2] {
				t.Errorf("%s/%s = %s, want %s", wants[i], wants[i+1], got, wants[i+2])
			}
		}
	}
	check(raw("hello world", "hello world"), "currentRevision", "number", "1", "currentRevision", "modified", formatJFS(epoch+1))
	check(raw("hello world", "hello world"), "currentRevision", "number", "2") // always a new revision
	check(raw("hello ", "hello there"), "currentRevision", "number", "2", "latestRevision", "state", "INCOMPLETE", "latestRevision", "number", "3", "latestRevision", "size", "6")
	check(raw("there", "hello there"), "currentRevision", "number", "3", "currentRevision", "md5", sum("hello there"))
	check(raw("hel", "hello again"), "latestRevision", "number", "4")
	check(raw("hello again", "hello again"), "currentRevision", "number", "5") // as long as the whole: not a resume
	check(raw("hELLO", "hello"), "currentRevision", "number", "5", "latestRevision", "state", "CORRUPT")

	chunked := w.send("POST", path, io.MultiReader(strings.NewReader("chunk"), strings.NewReader("ed")), "JSize", "7", "JMd5", sum("chunked"))
	if chunked.status != 201 {
		t.Errorf("chunked upload = %d, want 201", chunked.status)
	}
	if got := w.send("POST", path+"?umode=nomultipart", strings.NewReader("x"), "JSize", "1"); got.status != 400 || !strings.Contains(got.body, "Upload without md5 no longer supported") {
		t.Errorf("upload without md5 = %d %s", got.status, got.body)
	}
	known := w.send("POST", path+"?umode=nomultipart&cphash="+sum("hello again"), strings.NewReader("hello again"), "JSize", "11", "JMd5", sum("hello again"))
	if known.status != 200 {
		t.Errorf("raw upload of known content with cphash = %d, want 200", known.status)
	}
	w.post("/Jotta/Archive/folder?mkDir=true")
	if got := w.send("POST", "/jfs/user01/Jotta/Archive/folder", strings.NewReader("x"), "JSize", "1", "JMd5", sum("x")); got.status != 409 {
		t.Errorf("upload to a folder = %d, want 409", got.status)
	}
}

// TestJottalib replays what jottalib sent to its service.
func TestJottalib(t *testing.T) {
	var recorded struct {
		Requests []struct {
			Operation  string            `json:"operation"`
			Method     string            `json:"method"`
			RequestURI string            `json:"request_uri"`
			Headers    map[string]string `json:"headers"`
			Body       string            `json:"body"`
		} `json:"requests"`
	}
	if err := json.Unmarshal([]byte(sample(t, "requests-jottalib.json").body), &recorded); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *Config) { c.Users = append(c.Users, User{Name: "user02", Password: "secret"}) })
	uploads := 0
	for _, r := range recorded.Requests {
		var headers []string
		multipart := false
		for k, v := range r.Headers {
			multipart = multipart || strings.HasPrefix(v, "multipart/")
			if k != "Content-Length" && k != "Accept-Encoding" {
				headers = append(headers, k, v)
			}
		}
		got := w.send(r.Method, r.RequestURI, strings.NewReader(r.Body), headers...)
		t.Logf("%d %s: %s %s", got.status, r.Operation, r.Method, r.RequestURI)
		if got.status >= 500 || got.status == 400 || got.status == 401 {
			t.Errorf("%s = %d\n%s", r.Operation, got.status, got.body)
		}
		if multipart {
			uploads++
			if got.status != 201 && got.status != 200 || got.xml(t).text("currentRevision", "state") != "COMPLETED" {
				t.Errorf("%s = %d\n%s", r.Operation, got.status, got.body)
			}
		}
	}
	if uploads == 0 {
		t.Error("no multipart upload was replayed")
	}
}
