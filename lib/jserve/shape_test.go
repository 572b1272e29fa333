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

// TestShapes brings the server into the situation of each sample, and
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
		{sample: "user-get-2018.xml", path: ""},
		{sample: "device-get-jotta-2018.xml", path: "/Jotta"},
		{sample: "device-get-with-deleted-mountpoints.xml", path: "/Jotta", prepare: func(w *world) {
			w.want(201, "POST", "/jfs/user01/Jotta/Aerial")
			w.post("/Jotta/Aerial?dl=true")
		}},
		{sample: "mountpoint-get.xml", path: "/Jotta/Archive", prepare: func(w *world) {
			w.put("/Jotta/Archive/packing.md", "we")
			w.post("/Jotta/Archive/Weather?mkDir=true")
		}},
		{sample: "mountpoint-get-empty-modified.xml", path: "/Jotta/Sync"},
		{sample: "folder-get-with-deleted-children.xml", path: "/Jotta/Archive/Weather", prepare: func(w *world) {
			w.post("/Jotta/Archive/Weather/charts?mkDir=true")
			w.post("/Jotta/Archive/Weather/Readings?mkDir=true")
			w.post("/Jotta/Archive/Weather/Readings?dlDir=true")
			w.put("/Jotta/Archive/Weather/anemometer.py", "wind")
			w.put("/Jotta/Archive/Weather/rain.py", "rain")
			w.post("/Jotta/Archive/Weather/rain.py?dl=true")
		}},
		{sample: "folder-get-with-corrupt-and-incomplete-files.xml", path: "/Jotta/Archive/Weather", prepare: func(w *world) {
			w.put("/Jotta/Archive/Weather/notes.txt2", "gone")
			w.post("/Jotta/Archive/Weather/notes.txt2?dl=true")
			corrupt(w, "/Jotta/Archive/Weather/_damaged", "corrupt")
			incomplete(w, "/Jotta/Archive/Weather/_partial", "incomplete")
			w.put("/Jotta/Archive/Weather/_spoiled", "good")
			corrupt(w, "/Jotta/Archive/Weather/_spoiled", "bad")
		}},
		{sample: "file-get-with-history-and-share.xml", path: "/Jotta/Archive/tones.txt", prepare: func(w *world) {
			for _, content := range []string{"c", "cd", "cde", "cdef", "cdefg", "cdefga"} {
				w.put("/Jotta/Archive/tones.txt", content)
			}
			w.get("/Jotta/Archive/tones.txt?mode=enableShare")
		}},
		{sample: "file-get-incomplete.xml", path: "/Jotta/Archive/regatta.m4v", prepare: func(w *world) {
			incomplete(w, "/Jotta/Archive/regatta.m4v", "incomplete")
		}},
		{sample: "file-get-latest-corrupt.xml", path: "/Jotta/Archive/f.txt", prepare: func(w *world) {
			corrupt(w, "/Jotta/Archive/f.txt", "corrupt")
		}},
		{sample: "file-get-deleted-2017.xml", path: "/Jotta/Archive/f", prepare: func(w *world) {
			w.put("/Jotta/Archive/f", "gone")
			w.post("/Jotta/Archive/f?dl=true")
		}},
		{sample: "file-dl-response.xml", method: "POST", path: "/Jotta/Archive/f?dl=true", prepare: func(w *world) { w.put("/Jotta/Archive/f", "x") }},
		{sample: "file-enableshare-response.xml", path: "/Jotta/Archive/f?mode=enableShare", without: []string{"  publicSharePath\n"},
			prepare: func(w *world) { w.put("/Jotta/Archive/f", "x") }},
		{sample: "file-disableshare-response.xml", path: "/Jotta/Archive/f?mode=disableShare", prepare: func(w *world) {
			w.put("/Jotta/Archive/f", "x")
			w.get("/Jotta/Archive/f?mode=enableShare")
		}},
		{sample: "file-mv-response.xml", method: "POST", path: "/Jotta/Archive/f?mv=" + query("/user01/Jotta/Archive/g"), prepare: func(w *world) { w.put("/Jotta/Archive/f", "x") }},
		{sample: "mountpoint-create-response.xml", method: "POST", path: "/Jotta/Plans", status: 201},
		{sample: "mountpoint-rm-response.xml", method: "POST", path: "/BENCH/Plans?rm=true", prepare: func(w *world) {
			w.want(201, "POST", "/jfs/user01/BENCH?type=WORKSTATION")
			w.want(201, "POST", "/jfs/user01/BENCH/Plans")
		}},
		{sample: "trash-get.xml", path: "/Jotta/Trash", prepare: func(w *world) {
			w.put("/Jotta/Archive/f", "x")
			w.post("/Jotta/Archive/f?dl=true")
			w.put("/Jotta/Archive/d/f", "x")
			w.post("/Jotta/Archive/d?dlDir=true")
		}},
		{sample: "latest-searchresult-2017.xml", path: "/Jotta/Latest", prepare: func(w *world) { w.put("/Jotta/Archive/f", "x") }},
		{sample: "links-searchresult.xml", path: "/Jotta/Links", prepare: func(w *world) {
			w.put("/Jotta/Archive/f", "x")
			w.get("/Jotta/Archive/f?mode=enableShare")
			w.post("/Jotta/Archive/f?dl=true")
		}},
		{sample: "folder-mode-list.xml", path: "/Jotta/Archive?mode=list", prepare: func(w *world) {
			w.put("/Jotta/Archive/f", "x")
			w.put("/Jotta/Archive/Weather/f", "x")
		}},
		{sample: "constructed-liststream.xml", path: "/Jotta/Archive?mode=liststream", prepare: func(w *world) {
			w.put("/Jotta/Archive/dir/hello.txt", "hello")
			w.post("/Jotta/Archive/empty?mkDir=true")
		}},
		{sample: "error-404-nosuchmountpoint.xml", path: "/Jotta/Nowhere", status: 404},
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
		"purge-trash-response.json":                     w.want(200, "POST", "/files/v1/purge_trash").body,
	}
	for name, got := range answers {
		if diff := cmp.Diff(jsonFields(t, sample(t, name).body), jsonFields(t, got)); diff != "" {
			t.Errorf("%s (-service +server):\n%s", name, diff)
		}
	}
}
