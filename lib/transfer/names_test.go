package transfer

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// watch counts requests and refuses some.
type watch struct {
	next   http.RoundTripper
	refuse string // a part of the query; "" for none

	mu   sync.Mutex // guards seen
	seen map[string]int
}

func (w *watch) RoundTrip(req *http.Request) (*http.Response, error) {
	kind, _, _ := strings.Cut(req.URL.RawQuery, "=")
	kind = req.Method + " " + kind
	w.mu.Lock()
	w.seen[kind]++
	w.mu.Unlock()
	if w.refuse != "" && strings.HasPrefix(req.URL.RawQuery, w.refuse) {
		return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody}, nil
	}
	return w.next.RoundTrip(req)
}

func watched(t *testing.T) (*jfs.Client, *watch) {
	w := &watch{seen: map[string]int{}}
	client := newService(t, func(next http.RoundTripper) http.RoundTripper { w.next = next; return w })
	return client, w
}

// deadAs stores what is at each path and takes it away again, or leaves an announced
// upload, and leaves its spelling behind.
func deadAs(t *testing.T, c *jfs.Client, dead ...string) {
	t.Helper()
	for _, path := range dead {
		p, err := jfs.Path(dest).Join(strings.Trim(path, "/+")), error(nil)
		switch {
		case strings.HasSuffix(path, "+"):
			_, err = c.Allocate(t.Context(), p, jfs.Content{Size: 9, MD5: sum([]byte("announced"))})
		case strings.HasSuffix(path, "/"):
			if err = c.MkDir(t.Context(), p); err == nil {
				err = c.TrashDir(t.Context(), p)
			}
		default:
			if _, err = c.Allocate(t.Context(), p, jfs.Content{MD5: sum(nil)}); err == nil {
				err = c.Trash(t.Context(), p)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// listed returns the paths of what the service has.
func listed(t *testing.T, c *jfs.Client, p jfs.Path) (all []string) {
	t.Helper()
	for e, err := range c.ListTree(t.Context(), p) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Path)
	}
	slices.Sort(all)
	return all
}

// What is stored has the name that was asked for, also if the trash has it in other
// letters; or the record says so.
func TestSpelling(t *testing.T) {
	for name, test := range map[string]struct {
		dead    []string // relative to dest
		plan    []string // folders end with a slash
		refuse  string
		singly  bool // folders are too large to be looked at as a whole
		want    []string
		records []string // in the words of the test
	}{
		"file": {dead: []string{"Old.txt"}, plan: []string{"OLD.txt"},
			want: []string{"OLD.txt"}, records: []string{"OLD.txt done"}},
		"file, asked for by itself": {dead: []string{"Old.txt", "x", "y"}, plan: []string{"OLD.txt"}, singly: true,
			want: []string{"OLD.txt"}, records: []string{"OLD.txt done"}},
		"file that was only announced": {dead: []string{"Old.txt+"}, plan: []string{"OLD.txt"},
			want: []string{"OLD.txt"}, records: []string{"OLD.txt done"}},
		"no ASCII": {dead: []string{"Ähre.txt"}, plan: []string{"ähRE.txt"},
			want: []string{"ähRE.txt"}, records: []string{"ähRE.txt done"}},
		"same letters": {dead: []string{"a.txt", "b/", "b/c"}, plan: []string{"a.txt", "b/", "b/c"},
			want: []string{"a.txt", "b", "b/c"}, records: []string{"a.txt done", "b done", "b/c done"}},
		"folder": {dead: []string{"Dir/f", "Dir/"}, plan: []string{"DIR/", "DIR/F"},
			want: []string{"DIR", "DIR/F"}, records: []string{"DIR done", "DIR/F done"}},
		"folder that no record is about": {dead: []string{"Dir/sub/f", "Dir/sub/", "Dir/"}, plan: []string{"DIR/SUB/F"},
			want: []string{"DIR", "DIR/SUB", "DIR/SUB/F"}, records: []string{"DIR/SUB/F done"}},
		"folder that cannot be renamed": {dead: []string{"Dir/"}, plan: []string{"DIR/", "DIR/F", "DIR/E/", "DIR/E/G"}, refuse: "mvDir",
			want:    []string{"Dir", "Dir/E", "Dir/E/G", "Dir/F"},
			records: []string{"DIR failed as Dir forbidden: it is stored as /Jotta/Archive/dest/Dir, the name that it had in the trash; renaming it failed", "DIR/E done as Dir/E", "DIR/E/G done as Dir/E/G", "DIR/F done as Dir/F"}},
		"file that cannot be renamed": {dead: []string{"Old.txt"}, plan: []string{"OLD.txt", "other"}, refuse: "mv=",
			want:    []string{"Old.txt", "other"},
			records: []string{"OLD.txt failed as Old.txt forbidden: it is stored as /Jotta/Archive/dest/Old.txt, the name that it had in the trash; renaming it failed", "other done"}},
		"something alive keeps its spelling": {dead: []string{"x"}, plan: []string{"Alive/F", "alive.TXT"},
			want: []string{"alive", "alive.txt", "alive/F"}, records: []string{"Alive/F done", "alive.TXT done"}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.singly {
				defer func(n int) { maxNames = n }(maxNames)
				maxNames = 1
			}
			client, line := watched(t)
			deadAs(t, client, test.dead...)
			if strings.Contains(name, "alive") {
				if err := client.MkDir(t.Context(), dest+"/alive"); err != nil {
					t.Fatal(err)
				}
				if _, err := client.Allocate(t.Context(), dest+"/alive.txt", jfs.Content{MD5: sum(nil)}); err != nil {
					t.Fatal(err)
				}
			}
			line.refuse = test.refuse
			d := newTree(t)
			var plan []*record.Record
			for _, path := range test.plan {
				if dir, ok := strings.CutSuffix(path, "/"); ok {
					plan = append(plan, mkdir(dir))
				} else {
					plan = append(plan, d.write(t, path, "content of "+path))
				}
			}
			res := uploadPlan(t, client, UploadOptions{}, plan...)
			if res.err != nil {
				t.Fatal(res.err)
			}
			if got := listed(t, client, dest); !slices.Equal(got, test.want) {
				t.Errorf("stored %q, want %q", got, test.want)
			}
			var got []string
			for _, rec := range res.records {
				line := rec.Path + " " + string(rec.Status)
				if as := strings.TrimPrefix(rec.Remote, dest+"/"); as != rec.Path {
					line += " as " + as
				}
				if rec.Error != nil {
					line += " " + string(rec.Error.Class) + ": " + rec.Error.Message
				}
				got = append(got, line)
			}
			slices.Sort(got)
			for i := range max(len(got), len(test.records)) {
				if i >= len(got) || i >= len(test.records) || !strings.HasPrefix(got[i], test.records[i]) {
					t.Fatalf("records %q, want %q", got, test.records)
				}
			}
		})
	}
}

// A tree that is new costs one look at the folder that it goes to, and a folder that is
// there one look.
func TestSpellingCosts(t *testing.T) {
	client, line := watched(t)
	d := newTree(t)
	plan := func(text string) (all []*record.Record) {
		for i := range 100 {
			dir := fmt.Sprintf("d%d", i)
			if text == "first" {
				all = append(all, mkdir(dir))
			}
			for j := range 2 {
				all = append(all, d.write(t, fmt.Sprintf("%s/%s%d", dir, text, j), "empty"))
			}
		}
		return all
	}
	looks := func(plan []*record.Record) int {
		before := line.seen["GET "]
		if res := uploadPlan(t, client, UploadOptions{}, plan...); res.err != nil {
			t.Fatal(res.err)
		}
		return line.seen["GET "] - before
	}
	if got := looks(plan("first")); got > 4 { // the account, the folder, the mount point
		t.Errorf("%d looks for a new tree", got)
	}
	if got := looks(plan("second")); got > 101 {
		t.Errorf("%d looks for new files in 100 folders", got)
	}
}

// A stream is stored under the name that was asked for, too.
func TestSpellingOfStreams(t *testing.T) {
	client, line := watched(t)
	put := func(name, text string, known bool) *record.Record {
		t.Helper()
		o := StreamOptions{Remote: jfs.Path(dest).Join(name), Size: record.SizeUnknown}
		if known {
			o.Size, o.MD5 = int64(len(text)), sum([]byte(text))
		}
		res := carryOut(t, stream(t), func(_ *record.Reader, out *record.Writer) error {
			return PutStream(t.Context(), strings.NewReader(text), out, client, o)
		})
		if res.err != nil {
			t.Fatal(res.err)
		}
		return res.records[0]
	}
	deadAs(t, client, "a", "b", "c", "Dir/")
	for i, name := range []string{"A", "B", "dir/x"} {
		rec := put(name, name, i == 1)
		if rec.Status != record.StatusDone || rec.Remote != dest+"/"+name {
			t.Errorf("%s: %s as %s", name, rec.Status, rec.Remote)
		}
	}
	put("live", "live", false)
	if rec := put("LIVE", "more", true); rec.Status != record.StatusDone || rec.Remote != dest+"/live" {
		t.Errorf("LIVE: %s as %s, want it as live", rec.Status, rec.Remote)
	}
	line.refuse = "mv="
	if rec := put("C", "c", false); rec.Status != record.StatusFailed || rec.Remote != dest+"/c" || rec.Error == nil {
		t.Errorf("C: %s as %s, %v", rec.Status, rec.Remote, rec.Error)
	}
	if got, want := listed(t, client, dest), []string{"A", "B", "c", "dir", "dir/x", "live"}; !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
}
