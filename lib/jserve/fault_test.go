package jserve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestParseFaults(t *testing.T) {
	good := []string{
		"", " , \n", "allocate:503:p=0.1", "allocate:503:p=0.1,upload:cut=1000:every=3\n*:429:retry-after=2",
		"download:short=10", "upload:md5:times=1", "liststream:count", "stat:expired", "allocate:full", "cp:trash-copy", "list:delay=20ms",
		"upload:cut-in=0", "download:cut-out=0:p=1", "token:500", "upload_raw:599", "customer:400",
	}
	for _, text := range good {
		if _, err := parseFaults(text); err != nil {
			t.Errorf("parseFaults(%q): %v", text, err)
		}
	}
	bad := []string{
		"allocate", ":503", "nothing:503", "allocate:", "allocate:200", "allocate:600", "allocate:5O3", "upload:cut", "upload:cut=-1",
		"upload:cut=x", "upload:md5=1", "allocate:503:p=0", "allocate:503:p=1.1", "allocate:503:p=NaN", "allocate:503:every=0",
		"allocate:503:p=0.5:every=2", "allocate:503:times=0", "allocate:503:sometimes", "upload:cut=1:retry-after=3",
		"allocate:503:retry-after=-1", "list:delay=1", "list:delay=-1s", strings.Repeat("list:503,", maxRules+1),
	}
	for _, text := range bad {
		if rules, err := parseFaults(text); err == nil {
			t.Errorf("parseFaults(%q) = %+v, want an error", text, rules)
		}
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add("allocate:503:p=0.1,upload:cut=1000:every=3")
	f.Add("*:429:retry-after=2:times=4\nlist:delay=1s")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := parseFaults(text)
		if err != nil {
			return
		}
		// What is shown can be given again.
		var shown []string
		for _, r := range rules {
			shown = append(shown, r.text)
		}
		again, err := parseFaults(strings.Join(shown, ","))
		if err != nil || !slices.Equal(rules, again) {
			t.Errorf("parseFaults(%q) = %v, again %v, %v", text, rules, again, err)
		}
	})
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{"0": {}, "500": {Bytes: 500}, "2k": {Bytes: 2048}, "1M/conn": {Bytes: 1 << 20, Each: true}} {
		if got, err := ParseRate(text); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %v, %v, want %v", text, got, err, want)
		}
		if got, err := ParseRate(want.String()); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %v, %v, want %v", want.String(), got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "x", "1T", "1.5M", "/conn", "9999999999G"} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("ParseRate(%q) = %v, want an error", text, got)
		}
	}
}

// faulty is a server with rules.
func faulty(t *testing.T, rules string) *world {
	return newWorld(t, func(c *Config) { c.Faults, c.Seed = rules, 7 })
}

func TestFaultStatuses(t *testing.T) {
	tests := []struct {
		rule, method, path string
		status             int
		says               string
	}{
		{"stat:503", "GET", "/jfs/user01/Jotta/Archive/x", 503, "<code>503</code>"},
		{"*:429:retry-after=7", "GET", "/account/v1/customer", 429, `"code":429`},
		{"customer:500", "GET", "/account/v1/customer", 500, `"code":500`},
		{"get_mountpoint:expired", "GET", "/jfs/user01/Jotta/Archive", 401, "BadCredentialsException"},
		{"mkdir:full", "POST", "/jfs/user01/Jotta/Archive/x?mkDir=true", 460, "Injected"},
		{"allocate:full", "POST", "/files/v1/allocate", 460, `"code":460`},
		{"allocate:full", "GET", "/jfs/user01/Jotta", 200, "Archive"},
		{"mkdir:locked", "POST", "/jfs/user01/Jotta/Archive/x?mkDir=true", 403, "The account is locked"},
		{"allocate:locked", "POST", "/files/v1/allocate", 403, `"code":403`},
	}
	for _, tt := range tests {
		w := faulty(t, tt.rule)
		a := w.send(tt.method, tt.path, nil)
		if a.status != tt.status || !strings.Contains(a.body, tt.says) {
			t.Errorf("%s: %s %s = %d, want %d and %q\n%s", tt.rule, tt.method, tt.path, a.status, tt.status, tt.says, a.body)
		}
		if want := map[bool]string{true: "7"}[tt.status == 429]; a.header.Get("Retry-After") != want {
			t.Errorf("%s: Retry-After %q, want %q", tt.rule, a.header.Get("Retry-After"), want)
		}
	}
}

func TestFaultEveryAndTimes(t *testing.T) {
	w := faulty(t, "customer:503:every=3:times=2")
	var got []int
	for range 10 {
		got = append(got, w.send("GET", "/account/v1/customer", nil).status)
		w.send("GET", "/jfs/user01", nil) // does not count
	}
	if want := []int{200, 200, 503, 200, 200, 503, 200, 200, 200, 200}; !slices.Equal(got, want) {
		t.Errorf("statuses = %v, want %v", got, want)
	}
}

// TestFaultsCanBeReplayed compares what the same seed does while other requests differ.
func TestFaultsCanBeReplayed(t *testing.T) {
	run := func(seed uint64, others int) (statuses []int) {
		w := newWorld(t, func(c *Config) { c.Faults, c.Seed = "get_user:500:p=0.5,customer:503:p=0.3", seed })
		for range 40 {
			statuses = append(statuses, w.send("GET", "/account/v1/customer", nil).status)
			for range others {
				w.send("GET", "/jfs/user01", nil)
			}
		}
		return statuses
	}
	first := run(1, 0)
	if !slices.Contains(first, 503) || !slices.Contains(first, 200) {
		t.Fatalf("statuses = %v, want some of both", first)
	}
	if again := run(1, 2); !slices.Equal(first, again) {
		t.Errorf("same seed: %v, then %v", first, again)
	}
	if other := run(2, 0); slices.Equal(first, other) {
		t.Errorf("another seed does the same: %v", other)
	}
}

func mustFaults(t *testing.T, text string) []faultRule {
	t.Helper()
	rules, err := parseFaults(text)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestFaultCutsAnswer(t *testing.T) {
	w := newWorld(t)
	content := strings.Repeat("0123456789", 1000)
	w.put("/Jotta/Archive/f", content)
	tests := []struct {
		rule string
		held int // bytes that arrive; below 0: not even a header
	}{
		{"download:cut-out=0", -1}, {"download:cut=0", -1}, {"download:cut-out=1", 1}, {"download:cut-out=9999", 9999},
		{"download:cut=5000", 5000}, {"download:short=1", 9999}, {"download:short=4000", 6000}, {"download:short=20000", 0},
	}
	for _, tt := range tests {
		w.srv.trouble.setRules(mustFaults(t, tt.rule), 1)
		a, err := w.try("GET", "/jfs/user01/Jotta/Archive/f?mode=bin", nil)
		if err == nil {
			t.Errorf("%s: the whole answer came", tt.rule)
		}
		switch {
		case tt.held < 0 && a.status != 0:
			t.Errorf("%s: status %d came", tt.rule, a.status)
		case tt.held >= 0 && (a.status != 200 || a.body != content[:tt.held] || a.header.Get("Content-Length") != "10000"):
			t.Errorf("%s: status %d with %d bytes, want 200 with %d", tt.rule, a.status, len(a.body), tt.held)
		}
	}
	for _, rule := range []string{"download:cut-out=10000", "download:short=0", "download:cut-in=0", "download:cut-in=5"} {
		w.srv.trouble.setRules(mustFaults(t, rule), 1)
		if a := w.send("GET", "/jfs/user01/Jotta/Archive/f?mode=bin", nil); a.body != content {
			t.Errorf("%s: %d bytes, want all", rule, len(a.body))
		}
	}
	// An answer whose length is not announced lacks its end.
	w.srv.trouble.setRules(mustFaults(t, "list:short=1"), 1)
	fillTree(t, w, 30, 20)
	if a, err := w.try("GET", "/jfs/user01/Jotta/Archive?mode=list", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("list:short=1: %d bytes, %v; want an unexpected end", len(a.body), err)
	}
}

// TestFaultCutsFailure cuts answers that are errors: none shows another status
// than the error's.
func TestFaultCutsFailure(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		rule, method, path string
		held               int // bytes that arrive; below 0: not even a header
	}{
		{"dldir:cut-out=0", "POST", "/Jotta/Archive/nothing?dlDir=true", -1},
		{"dldir:cut=0", "POST", "/Jotta/Archive/nothing?dlDir=true", -1},
		{"download:cut-out=0", "GET", "/Jotta/Archive/nothing?mode=bin", -1},
		{"liststream:cut-out=0", "GET", "/Jotta/Archive/nothing?mode=liststream", -1},
		{"dldir:cut-out=10", "POST", "/Jotta/Archive/nothing?dlDir=true", 10},
		{"download:short=1000000", "GET", "/Jotta/Archive/nothing?mode=bin", 0},
	}
	for _, tt := range tests {
		w.srv.trouble.setRules(mustFaults(t, tt.rule), 1)
		a, err := w.try(tt.method, "/jfs/user01"+tt.path, nil)
		switch {
		case err == nil:
			t.Errorf("%s: the whole answer came", tt.rule)
		case tt.held < 0 && a.status != 0:
			t.Errorf("%s: status %d came", tt.rule, a.status)
		case tt.held >= 0 && (a.status != 404 || len(a.body) != tt.held):
			t.Errorf("%s: status %d with %d bytes, want 404 with %d", tt.rule, a.status, len(a.body), tt.held)
		}
	}
}

// TestFaultCutsUpload checks that what came before the cut can be resumed.
func TestFaultCutsUpload(t *testing.T) {
	for _, size := range []int{5000, 700_000} {
		content := strings.Repeat("a", size)
		w := faulty(t, fmt.Sprintf("upload:cut-in=%d:times=1", size-1000))
		a := w.announce("/Jotta/Archive/f", content, nil).allocation(t)
		if got, err := w.try("POST", a.UploadURL, strings.NewReader(content)); err == nil {
			t.Errorf("size %d: cut upload = %d %s", size, got.status, got.body)
		}
		a = w.announce("/Jotta/Archive/f", content, nil).allocation(t)
		if a.ResumePos != int64(size-1000) {
			t.Errorf("size %d: resume_pos = %d, want %d", size, a.ResumePos, size-1000)
		}
		if got := w.send("POST", a.UploadURL, strings.NewReader(content[a.ResumePos:]), "Range", fmt.Sprintf("bytes=%d-%d", a.ResumePos, size-1)); got.status != 200 {
			t.Errorf("size %d: resumed upload = %d %s", size, got.status, got.body)
		}
	}
}

// TestFaultExpiresUpload checks that an upload whose token expires in the middle is
// refused, and can be taken up by another token.
func TestFaultExpiresUpload(t *testing.T) {
	content := strings.Repeat("a", 700_000)
	w := faulty(t, "upload:expired-in=300000:times=2")
	for _, held := range []int{0, 300_000, 600_000} {
		a := w.announce("/Jotta/Archive/f", content, nil).allocation(t)
		if a.ResumePos != int64(held) {
			t.Fatalf("resume_pos = %d, want %d", a.ResumePos, held)
		}
		want := 401
		if held == 600_000 {
			want = 200
		}
		got, err := w.try("POST", a.UploadURL, strings.NewReader(content[held:]), "Range", fmt.Sprintf("bytes=%d-%d", held, len(content)-1))
		if err != nil || got.status != want {
			t.Errorf("upload from %d = %d %s, %v, want %d", held, got.status, got.body, err, want)
		}
	}
	if n := w.srv.Stats().UploadBytes; n != int64(len(content)) {
		t.Errorf("%d bytes of content came, want each once", n)
	}
}

// TestFaultLosesAnswer checks that a cut after the deed leaves the deed done.
func TestFaultLosesAnswer(t *testing.T) {
	w := faulty(t, "mv:cut-out=0:times=1")
	w.put("/Jotta/Archive/a", "content")
	move := "/jfs/user01/Jotta/Archive/a?mv=" + query("/user01/Jotta/Archive/b")
	req, err := http.NewRequest("POST", w.url+move, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("user01", "secret")
	if resp, err := w.http.Do(req); err == nil {
		resp.Body.Close()
		t.Errorf("lost answer came: %d", resp.StatusCode)
	}
	w.want(404, "POST", move)
	w.get("/Jotta/Archive/b")
}

func TestFaultWrongMD5(t *testing.T) {
	w := faulty(t, "upload:md5,stat:md5")
	a := w.announce("/Jotta/Archive/f", "content", nil).allocation(t)
	var answer struct{ MD5 string }
	body := w.send("POST", a.UploadURL, strings.NewReader("content")).body
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.MD5 == sum("content") || answer.MD5[1:] != sum("content")[1:] {
		t.Errorf("upload answers %s, want an md5 with a wrong first digit", body)
	}
	if got := w.get("/Jotta/Archive/f").text("currentRevision", "md5"); got == sum("content") || len(got) != 32 {
		t.Errorf("stat answers md5 %s, want a wrong one", got)
	}
	w.srv.trouble.setRules(nil, 0)
	if got := w.get("/Jotta/Archive/f").text("currentRevision", "md5"); got != sum("content") {
		t.Errorf("md5 in the store is %s", got)
	}
}

func TestFaultShortCount(t *testing.T) {
	w := faulty(t, "liststream:count")
	for range 2 {
		for i := range 10 {
			w.put(fmt.Sprintf("/Jotta/Archive/f%d", i), "content")
		}
		e := w.get("/Jotta/Archive?mode=liststream")
		if got := e.text("stats", "files"); got != "09" {
			t.Errorf("stats say %s files, want 09", got)
		}
	}
	a := w.send("GET", "/jfs/user01/Jotta/Sync?mode=liststream", nil, "Accept-Encoding", "gzip")
	if got := a.xml(t).text("stats", "files"); got != "1" {
		t.Errorf("stats of an empty folder say %s files, want 1", got)
	}
}

func TestFaultTrashCopy(t *testing.T) {
	w := faulty(t, "cp:trash-copy")
	w.put("/Jotta/Archive/a", "content")
	w.put("/Jotta/Archive/b", "old")
	w.post("/Jotta/Archive/b?dl=true")
	copyTo := func(name string) *element {
		return w.post("/Jotta/Archive/a?cp=" + query("/user01/Jotta/Archive/"+name))
	}
	if e := copyTo("b"); e.attr("deleted") == "" || e.text("currentRevision", "md5") != sum("content") {
		t.Errorf("copy onto a trashed file = %v deleted %q, want the new content in the trash", e, e.attr("deleted"))
	}
	if e := copyTo("c"); e.attr("deleted") != "" {
		t.Errorf("copy to a new file is in the trash")
	}
	if got := w.get("/Jotta/Archive").text("size"); got != "14" {
		t.Errorf("size of the mount point = %s, want 14", got)
	}
	// What a client does about it (section 7.6).
	w.post("/Jotta/Archive/b?cphash=true", "JMd5", sum("content"), "JSize", "7")
	if e := w.get("/Jotta/Archive/b"); e.attr("deleted") != "" {
		t.Error("cphash did not restore the copy")
	}
	if got := w.get("/Jotta/Archive").text("size"); got != "21" {
		t.Errorf("size of the mount point = %s, want 21", got)
	}
}

// TestFaultsWhileRunning changes the rules over HTTP.
func TestFaultsWhileRunning(t *testing.T) {
	var log syncBuffer
	w := newWorld(t, func(c *Config) { c.Log, c.AllowFaults = slog.New(slog.NewTextHandler(&log, nil)), true })
	a := w.send("POST", "/_jserve/faults?seed=42&rate=1G/conn&latency=1ms", strings.NewReader("customer:503:every=2\nstat:404"))
	if a.status != 200 {
		t.Fatalf("POST = %d %s", a.status, a.body)
	}
	w.want(200, "GET", "/account/v1/customer")
	w.want(503, "GET", "/account/v1/customer")
	var got shownTrouble
	if err := json.Unmarshal([]byte(w.want(200, "GET", "/_jserve/faults").body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Seed != 42 || got.Rate != "1073741824/conn" || got.LatencyMS != 1 || len(got.Rules) != 2 || got.Rules[0] != (shownRule{"customer:503:every=2", 2, 1}) ||
		len(got.Hits) != 1 || got.Hits[0].Request != 2 || got.Hits[0].Path != "/account/v1/customer" {
		t.Errorf("GET /_jserve/faults = %+v", got)
	}
	for _, want := range []string{"customer:503:every=2", "request=2", "seed=42", "kind=customer"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	for _, bad := range []string{"/_jserve/faults?seed=x", "/_jserve/faults?rate=x", "/_jserve/faults?latency=x"} {
		w.want(400, "POST", bad)
	}
	if a := w.send("POST", "/_jserve/faults", strings.NewReader("nonsense")); a.status != 400 || !strings.Contains(a.body, "nonsense") {
		t.Errorf("bad rules = %d %s", a.status, a.body)
	}
	w.want(200, "GET", "/account/v1/customer")
	w.want(503, "GET", "/account/v1/customer") // the rules are still there after a refusal
	w.want(200, "POST", "/_jserve/faults")
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/none")
	for range 3 {
		w.want(200, "GET", "/account/v1/customer")
	}
}

// Faults are for tests: without the flag nobody changes or sees them, and with it
// nobody does without a login.
func TestFaultsAreNotForEverybody(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		w := newWorld(t, func(c *Config) { c.AllowFaults = allowed })
		for _, tt := range []struct {
			password string
			want     int
		}{{"", 401}, {"wrong", 401}, {"secret", map[bool]int{true: 200, false: 403}[allowed]}} {
			for _, verb := range []string{"GET", "POST"} {
				req, err := http.NewRequest(verb, w.url+"/_jserve/faults", strings.NewReader("*:503"))
				if err != nil {
					t.Fatal(err)
				}
				if tt.password != "" {
					req.SetBasicAuth("user01", tt.password)
				}
				if a := w.do(w.http, req); a.status != tt.want {
					t.Errorf("allowed %t: %s with the password %q = %d %s, want %d", allowed, verb, tt.password, a.status, a.body, tt.want)
				}
			}
		}
		if a := w.send("GET", "/account/v1/customer", nil); allowed != (a.status == 503) {
			t.Errorf("allowed %t: a request = %d", allowed, a.status)
		}
	}
}

// What needs no login here needs one from anywhere else.
func TestTrusted(t *testing.T) {
	w := newWorld(t)
	const here, elsewhere = "127.0.0.1:1", "192.0.2.1:1"
	from := func(address, host, password string, headers ...string) error {
		req := &http.Request{RemoteAddr: address, Host: host, Header: http.Header{}}
		if password != "" {
			req.SetBasicAuth("user01", password)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		rec := httptest.NewRecorder()
		return (&call{Server: w.srv, r: req, w: &response{ResponseWriter: rec, control: http.NewResponseController(rec)}}).trusted()
	}
	for _, host := range []string{"127.0.0.1:7070", "localhost:7070", "localhost", "[::1]:7070", "::1"} {
		if err := from(here, host, ""); err != nil {
			t.Errorf("as %s from here: %v", host, err)
		}
	}
	for _, refused := range [][]string{
		{elsewhere, "localhost"}, {here, "evil.example:7070"}, // a name that leads here
		{here, "localhost", "X-Forwarded-For", "192.0.2.1"}, {here, "localhost", "Origin", "http://localhost:7070"},
	} {
		if from(refused[0], refused[1], "", refused[2:]...) == nil || from(refused[0], refused[1], "secret", refused[2:]...) != nil {
			t.Errorf("%q: it takes a login", refused)
		}
	}
	for range maxMisses {
		if err := from(elsewhere, "localhost", "guess"); err != errBadCredentials {
			t.Fatal(err)
		}
	}
	if err := from(elsewhere, "localhost", "secret"); err != errGuessing {
		t.Errorf("after %d guesses: %v", maxMisses, err)
	}
	if err := from("192.0.2.2:1", "localhost", "secret"); err != nil {
		t.Errorf("after guesses of somebody else: %v", err)
	}
}

// TestFaultKinds holds the kinds of rules against those that the handlers count.
func TestFaultKinds(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/f", "content")
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	jfs := "/jfs/user01"
	tests := []struct {
		kind, method, path, body string
		headers                  []string
	}{
		{"get_user", "GET", jfs, "", nil}, {"get_device", "GET", jfs + "/Jotta/", "", nil}, {"get_mountpoint", "GET", jfs + "//Jotta/Archive", "", nil},
		{"stat", "GET", jfs + "/Jotta/Archive/f", "", nil}, {"trash", "GET", jfs + "/Jotta/Trash", "", nil}, {"latest", "GET", jfs + "/Jotta/latest", "", nil},
		{"links", "GET", jfs + "/Jotta/Links", "", nil}, {"list", "GET", jfs + "/Jotta/Archive?mode=list", "", nil},
		{"liststream", "GET", jfs + "/Jotta/Archive?mode=liststream", "", nil}, {"download", "GET", jfs + "/Jotta/Archive/f?mode=bin", "", nil},
		{"thumb", "GET", jfs + "/Jotta/Archive/f?mode=thumb&ts=WM", "", nil},
		{"share", "GET", jfs + "/Jotta/Archive/f?mode=enableShare", "", nil}, {"unshare", "GET", jfs + "/Jotta/Archive/f?mode=disableShare", "", nil},
		{"customer", "GET", "/account/v1/customer", "", nil}, {"purge_trash", "POST", "/files/v1/purge_trash", "", nil},
		{"allocate", "POST", "/files/v1/allocate", "{}", nil}, {"upload", "POST", "/upload/x", "x", nil},
		{"public", "GET", "/opin/io/downloadPublic/user01/x", "", nil},
		{"mkdir", "POST", jfs + "/Jotta/Archive/d?mkDir=true", "", nil}, {"mkdir", "POST", jfs + "/Jotta/Archive/d", "mkDir=true", form},
		{"dldir", "POST", jfs + "/Jotta/Archive/d", "dlDir=true", form}, {"create_device", "POST", jfs + "/pc", "type=laptop", form},
		{"create_mountpoint", "POST", jfs + "/pc/m", "", nil}, {"cp", "POST", jfs + "/Jotta/Archive/f?cp=x", "", nil},
		{"mv", "POST", jfs + "/Jotta/Archive/f?mv=x", "", []string{"Content-Type", "application/octet-stream"}},
		{"cphash", "POST", jfs + "/Jotta/Archive/g?cphash=true", "", []string{"JMd5", sum("x")}},
		{"upload_raw", "POST", jfs + "/Jotta/Archive/g?umode=nomultipart", "x", []string{"JMd5", sum("x"), "JSize", "1"}},
		{"dl", "POST", jfs + "/Jotta/Archive/f?dl=true", "", nil}, {"rm", "POST", jfs + "/Jotta/Archive/f?rm=true", "", nil},
		{"rmdir", "POST", jfs + "/Jotta/Archive/d?rmDir=true", "", nil}, {"mvdir", "POST", jfs + "/Jotta/Archive/d?mvDir=x", "", nil},
		{"event_token", "GET", "/rest/token/user01/createToken", "", nil}, {"events", "GET", "/ws/user01/x", "", nil},
		{"discovery", "GET", "/auth/realms/jottacloud/.well-known/openid-configuration", "", nil}, {"token", "POST", tokenPath, "", form},
		{"token", "POST", "/auth/v1/token", "", form}, {"register", "POST", "/auth/v1/register?device_id=x", "", nil},
		{"login_page", "GET", authPath, "", nil}, {"userinfo", "GET", strings.Replace(tokenPath, "/token", "/userinfo", 1), "", nil},
		{"logout", "POST", strings.Replace(tokenPath, "/token", "/logout", 1), "", form},
		{"upload_multipart", "POST", jfs + "/Jotta/Archive/g", "x", []string{"Content-Type", "multipart/form-data; boundary=B"}},
	}
	reached := map[string]bool{"other": true}
	for _, tt := range tests {
		reached[tt.kind] = true
		before := w.srv.Stats().Requests[tt.kind]
		w.srv.trouble.setRules(mustFaults(t, "*:delay=0s"), 1)
		w.send(tt.method, tt.path, strings.NewReader(tt.body), tt.headers...)
		hits := w.srv.trouble.show().Hits
		if len(hits) != 1 || hits[0].Kind != tt.kind {
			t.Errorf("%s %s %s: rules take it for %v, want %s", tt.method, tt.path, tt.body, hits, tt.kind)
		}
		if after := w.srv.Stats().Requests[tt.kind]; after != before+1 && tt.kind != "token" {
			t.Errorf("%s %s %s: handled as another kind than %s", tt.method, tt.path, tt.body, tt.kind)
		}
	}
	for _, kind := range faultKinds {
		if !reached[kind] {
			t.Errorf("rules can name the kind %s, but no request of this test is of it", kind)
		}
	}
}

// TestPacer measures nothing: the clock of a pacer says when it would be free.
func TestPacer(t *testing.T) {
	p := &pacer{rate: 1 << 30}
	before := time.Now()
	for range 8 {
		if err := p.wait(t.Context(), 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	if due := before.Add(8 * time.Second / 1024); p.free.Before(due) {
		t.Errorf("8 MiB at 1 GiB/s passed %v too early", due.Sub(p.free))
	}
}

func TestRateLetsAllThrough(t *testing.T) {
	for _, each := range []bool{false, true} {
		w := newWorld(t, func(c *Config) { c.Rate = Rate{Bytes: 64 << 20, Each: each} })
		content := strings.Repeat("0123456789abcdef", 1<<16)
		w.put("/Jotta/Archive/f", content)
		if a := w.send("GET", "/jfs/user01/Jotta/Archive/f?mode=bin", nil); a.body != content {
			t.Errorf("each=%v: %d bytes came, want %d", each, len(a.body), len(content))
		}
	}
}

// syncBuffer is written by the server while the test reads it.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
