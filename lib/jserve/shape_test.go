package jserve

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shape draws an element without its values: names, attributes, order. Children
// of one name that look the same are drawn once.
func shape(e *element) string {
	var b strings.Builder
	drawShape(&b, e, "")
	return b.String()
}

func drawShape(b *strings.Builder, e *element, indent string) {
	b.WriteString(indent + e.XMLName.Local)
	var attrs []string
	for _, a := range e.Attrs {
		attrs = append(attrs, a.Name.Local)
	}
	slices.Sort(attrs) // XML gives their order no meaning
	for _, a := range attrs {
		b.WriteString(" @" + a)
	}
	b.WriteString("\n")
	var drawn []string
	for i := 0; i < len(e.Children); {
		name := e.Children[i].XMLName.Local
		var run []string
		for ; i < len(e.Children) && e.Children[i].XMLName.Local == name; i++ {
			var c strings.Builder
			drawShape(&c, e.Children[i], indent+"  ")
			run = append(run, c.String())
		}
		slices.Sort(run)
		if name != "mstyle" { // gone from the service since 2018
			drawn = append(drawn, slices.Compact(run)...)
		}
	}
	b.WriteString(strings.Join(drawn, ""))
}

func sample(t *testing.T, name string) answer {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs/protocol/samples", name))
	if err != nil {
		t.Fatal(err)
	}
	return answer{body: string(text)}
}

// TestShapes brings the server into the situation of each recorded answer, and
// compares what it says.
func TestShapes(t *testing.T) {
	incomplete := func(w *world, path, content string) {
		a := w.announce(path, content, nil).allocation(t)
		if got := w.send("POST", a.UploadURL, strings.NewReader(content[:len(content)-1])); got.status != 420 {
			t.Fatalf("partial upload = %d", got.status)
		}
	}
	corrupt := func(w *world, path, content string) {
		a := w.announce(path, content, nil).allocation(t)
		if got := w.send("POST", a.UploadURL, strings.NewReader(strings.ToUpper(content))); got.status != 421 {
			t.Fatalf("corrupt upload = %d", got.status)
		}
	}
	tests := []struct {
		sample  string
		prepare func(w *world)
		method  string
		path    string
		status  int
		without []string // what the service left out or says in addition there
	}{
		{sample: "user-get.2018-rclone.xml", path: ""},
		{sample: "device-get-jotta.2018-rclone.xml", path: "/Jotta"},
		{sample: "device-get-jotta-with-deleted-mountpoints.2017-jafs.xml", path: "/Jotta", prepare: func(w *world) {
			w.want(201, "POST", "/jfs/user01/Jotta/Test")
			w.post("/Jotta/Test?dl=true")
		}},
		{sample: "mountpoint-get.2017-jafs.xml", path: "/Jotta/Archive", prepare: func(w *world) {
			w.put("/Jotta/Archive/AUTHORS.md", "we")
			w.post("/Jotta/Archive/Test?mkDir=true")
		}},
		{sample: "mountpoint-get-empty-modified.2018-rclone.xml", path: "/Jotta/Sync"},
		{sample: "folder-get-with-deleted-children.2017-jafs.xml", path: "/Jotta/Archive/Test", prepare: func(w *world) {
			w.post("/Jotta/Archive/Test/contrib?mkDir=true")
			w.post("/Jotta/Archive/Test/NewSubfolder?mkDir=true")
			w.post("/Jotta/Archive/Test/NewSubfolder?dlDir=true")
			w.put("/Jotta/Archive/Test/cli.py", "cli")
			w.put("/Jotta/Archive/Test/qt.py", "qt")
			w.post("/Jotta/Archive/Test/qt.py?dl=true")
		}},
		{sample: "folder-get-with-corrupt-and-incomplete-files.2017-jafs.xml", path: "/Jotta/Archive/Test", prepare: func(w *world) {
			w.put("/Jotta/Archive/Test/temp.txt2", "gone")
			w.post("/Jotta/Archive/Test/temp.txt2?dl=true")
			corrupt(w, "/Jotta/Archive/Test/_corrupt_file_", "corrupt")
			incomplete(w, "/Jotta/Archive/Test/_incomplete_file_", "incomplete")
			w.put("/Jotta/Archive/Test/_previously_corrupt_file_", "good")
			corrupt(w, "/Jotta/Archive/Test/_previously_corrupt_file_", "bad")
		}},
		{sample: "file-get-with-history-and-share.2017-jafs.xml", path: "/Jotta/Archive/PI.txt", prepare: func(w *world) {
			for _, content := range []string{"3", "3.1", "3.14", "3.141", "3.1415", "3.14159"} {
				w.put("/Jotta/Archive/PI.txt", content)
			}
			w.get("/Jotta/Archive/PI.txt?mode=enableShare")
		}},
		{sample: "file-get-incomplete.2017-jafs.xml", path: "/Jotta/Archive/CORRUPT.md", prepare: func(w *world) {
			incomplete(w, "/Jotta/Archive/CORRUPT.md", "incomplete")
		}},
		{sample: "file-get-latest-corrupt.2020-phpjotta.xml", path: "/Jotta/Archive/f.txt", prepare: func(w *world) {
			corrupt(w, "/Jotta/Archive/f.txt", "corrupt")
		}},
		{sample: "file-get-deleted.2017-jafs.xml", path: "/Jotta/Archive/f", prepare: func(w *world) {
			w.put("/Jotta/Archive/f", "gone")
			w.post("/Jotta/Archive/f?dl=true")
		}},
		{sample: "file-dl-response.2017-jafs.xml", method: "POST", path: "/Jotta/Archive/f?dl=true", prepare: func(w *world) { w.put("/Jotta/Archive/f", "x") }},
		{sample: "file-enableshare-response.2017-jafs.xml", path: "/Jotta/Archive/f?mode=enableShare", without: []string{"  publicSharePath\n"},
			prepare: func(w *world) { w.put("/Jotta/Archive/f", "x") }},
		{sample: "file-disableshare-response.2017-jafs.xml", path: "/Jotta/Archive/f?mode=disableShare", prepare: func(w *world) {
			w.put("/Jotta/Archive/f", "x")
			w.get("/Jotta/Archive/f?mode=enableShare")
		}},
		{sample: "file-mv-response.2017-jafs.xml", method: "POST", path: "/Jotta/Archive/f?mv=" + query("/user01/Jotta/Archive/g"), prepare: func(w *world) { w.put("/Jotta/Archive/f", "x") }},
		{sample: "mountpoint-create-response.2017-jafs.xml", method: "POST", path: "/Jotta/Test2", status: 201},
		{sample: "mountpoint-rm-response.2017-jafs.xml", method: "POST", path: "/PC01/Test2?rm=true", prepare: func(w *world) {
			w.want(201, "POST", "/jfs/user01/PC01?type=WORKSTATION")
			w.want(201, "POST", "/jfs/user01/PC01/Test2")
		}},
		{sample: "trash-get.2017-jafs.xml", path: "/Jotta/Trash", prepare: func(w *world) {
			w.put("/Jotta/Archive/f", "x")
			w.post("/Jotta/Archive/f?dl=true")
			w.put("/Jotta/Archive/d/f", "x")
			w.post("/Jotta/Archive/d?dlDir=true")
		}},
		{sample: "latest-searchresult.2017-jafs.xml", path: "/Jotta/Latest", prepare: func(w *world) { w.put("/Jotta/Archive/f", "x") }},
		{sample: "links-searchresult.2017-jafs.xml", path: "/Jotta/Links", prepare: func(w *world) {
			w.put("/Jotta/Archive/f", "x")
			w.get("/Jotta/Archive/f?mode=enableShare")
			w.post("/Jotta/Archive/f?dl=true")
		}},
		{sample: "folder-mode-list-filedirlist.2017-jafs.xml", path: "/Jotta/Archive?mode=list", prepare: func(w *world) {
			w.put("/Jotta/Archive/f", "x")
			w.put("/Jotta/Archive/Test/f", "x")
		}},
		{sample: "constructed-liststream.xml", path: "/Jotta/Archive?mode=liststream", prepare: func(w *world) {
			w.put("/Jotta/Archive/dir/hello.txt", "hello")
			w.post("/Jotta/Archive/empty?mkDir=true")
		}},
		{sample: "error-404-nosuchmountpoint.rust-client.xml", path: "/Jotta/Nowhere", status: 404},
		{sample: "constructed-error-416.xml", path: "/Jotta/Archive/f?mode=bin", status: 416, prepare: func(w *world) { w.put("/Jotta/Archive/f", "x") }},
	}
	for _, tt := range tests {
		t.Run(tt.sample, func(t *testing.T) {
			w := newWorld(t)
			if tt.prepare != nil {
				tt.prepare(w)
			}
			method, status := tt.method, tt.status
			if method == "" {
				method = "GET"
			}
			if status == 0 {
				status = 200
			}
			got := shape(w.want(status, method, "/jfs/user01"+tt.path, "Range", "bytes=9-").xml(t))
			for _, line := range tt.without {
				got = strings.ReplaceAll(got, line, "")
			}
			if diff := cmp.Diff(shape(sample(t, tt.sample).xml(t)), got); diff != "" {
				t.Errorf("shape of the answer (-service +server):\n%s", diff)
			}
		})
	}
}

// jsonFields are the names of an object's members, sorted.
func jsonFields(t *testing.T, text string) (names []string) {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestJSONShapes(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Users[0].Quota = 100 })
	allocated := w.announce("/Jotta/Archive/f", "hello", nil)
	answers := map[string]string{
		"constructed-allocate-response-incomplete.json": allocated.body,
		"constructed-upload-response.json":              w.send("POST", allocated.allocation(t).UploadURL, strings.NewReader("hello")).body,
		"constructed-customer.json":                     w.want(200, "GET", "/account/v1/customer").body,
		"constructed-api-error-460-quota.json":          w.announce("/Jotta/Archive/g", strings.Repeat("x", 100), nil).body,
		"constructed-purge-trash-response.json":         w.want(200, "POST", "/files/v1/purge_trash").body,
	}
	for name, got := range answers {
		if diff := cmp.Diff(jsonFields(t, sample(t, name).body), jsonFields(t, got)); diff != "" {
			t.Errorf("%s (-service +server):\n%s", name, diff)
		}
	}
}
