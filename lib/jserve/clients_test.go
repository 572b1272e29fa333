package jserve

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
)

// The tests of this file send what the clients of docs/protocol.md, section 16,
// send, and look at what they look at. jottalib is in TestJottalib; today's
// rclone is run itself, in the tests of the programs.

const md5OfNothing = "d41d8cd98f00b204e9800998ecf8427e"

// chunked hides the length of a body, so that it goes out in chunks.
func chunked(content string) io.Reader { return io.MultiReader(strings.NewReader(content)) }

// expect makes a request with a body that must answer with status.
func (w *world) expect(status int, method, path string, body io.Reader, headers ...string) answer {
	w.t.Helper()
	a := w.send(method, path, body, headers...)
	if a.status != status {
		w.t.Fatalf("%s %s = %d, want %d\n%s", method, path, a.status, status, a.body)
	}
	return a
}

// TestClientRclone143 uploads raw, on the www or the upload host.
func TestClientRclone143(t *testing.T) {
	w := newWorld(t)
	w.post("/Jotta/Archive/dir?mkDir=true")
	e := w.expect(201, "POST", "/jfs/user01/Jotta/Archive/dir/hello.txt?umode=nomultipart", strings.NewReader("hello world"),
		"Content-Type", "application/octet-stream", "Jmd5", sum("hello world"), "Jsize", "11",
		"Jcreated", "2018-08-01-T10:00:00Z", "Jmodified", "2018-08-01-T12:00:00+0200").xml(t)
	if e.XMLName.Local != "file" || e.text("currentRevision", "modified") != "2018-08-01-T10:00:00Z" || e.text("currentRevision", "size") != "11" {
		t.Errorf("upload answers %v modified %s", e, e.text("currentRevision", "modified"))
	}
}

// TestClientJafs insists on 201 for what is new, and on 200 for everything else.
func TestClientJafs(t *testing.T) {
	w := newWorld(t)
	headers := []string{"X-JottaAPIVersion", "2.2", "X-Jfs-DeviceName", "Jotta", "jx_csid", "", "jx_lisence", ""}
	w.expect(200, "GET", "/jfs/user01", nil, headers...)
	w.expect(201, "POST", "/jfs/user01/BENCH?type=WORKSTATION&cid=abc", nil, headers...)
	w.expect(201, "POST", "/jfs/user01/BENCH?type=WORKSTATION&cid=abc", nil, headers...) // also if it is there
	w.expect(201, "POST", "/jfs/user01/BENCH/Plans", nil, headers...)
	w.expect(200, "POST", "/jfs/user01/BENCH/Plans", nil, headers...)

	// Its check before each upload, and the upload.
	content := "0123456789"
	described := append(headers, "JMd5", strings.ToUpper(sum(content)), "JSize", "10", "JCreated", "2017-05-11-T08:31:07Z", "JModified", "2017-05-11-T08:31:07Z")
	file := "/jfs/user01/BENCH/Plans/a%2Bb%23c.txt"
	w.expect(404, "POST", file+"?cphash=true", nil, described...)
	// A body that is too short leaves an unfinished revision, and the rest finishes it.
	if e := w.expect(201, "POST", file+"?umode=nomultipart", strings.NewReader(content[:4]), described...).xml(t); e.text("latestRevision", "state") != "INCOMPLETE" {
		t.Errorf("part of a file is %s", e.text("latestRevision", "state"))
	}
	e := w.expect(200, "GET", file, nil, headers...).xml(t)
	if e.text("latestRevision", "size") != "4" {
		t.Errorf("size to resume from is %s, want 4", e.text("latestRevision", "size"))
	}
	if e := w.expect(201, "POST", file+"?umode=nomultipart", strings.NewReader(content[4:]), described...).xml(t); e.text("currentRevision", "size") != "10" || e.at("latestRevision") != nil {
		t.Errorf("the rest makes it %s, latest %s", e.text("currentRevision", "size"), e.text("latestRevision", "state"))
	}
	w.expect(200, "POST", file+"?cphash=true", nil, described...)
	// A wrong digest is no error, but a revision that says so.
	e = w.expect(201, "POST", file+"?umode=nomultipart", strings.NewReader("abcdefghij"), described...).xml(t)
	if e.text("latestRevision", "state") != "CORRUPT" || e.at("latestRevision", "size") != nil || e.text("currentRevision", "number") == "-" {
		t.Errorf("wrong content is %s with size %s", e.text("latestRevision", "state"), e.text("latestRevision", "size"))
	}

	w.put("/Jotta/Archive/shared.txt", "shared")
	for _, get := range []string{
		"/BENCH/Plans?mode=list", "/Jotta/Latest?sort=updated&max=10&web=true", "/Jotta/Links", "/Jotta/Trash",
		"/Jotta/Archive/shared.txt?mode=enableShare", "/Jotta/Archive/shared.txt?mode=disableShare", "/Jotta/Archive/shared.txt?mode=bin",
	} {
		w.expect(200, "GET", "/jfs/user01"+get, nil, headers...)
	}
	for _, post := range []string{
		"/Jotta/Archive/d?mkDir=true", "/Jotta/Archive/shared.txt?mv=" + query("/user01/Jotta/Archive/d/moved.txt"),
		"/Jotta/Archive/d/moved.txt?cp=" + query("/user01/Jotta/Archive/copy.txt"), "/Jotta/Archive/copy.txt?dl=true", "/Jotta/Archive/copy.txt?rm=true",
		"/Jotta/Archive/d?mvDir=" + query("/user01/Jotta/Archive/e"), "/Jotta/Archive/e?dlDir=true", "/Jotta/Archive/e?rmDir=true",
		"/BENCH/Plans?dl=true", "/BENCH/Plans?rm=true", "/BENCH?rm=true",
	} {
		w.expect(200, "POST", "/jfs/user01"+post, nil, headers...)
	}
}

// TestClientNodeJFS sends chunks, doubled slashes and raw plus signs, and asks
// down.jottacloud.com for contents.
func TestClientNodeJFS(t *testing.T) {
	w := newWorld(t)
	content := "chunked content"
	file := "/jfs/user01//Jotta/Archive//a+b.txt"
	md5 := sum(content)
	w.expect(404, "POST", file+"?cphash="+md5, nil, "JMd5", md5, "JSize", "15")
	w.expect(201, "POST", file+"?umode=nomultipart", chunked(content), "JMd5", md5, "JSize", "15",
		"JCreated", "Thu Mar 02 2017 11:10:13 GMT+0100", "JModified", "Thu Mar 02 2017 11:10:13 GMT+0100")
	e := w.expect(200, "POST", file+"?cphash="+md5, nil, "JMd5", md5, "JSize", "15").xml(t)
	if e.text("currentRevision", "state") != "COMPLETED" {
		t.Errorf("cphash answers state %s", e.text("currentRevision", "state"))
	}
	if a := w.expect(200, "GET", file+"?mode=bin", nil, "Host", "down.jottacloud.com"); a.body != content {
		t.Errorf("download is %q", a.body)
	}
	if got := w.get("/Jotta/Archive").names("files"); len(got) != 1 || got[0] != "a b.txt" {
		t.Errorf("stored as %q; a raw + is a space", got)
	}
	// A + that came as such is found by the raw spelling, too.
	w.put("/Jotta/Archive/c+d.txt", "plus")
	if a := w.want(200, "GET", "/jfs/user01/Jotta/Archive/c+d.txt?mode=bin"); a.body != "plus" {
		t.Errorf("download is %q", a.body)
	}
}

// TestClientPHPJotta uploads one part that is called like the file, sends every
// command to the upload host, and crashes on errors without code and message.
func TestClientPHPJotta(t *testing.T) {
	w := newWorld(t)
	content := "<?php echo 1;"
	upload := func(name string) answer {
		body := "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"" + name + "\"\r\nContent-Type: application/octet-stream\r\n\r\n" + content + "\r\n--XX--\r\n"
		return w.send("POST", "/jfs/user01/Jotta/Archive/"+name, strings.NewReader(body),
			"Content-Type", "multipart/form-data; boundary=XX", "JSize", fmt.Sprint(len(content)), "JMd5", sum(content))
	}
	for range 2 { // each time a revision of its own
		if a := upload("index.php"); a.status != 201 || a.xml(t).text("currentRevision", "md5") != sum(content) {
			t.Fatalf("upload = %d\n%s", a.status, a.body)
		}
	}
	if got := w.get("/Jotta/Archive/index.php").text("currentRevision", "number"); got != "2" {
		t.Errorf("revision %s, want 2", got)
	}
	if a := w.send("POST", "/jfs/user01/Jotta/Archive/index.php?cphash=true&method=post", nil, "JSize", fmt.Sprint(len(content)), "JMd5", sum(content)); a.status/100 != 2 {
		t.Errorf("cphash after the upload = %d", a.status)
	}
	w.want(201, "POST", "/jfs/user01/pc?type=WORKSTATION&method=post")
	w.want(201, "POST", "/jfs/user01/pc/mount", "JMd5", md5OfNothing, "JSize", "0")
	w.want(200, "POST", "/jfs/user01/Jotta/Archive/index.php?mv="+query("/user01/pc/mount/moved.php")+"&method=post", "Content-Type", "application/octet-stream")
	for _, missing := range []string{"/jfs/user01/none", "/jfs/user01/Jotta/none", "/jfs/user01/Jotta/Archive/none", "/jfs/user01/Jotta/Archive/none?mode=bin"} {
		e := w.want(404, "GET", missing).xml(t)
		if e.XMLName.Local != "error" || e.text("code") != "404" || e.text("message") == "" || e.text("reason") != "Not Found" {
			t.Errorf("GET %s answers %v code %s", missing, e, e.text("code"))
		}
	}
}

// TestClientRust allocates relative to the built-in device, sends ranges that end
// one too far, and refuses XML that lacks a field.
func TestClientRust(t *testing.T) {
	w := newWorld(t)
	content := strings.Repeat("chunk of ten", 10)
	fields := map[string]any{"path": "Archive/rust/a.txt", "created": int64(1714551072000), "modified": int64(1714551072000), "conflict_handler": "CREATE_NEW_REVISION"}
	allocate := func() (out allocateAnswer) {
		t.Helper()
		a := w.announce("", content, fields)
		var all map[string]any
		if err := json.Unmarshal([]byte(a.body), &all); err != nil || a.status != 200 {
			t.Fatal(a.status, err)
		}
		for _, name := range []string{"name", "path", "state", "upload_id", "upload_url", "bytes", "resume_pos"} {
			if all[name] == nil {
				t.Errorf("allocate lacks %s: %s", name, a.body)
			}
		}
		return a.allocation(t)
	}
	for sent := 0; sent < len(content); sent += 50 {
		a := allocate()
		end := min(sent+50, len(content))
		if a.Path != "Archive/rust/a.txt" || a.State != "INCOMPLETE" || a.ResumePos != int64(sent) {
			t.Fatalf("allocate = %+v, want to go on at %d", a, sent)
		}
		got := w.send("POST", a.UploadURL, strings.NewReader(content[sent:end]), "Range", fmt.Sprintf("bytes=%d-%d", sent, end))
		switch {
		case end < len(content) && (got.status != 420 || !strings.Contains(got.body, `"error_id":"IncompleteUploadOpenApiException"`)):
			t.Errorf("part = %d %s", got.status, got.body)
		case end == len(content) && got.status != 200:
			t.Errorf("last part = %d %s", got.status, got.body)
		}
	}
	if a := allocate(); a.State != "COMPLETED" {
		t.Errorf("allocate of what is there = %+v", a)
	}
	if a := w.want(206, "GET", "/jfs/user01/Jotta/Archive/rust/a.txt?mode=bin", "Range", "bytes=0-"); a.body != content {
		t.Errorf("download has %d bytes", len(a.body))
	}
	w.put("/Jotta/Archive/rust/empty", "")
	w.want(200, "GET", "/jfs/user01/Jotta/Archive/rust/empty?mode=bin", "Range", "bytes=0-")
	w.want(416, "GET", "/jfs/user01/Jotta/Archive/rust/a.txt?mode=bin", "Range", "bytes=10-2")
	fields["conflict_handler"] = "REJECT_CONFLICTS"
	if a := w.announce("", "other", fields); a.status != 409 || !strings.Contains(a.body, `"error_id":"UniqueFileException"`) {
		t.Errorf("conflict = %d %s", a.status, a.body)
	}

	// What its parser cannot do without (section 3.6).
	uuid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	number := regexp.MustCompile(`^[0-9]+$`)
	d := w.get("").at("devices", "device")
	if !uuid.MatchString(d.text("sid")) || !number.MatchString(d.text("size")) || d.text("display_name") == "-" || d.text("type") != "JOTTA" || d.at("modified") == nil {
		t.Errorf("device lacks something: %+v", d)
	}
	for _, m := range w.get("/Jotta").at("mountPoints").Children {
		if m.text("name") == "-" || !number.MatchString(m.text("size")) || m.at("modified") == nil {
			t.Errorf("mount point lacks something: %+v", m)
		}
	}
	f := w.get("/Jotta/Archive/rust/a.txt")
	r := f.at("currentRevision")
	if f.attr("name") == "" || !uuid.MatchString(f.attr("uuid")) || f.text("path") == "-" || f.text("abspath") == "-" {
		t.Errorf("file lacks something: %+v", f)
	}
	for _, name := range []string{"number", "state", "created", "modified", "mime", "md5", "updated"} {
		if r.text(name) == "-" || r.text(name) == "" {
			t.Errorf("revision lacks %s", name)
		}
	}
	for _, e := range []*element{w.post("/Jotta/Archive/rust/sub?mkDir=true"), w.post("/Jotta/Archive/rust/sub?rmDir=true")} {
		if e.attr("name") == "" || e.text("path") == "-" {
			t.Errorf("folder lacks something: %+v", e)
		}
	}
	if e := w.post("/Jotta/Archive/rust?rmDir=true"); e.text("name") != "Archive" || e.text("path") != "/user01/Jotta" {
		t.Errorf("rmDir below a mount point answers %v", e)
	}
}

// TestClientDuplicati resumes with a range that has no end.
func TestClientDuplicati(t *testing.T) {
	w := newWorld(t)
	content := strings.Repeat("duplicati", 50)
	a := w.announce("/Jotta/Archive/duplicati-20240501.dblock.zip.aes", content, nil).allocation(t)
	w.expect(420, "POST", a.UploadURL, strings.NewReader(content[:100]))
	a = w.announce("/Jotta/Archive/duplicati-20240501.dblock.zip.aes", content, nil).allocation(t)
	if a.ResumePos != 100 {
		t.Fatalf("resume_pos = %d", a.ResumePos)
	}
	var done struct {
		Path, MD5 string
		Bytes     int64
		Modified  int64
		ContentID string `json:"content_id"`
	}
	body := w.expect(200, "POST", a.UploadURL, strings.NewReader(content[100:]), "Range", "bytes=100-").body
	if err := json.Unmarshal([]byte(body), &done); err != nil || done.MD5 != sum(content) || done.Bytes != 450 || done.Modified != epoch*1000 || done.ContentID == "" ||
		done.Path != "/jfs/Jotta/Archive/duplicati-20240501.dblock.zip.aes" {
		t.Errorf("upload answers %s, %v", body, err)
	}
}

// TestClientAeroftp uploads a single part called file, and works with the trash.
func TestClientAeroftp(t *testing.T) {
	w := newWorld(t)
	content := "aero"
	body := "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n" + content + "\r\n--B--\r\n"
	described := []string{"JMd5", sum(content), "JSize", "4"}
	file := "/Jotta/Archive/dir/100%EF%BC%85%20a%EF%BC%9Ab.txt" // ％ and ：
	w.expect(201, "POST", "/jfs/user01"+file+"?cphash="+sum(content), strings.NewReader(body), append(described, "Content-Type", "multipart/form-data; boundary=B")...)
	w.post(file + "?dl=true")
	trash := w.get("/Jotta/Trash")
	if got := trash.names("files"); len(got) != 1 || got[0] != "†100％ a：b.txt" {
		t.Errorf("trash holds %q", got)
	}
	w.want(404, "POST", "/jfs/user01/Jotta/Trash/100%EF%BC%85%20a%EF%BC%9Ab.txt?rm=true") // not addressable there
	w.want(500, "POST", "/jfs/user01"+file+"?restore=true")
	w.post(file+"?cphash=true", described...)
	if e := w.get(file); e.attr("deleted") != "" {
		t.Error("cphash did not restore the file")
	}
	w.post("/Jotta/Archive/dir?dlDir=true")
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/dir?rm=true") // rm is for files
	w.post("/Jotta/Archive/dir?rmDir=true")                      // on the tombstone
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/dir")
	if got := w.get("/Jotta/Trash"); got.at("folders") != nil || got.at("files") != nil {
		t.Errorf("the trash is not empty: %v %v", got.names("folders"), got.names("files"))
	}
}

// TestClientFileFluss allocates with times in the other format, tries dl before
// dlDir, and moves folders with mv.
func TestClientFileFluss(t *testing.T) {
	w := newWorld(t)
	a := w.announce("/Jotta/Archive/d/f", "flow", map[string]any{"created": "2020-01-02-T03:04:05Z", "modified": "2020-01-02-T03:04:06Z"}).allocation(t)
	w.expect(200, "POST", a.UploadURL, strings.NewReader("flow"))
	if e := w.get("/Jotta/Archive/d/f"); e.text("currentRevision", "created") != "2020-01-02-T03:04:05Z" || e.text("currentRevision", "modified") != "2020-01-02-T03:04:06Z" {
		t.Errorf("times are %s and %s", e.text("currentRevision", "created"), e.text("currentRevision", "modified"))
	}
	if e := w.post("/Jotta/Archive/d?mv=" + query("/user01/Jotta/Archive/e")); e.XMLName.Local != "folder" || e.attr("name") != "e" {
		t.Errorf("mv of a folder answers %v", e)
	}
	w.want(404, "POST", "/jfs/user01/Jotta/Archive/e?dl=true")
	if e := w.post("/Jotta/Archive/e?dlDir=true"); e.attr("deleted") == "" {
		t.Errorf("dlDir answers %v", e)
	}
}
