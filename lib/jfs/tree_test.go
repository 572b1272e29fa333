package jfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/record"
)

// lines shows entries in few words: folders end with a slash, files with their
// size, foreign ones with a mark.
func lines(seq iter.Seq2[Entry, error]) ([]string, error) {
	var all []string
	for e, err := range seq {
		if err != nil {
			return all, err
		}
		line := e.Path + "/"
		if e.Kind == KindFile {
			line = fmt.Sprintf("%s %d", e.Path, e.Size)
		}
		if e.Foreign {
			line += " foreign"
		}
		all = append(all, line)
	}
	return all, nil
}

func parsed(body string, root ...string) ([]string, error) {
	return lines(func(yield func(Entry, error) bool) {
		if err := parseTree(strings.NewReader(body), root, yield); err != nil && err != errStopped {
			yield(Entry{}, err)
		}
	})
}

func TestListTreeSample(t *testing.T) {
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		if want := "/jfs/" + testUser + "/Jotta/Archive/root?mode=liststream"; req.RequestURI != want {
			t.Errorf("request is %s, want %s", req.RequestURI, want)
		}
		io.WriteString(w, sample(t, "constructed-liststream.xml"))
	})
	var got []Entry
	for e, err := range c.ListTree(t.Context(), "/Jotta/Archive/root") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	when := time.Date(2024, 5, 1, 8, 11, 12, 0, time.UTC)
	want := []Entry{
		{Path: "dir", Kind: KindFolder, Revision: Revision{Size: SizeUnknown}},
		{Path: "dir/hello.txt", Kind: KindFile, Revision: Revision{
			State: record.StateCompleted, Size: 11, MD5: "5eb63bbbe01eeed093cb22bb8f5acdc3", Created: when, Modified: when}},
		{Path: "empty", Kind: KindFolder, Revision: Revision{Size: SizeUnknown}},
	}
	if diff := cmp.Diff(want, got, ignoreWire); diff != "" {
		t.Errorf("ListTree differs (-want +got):\n%s", diff)
	}
	for range c.ListTree(t.Context(), "/Jotta/Archive/root") {
		break // must not panic, nor yield again
	}
}

const (
	treeFile   = `<file><path>%s</path><filename>%s</filename><md5>5EB63BBBE01EEED093CB22BB8F5ACDC3</md5><size>11</size><modified>2024-05-01T08:11:12.999Z</modified></file>`
	treeFolder = `<folder><path>%s</path></folder>`
	treeStats  = `<stats><folders>%d</folders><files>%d</files></stats>`
)

func TestParseTree(t *testing.T) {
	file := func(path, name string) string { return fmt.Sprintf(treeFile, path, name) }
	folder := func(path string) string { return fmt.Sprintf(treeFolder, path) }
	stats := func(folders, files int) string { return fmt.Sprintf(treeStats, folders, files) }
	tests := []struct {
		name, body string
		want       []string
		err        string
	}{
		{"empty", folder("/Archive/root") + stats(1, 0), nil, ""},
		{"files come before folders", file("/Archive/root", "z") + file("/Archive/root/a/b", "c") + folder("/Archive/root/d") + stats(3, 2),
			[]string{"z 11", "a/", "a/b/", "a/b/c 11", "d/"}, ""},
		{"back to a folder above", file("/Archive/root/a/b", "c") + file("/Archive/root/a", "d") + file("/Archive/root/a", "e") + stats(2, 3),
			[]string{"a/", "a/b/", "a/b/c 11", "a/d 11", "a/e 11"}, ""},
		{"a folder after its files counts twice", file("/Archive/root/a", "b") + folder("/Archive/root/a") + stats(2, 1),
			[]string{"a/", "a/b 11"}, ""},
		{"files after their folder count it once", folder("/Archive/root/a") + file("/Archive/root/a", "b") + stats(1, 1),
			[]string{"a/", "a/b 11"}, ""},
		{"counts first", stats(1, 1) + file("/Archive/root/a", "b"), []string{"a/", "a/b 11"}, ""},
		{"deeper in the document", "<x><y>" + file("/Archive/root", "b") + "</y></x>" + stats(1, 1), []string{"b 11"}, ""},
		{"letter case of the root", file("/archive/ROOT/Sub", "b") + stats(1, 1), []string{"Sub/", "Sub/b 11"}, ""},
		{"mapped names", file("/Archive/root/100％", "a＊b") + stats(1, 1), []string{"100%/", "100%/a*b 11"}, ""},
		{"foreign names", file("/Archive/root/a*b", "c") + folder("/Archive/root/a*b/d") + stats(2, 1), []string{"a*b/ foreign", "a*b/c 11 foreign", "a*b/d/ foreign"}, ""},
		{"escaped", file("/Archive/root", "a&amp;b&#39;") + stats(1, 1), []string{"a&b' 11"}, ""},
		{"unknown elements", "<page/>" + folder("/Archive/root/a") + "<file><path>/Archive/root/a</path><x><filename>no</filename></x><filename>b</filename></file>" + stats(1, 1),
			[]string{"a/", "a/b -1"}, ""},

		{"a file is missing", folder("/Archive/root") + stats(1, 1), nil, "has 1 folder and 0 files but announces 1 and 1"},
		{"a folder is missing", folder("/Archive/root") + stats(2, 0), nil, "has 1 folder and 0 files but announces 2 and 0"},
		{"no counts", folder("/Archive/root"), nil, "without its counts"},
		{"half the counts", folder("/Archive/root") + "<stats><folders>1</folders></stats>", nil, "announces 1 and -1"},
		{"counts twice", folder("/Archive/root") + stats(1, 0) + stats(1, 0), nil, "twice"},
		{"somewhere else", folder("/Archive/other") + stats(1, 0), nil, "somewhere else"},
		{"above", folder("/Archive") + stats(1, 0), nil, "somewhere else"},
		{"no path", "<folder/>" + stats(1, 0), nil, "somewhere else"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parsed("<liststream>"+test.body+"</liststream>", "Archive", "root")
			if test.err != "" {
				if !errors.Is(err, ErrListing) || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("parseTree = %v, want ErrListing with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("parseTree = %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("parseTree differs (-want +got):\n%s", diff)
			}
		})
	}
}

// A listing that is cut anywhere is an error, wherever its counts stand.
func TestTreeCutShort(t *testing.T) {
	for _, body := range []string{
		strings.TrimSpace(sample(t, "constructed-liststream.xml")),
		"<liststream>" + fmt.Sprintf(treeStats, 1, 1) + fmt.Sprintf(treeFile, "/Archive/root", "a") + "</liststream>",
	} {
		if _, err := parsed(body, "Archive", "root"); err != nil {
			t.Fatal(err)
		}
		for n := range len(body) {
			if _, err := parsed(body[:n], "Archive", "root"); err == nil {
				t.Errorf("%q was taken for whole", body[:n])
			}
		}
	}
}

// A tree of four folders as the service tells it folder by folder.
func serveFolders(t *testing.T) http.HandlerFunc {
	folders := map[string]string{
		"": `<folder name="root"><folders><folder name="a"/><folder name="old" deleted="2017-05-13-T09:18:26Z"/><folder name="gone"/></folders>` +
			`<files><file name="f"><currentRevision><number>1</number><state>COMPLETED</state><size>7</size></currentRevision></file>` +
			`<file name="half"><latestRevision><number>1</number><state>INCOMPLETE</state></latestRevision></file>` +
			`<file name="kept"><currentRevision><number>1</number><state>COMPLETED</state><size>8</size></currentRevision><latestRevision><number>2</number><state>CORRUPT</state></latestRevision></file>` +
			`<file name="old" deleted="2017-05-13-T09:18:26Z"><currentRevision><number>1</number><state>COMPLETED</state></currentRevision></file></files></folder>`,
		"/a":       `<folder name="a"><folders><folder name="b*c"/></folders></folder>`,
		"/a/b%2Ac": `<folder name="b*c"><files><file name="d"><currentRevision><state>COMPLETED</state><size>9</size></currentRevision></file></files></folder>`,
		"/trashed": `<folder name="trashed" deleted="2017-05-13-T09:18:26Z"/>`,
		"/file":    `<file name="file"><currentRevision><state>COMPLETED</state></currentRevision></file>`,
	}
	return func(w http.ResponseWriter, req *http.Request) {
		body, ok := folders[strings.TrimPrefix(req.URL.EscapedPath(), "/jfs/"+testUser+"/Jotta/Archive/root")]
		if !ok || req.URL.RawQuery != "" {
			w.WriteHeader(404)
			body = sample(t, "constructed-error-404-nosuchpath.xml")
		}
		io.WriteString(w, body)
	}
}

func TestWalkTree(t *testing.T) {
	c := newTestClient(t, serveFolders(t))
	got, err := lines(c.WalkTree(t.Context(), "/Jotta/Archive/root"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"f 7", "kept 8", "a/", "a/b*c/ foreign", "a/b*c/d 9 foreign", "gone/"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("WalkTree differs (-want +got):\n%s", diff)
	}
	for stop := range len(want) {
		n := 0
		for range c.WalkTree(t.Context(), "/Jotta/Archive/root") {
			if n++; n > stop {
				break
			}
		}
		if n != stop+1 {
			t.Errorf("stopped after %d entries, want %d", n, stop+1)
		}
	}
}

func TestTreeOfNoFolder(t *testing.T) {
	c := newTestClient(t, serveFolders(t))
	for _, test := range []struct {
		path Path
		want error
	}{
		{"/Jotta/Archive/root/missing", ErrNotExist},
		{"/Jotta/Archive/root/trashed", ErrNotExist},
		{"/Jotta/Archive/root/file", ErrExist},
	} {
		_, err := lines(c.ListTree(t.Context(), test.path))
		if !errors.Is(err, test.want) {
			t.Errorf("ListTree(%s) = %v, want %v", test.path, err, test.want)
		}
		_, err = lines(c.WalkTree(t.Context(), test.path))
		if !errors.Is(err, test.want) {
			t.Errorf("WalkTree(%s) = %v, want %v", test.path, err, test.want)
		}
	}
	// The folder is there, but the service says it cannot be streamed.
	if _, err := lines(c.ListTree(t.Context(), "/Jotta/Archive/root")); !errors.Is(err, ErrListing) {
		t.Errorf("ListTree = %v, want ErrListing", err)
	}
	if _, err := lines(c.ListTree(t.Context(), "/Jotta")); !errors.Is(err, ErrNotExist) {
		t.Errorf("ListTree(/Jotta) = %v, want ErrNotExist", err)
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add(sample(f, "constructed-liststream.xml"))
	f.Add("<l>" + fmt.Sprintf(treeFile, "/Archive/root/a*b", "．") + fmt.Sprintf(treeStats, 1, 1) + "</l>")
	f.Fuzz(func(t *testing.T, body string) {
		folders := map[string]bool{"": true}
		err := parseTree(strings.NewReader(body), []string{"Archive", "root"}, func(e Entry, _ error) bool {
			if err := record.CheckPath(e.Path); err != nil && !strings.ContainsRune(e.Path, 0) {
				t.Fatalf("entry %q: %v", e.Path, err)
			}
			if i := strings.LastIndexByte(e.Path, '/'); i >= 0 && !folders[e.Path[:i]] {
				t.Fatalf("entry %q comes before its folder", e.Path)
			}
			if e.Kind == KindFolder {
				folders[e.Path] = true
			}
			return true
		})
		if err == nil && !strings.Contains(body, "stats") {
			t.Fatalf("a listing without counts was taken: %q", body)
		}
	})
}

// treeReader streams a listing of n folders with 99 files each.
func treeReader(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><liststream>`)
		for i := range n {
			path := fmt.Sprintf("/Archive/root/folder %d", i)
			var b strings.Builder
			for j := range 99 {
				fmt.Fprintf(&b, treeFile, path, fmt.Sprintf("IMG_%04d.jpg", j))
			}
			if _, err := io.WriteString(w, b.String()); err != nil {
				return
			}
		}
		fmt.Fprintf(w, treeStats+"</liststream>", n, 99*n)
		w.Close()
	}()
	return r
}

// BenchmarkTreeSource compares what makes elements out of bytes: encoding/xml
// and our own.
func BenchmarkTreeSource(b *testing.B) {
	listing, err := io.ReadAll(treeReader(20))
	if err != nil {
		b.Fatal(err)
	}
	run := func(name string, open func(io.Reader) (treeSource, error)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(listing)))
			for b.Loop() {
				source, err := open(bytes.NewReader(listing))
				var e treeElement
				for err == nil {
					err = source.next(&e)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
	run("encoding-xml", func(r io.Reader) (treeSource, error) { return newXMLTree(r) })
	run("scanner", func(r io.Reader) (treeSource, error) { return newTreeScanner(r) })
}

func BenchmarkParseTree(b *testing.B) {
	listing, err := io.ReadAll(treeReader(20))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	entries := 0
	for b.Loop() {
		err := parseTree(bytes.NewReader(listing), []string{"Archive", "root"}, func(Entry, error) bool { entries++; return true })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(entries)/b.Elapsed().Seconds(), "entries/s")
}
