package job

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jottatools/lib/brake"
	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// service is one that holds files in memory, as far as marks need it.
type service struct {
	files   map[jfs.Path][]byte
	pending map[*jfs.Allocation]jfs.Path
	stored  int // how often a file was stored
	read    int // and read
}

func newService() *service {
	return &service{files: map[jfs.Path][]byte{}, pending: map[*jfs.Allocation]jfs.Path{}}
}

var errNotExist = &jfs.Error{Op: "test", Class: record.ClassNotFound, Message: "not there"}

func (s *service) List(_ context.Context, p jfs.Path) (info jfs.Info, entries []jfs.Entry, err error) {
	found := false
	for f := range s.files {
		if rest, in := strings.CutPrefix(string(f), string(p)+"/"); in {
			found = true
			name, _, deeper := strings.Cut(rest, "/")
			sum := md5.Sum(s.files[f])
			e := jfs.Entry{Path: name, Kind: jfs.KindFile, Revision: jfs.Revision{State: record.StateCompleted, MD5: hex.EncodeToString(sum[:])}}
			if deeper {
				e = jfs.Entry{Path: name, Kind: jfs.KindFolder}
			}
			entries = append(entries, e)
		}
	}
	if !found {
		return info, nil, errNotExist
	}
	return info, entries, nil
}

func (s *service) Open(_ context.Context, p jfs.Path, _, _ int64) (io.ReadCloser, error) {
	b, ok := s.files[p]
	if !ok {
		return nil, errNotExist
	}
	s.read++
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (s *service) Allocate(_ context.Context, p jfs.Path, c jfs.Content) (*jfs.Allocation, error) {
	a := &jfs.Allocation{Path: p, Content: c}
	s.pending[a] = p
	return a, nil
}

func (s *service) Upload(_ context.Context, a *jfs.Allocation, body io.Reader) error {
	b, err := io.ReadAll(body)
	s.files[s.pending[a]] = b
	s.stored++
	return err
}

func (s *service) Trash(_ context.Context, p jfs.Path) error {
	if _, ok := s.files[p]; !ok {
		return errNotExist
	}
	delete(s.files, p)
	return nil
}

// begin lets a job on some machine begin a run.
func begin(t *testing.T, s *service, state *State, host, source, dest string, m Meeting) *State {
	t.Helper()
	t.Setenv("JOTTA_HOST", host)
	if state == nil {
		state = new(State)
	}
	state.Begins(source, jfs.Path(dest), host)
	if err := state.Meet(t.Context(), s, m); err != nil {
		t.Fatal(err)
	}
	return state
}

func TestFakeServiceIsEmpty(t *testing.T) {
	if _, _, err := newService().List(t.Context(), "/Jotta/Archive"); !errors.Is(err, jfs.ErrNotExist) {
		t.Fatal(err)
	}
}

// TestCompany: what another job has stored is not this job's to delete.
func TestCompany(t *testing.T) {
	const docs, photos = "/Jotta/Archive/nas", "/Jotta/Archive/nas/photos"
	t.Run("beneath", func(t *testing.T) {
		s := newService()
		a := begin(t, s, nil, "nas", "/docs", docs, Meeting{})
		if a.Spared() != nil || a.Withhold() != nil {
			t.Fatalf("alone: spares %q, withholds: %v", a.Spared(), a.Withhold())
		}
		b := begin(t, s, nil, "other", "/photos", photos, Meeting{})
		if b.Spared() != nil || b.Withhold() != nil {
			t.Errorf("in a folder that held nothing: spares %q, withholds: %v", b.Spared(), b.Withhold())
		}
		a = begin(t, s, a, "nas", "/docs", docs, Meeting{})
		if got := a.Spared(); len(got) != 1 || got[0] != "photos" || a.Withhold() != nil {
			t.Errorf("spares %q, withholds: %v", got, a.Withhold())
		}
	})
	t.Run("in letters of another length", func(t *testing.T) {
		s := newService()
		begin(t, s, nil, "other", "/photos", "/Jotta/Archive/\u212a/photos", Meeting{}) // the sign for kelvin
		a := begin(t, s, nil, "nas", "/docs", "/Jotta/Archive/k", Meeting{})
		if got := a.Spared(); len(got) != 1 || got[0] != "photos" {
			t.Errorf("spares %q", got)
		}
	})
	t.Run("where another job has stored before", func(t *testing.T) {
		s := newService()
		begin(t, s, nil, "nas", "/docs", docs, Meeting{})
		s.files[photos+"/a.jpg"] = nil
		b := begin(t, s, nil, "other", "/photos", photos, Meeting{})
		if b.Withhold() == nil {
			t.Error("it may delete what the other one has stored")
		}
		b = begin(t, s, b, "other", "/photos", photos, Meeting{})
		if b.Withhold() == nil {
			t.Error("from the second run on it may")
		}
		if b = begin(t, s, b, "other", "/photos", photos, Meeting{Adopt: true}); b.Withhold() != nil {
			t.Error("it may not, though a person has said so")
		}
		if b = begin(t, s, nil, "other", "/photos", photos, Meeting{}); b.Withhold() != nil {
			t.Error("it does not remember when its state is lost")
		}
	})
	t.Run("the same folder", func(t *testing.T) {
		s := newService()
		a := begin(t, s, nil, "nas", "/docs", docs, Meeting{})
		b := begin(t, s, nil, "other", "/docs", "/Jotta/Archive/NAS", Meeting{})
		a = begin(t, s, a, "nas", "/docs", docs, Meeting{})
		if a.Withhold() == nil || b.Withhold() == nil {
			t.Fatalf("%v, %v", a.Withhold(), b.Withhold())
		}
		a.Past = brake.Past{Known: true, Files: 7}
		if err := a.Push(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		b = begin(t, s, b, "other", "/docs", "/Jotta/Archive/NAS", Meeting{Adopt: true})
		if b.Past != a.Past {
			t.Errorf("it has forgotten the past of the job that it adopts from: %+v", b.Past)
		}
		a2 := begin(t, s, nil, "other", "/docs", docs, Meeting{ReadOnly: true})
		if b.Withhold() != nil || a2.ID != b.ID {
			t.Errorf("adopted: %v; %s and %s", b.Withhold(), a2.ID, b.ID)
		}
	})
	t.Run("another mount point, and a name that only begins alike", func(t *testing.T) {
		s := newService()
		begin(t, s, nil, "nas", "/docs", "/Jotta/Sync/nas", Meeting{})
		begin(t, s, nil, "nas", "/docs", "/Jotta/Archive/nas2", Meeting{})
		if a := begin(t, s, nil, "other", "/docs", docs, Meeting{}); len(a.Others) > 0 || a.Withhold() != nil {
			t.Errorf("%v", a.Others)
		}
	})
	t.Run("a mark that cannot be read", func(t *testing.T) {
		for _, content := range []string{"", "{", `{"v":2,"dest":"/Jotta/Archive/x"}`, `{"v":1,"dest":"/"}`, `{"v":1,"dest":"/Jotta/Archive/../x"}`, `{"v":1,"dest":"/Jotta/Archive/x","past":{"files":-1}}`, `[]`, strings.Repeat(" ", maxMark+1)} {
			s := newService()
			s.files["/Jotta/Archive/.jottatools/jobs/x.json"] = []byte(content)
			if a := begin(t, s, nil, "nas", "/docs", docs, Meeting{}); a.Withhold() == nil {
				t.Errorf("%.40q: nothing is withheld", content)
			}
		}
	})
}

// TestLost: what the state had is in the mark.
func TestLost(t *testing.T) {
	s := newService()
	a := begin(t, s, nil, "nas", "/docs", "/Jotta/Archive/nas", Meeting{})
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a.Sees(brake.Run{Whole: true})
	a.End(Outcome{Started: started, Complete: true, Whole: true, Added: 40, Mounts: []string{"disk", "b\xff"}})
	if err := a.Push(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	stored := s.stored
	for _, later := range []time.Duration{0, 23 * time.Hour, -time.Hour} {
		a.Since = started.Add(later)
		if a.Push(t.Context(), s) != nil || s.stored != stored {
			t.Errorf("a mark that is there is stored again after %v", later)
		}
	}
	again := begin(t, s, nil, "nas", "/docs", "/Jotta/Archive/NAS", Meeting{})
	if again.Past != (brake.Past{Known: true, Files: 40}) || !again.Since.Equal(started) || len(again.Mounts) != 2 || string(again.Mounts[1]) != "b\xff" {
		t.Errorf("it remembers %+v", again.Mark)
	}
	if again.Mounted("disk") || !again.Mounted("c") || len(again.Mounts) != 3 {
		t.Errorf("%q", again.Mounts)
	}
	again.Unmounted([]string{"disk", "c"})
	if len(again.Mounts) != 1 {
		t.Errorf("%q", again.Mounts)
	}
}

// TestOften: a run that finds all as the last one left it lists the marks, and reads and
// stores none. After a day it says when it ran.
func TestOften(t *testing.T) {
	s := newService()
	a := begin(t, s, nil, "nas", "/docs", "/Jotta/Archive/nas", Meeting{})
	begin(t, s, nil, "other", "/docs", "/Jotta/Archive/apart", Meeting{})
	b := begin(t, s, nil, "other", "/docs", "/Jotta/Archive/nas/photos", Meeting{})
	s.files["/Jotta/Archive/.jottatools/jobs/x.json"] = []byte("no mark")
	run := func() (read, stored int) {
		was := *s
		a = begin(t, s, a, "nas", "/docs", "/Jotta/Archive/nas", Meeting{})
		if len(a.Spared()) != 1 || a.Withhold() == nil {
			t.Errorf("it spares %q and withholds for %v", a.Spared(), a.Withhold())
		}
		return s.read - was.read, s.stored - was.stored
	}
	run()
	if read, stored := run(); read != 0 || stored != 0 {
		t.Errorf("it reads %d marks and stores %d", read, stored)
	}
	b.Past = brake.Past{Known: true, Files: 7}
	if err := b.Push(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if read, stored := run(); read != 1 || stored != 0 || a.Others[0].Past.Files != 7 {
		t.Errorf("of one that has changed, it reads %d and stores %d: %+v", read, stored, a.Others)
	}
	a.Since = a.Since.Add(25 * time.Hour)
	if read, stored := run(); read != 0 || stored != 1 {
		t.Errorf("a day later, it reads %d marks and stores %d", read, stored)
	}
}

// TestKilled: a run that is killed leaves the past as it was, unless nothing was due.
func TestKilled(t *testing.T) {
	for _, test := range []struct {
		due  int64
		want int64
	}{{0, 60}, {1, 40}} {
		a := &State{Mark: Mark{Past: brake.Past{Known: true, Files: 40}}}
		a.Sees(brake.Run{Stored: 60, Due: test.due, Whole: true})
		if a.Past.Files != test.want {
			t.Errorf("%d due: %d, want %d", test.due, a.Past.Files, test.want)
		}
	}
}

// TestState: what is saved is loaded, and what is damaged is lost.
func TestState(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state.json")
	warned := 0
	warn := func(error) { warned++ }
	if s, err := Load(name, warn); err != nil || s.ID != "" || warned > 0 {
		t.Fatal(s, err, warned)
	}
	a := &State{Mark: Mark{ID: "x", Mounts: [][]byte{[]byte("a\xff")}}, Doubt: [][]byte{[]byte("b\xfe")}}
	if err := a.Save(name); err != nil {
		t.Fatal(err)
	}
	b, err := Load(name, warn)
	if err != nil || b.ID != "x" || string(b.Mounts[0]) != "a\xff" || !b.Doubts()("b\xfe") || b.Doubts()("b") {
		t.Errorf("%+v, %v", b, err)
	}
	if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(name, warn); err != nil || s.ID != "" || warned != 1 {
		t.Error(s, err, warned)
	}
}

// TestKey: a job is the same in any letter case of DEST, whatever the locale.
func TestKey(t *testing.T) {
	key := func(kind, account, source, dest string) string { return Key(kind, account, source, jfs.Path(dest)) }
	a := key("sync", "", "/home/me/ä photos", "/Jotta/Archive/Ä")
	if a != key("sync", "", "/home/me/ä photos", "/jotta/archive/ä") {
		t.Error("letter case counts")
	}
	if !strings.HasPrefix(a, "__photos-") {
		t.Error(a)
	}
	for _, other := range []string{key("restore", "", "/home/me/ä photos", "/Jotta/Archive/Ä"), key("sync", "x", "/home/me/ä photos", "/Jotta/Archive/Ä"),
		key("sync", "", "/home/you/ä photos", "/Jotta/Archive/Ä"), key("sync", "", "/home/me/ä photos", "/Jotta/Archive/A")} {
		if other == a {
			t.Error("two jobs are one")
		}
	}
}

// TestSource: links stay, and the path is absolute.
func TestSource(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "real/deep"), 0o777), os.Symlink("real/deep", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	dir, _ = os.Getwd()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for give, want := range map[string]string{
		"link": filepath.Join(dir, "link"), "./link/": filepath.Join(dir, "link"), ".": dir,
		"link/..": filepath.Join(real, "real"), // not the folder that the link is in
		"gone":    filepath.Join(dir, "gone"), "a..b": filepath.Join(dir, "a..b"),
	} {
		if got, err := Source(give); err != nil || got != want {
			t.Errorf("Source(%q) = %q, %v, want %q", give, got, err, want)
		}
	}
}

// FuzzMark: whatever is found in the place of a mark, nothing but an error comes of it.
func FuzzMark(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"x","dest":"/Jotta/Archive/x","past":{"known":true,"files":3},"mounts":["YQ=="]}`))
	f.Add([]byte(`{"v":1,"dest":"/Jotta/Archive/x/../y"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMark(b)
		if err != nil {
			return
		}
		if _, err := jfs.ParsePath(m.Dest); err != nil || m.Version != version || m.Past.Files < 0 {
			t.Fatalf("%+v", m)
		}
		s := State{Mark: Mark{Dest: "/Jotta/Archive/x"}, Others: []Mark{*m}}
		for _, p := range s.Spared() {
			if p == "" || record.CheckPath(p) != nil {
				t.Fatalf("spares %q", p)
			}
		}
	})
}

// FuzzLoad: whatever is found in the place of a state, what is read can be worked with and
// saved, and is then the same.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		`{"v":1,"id":"x","dest":"/Jotta/Archive/x","past":{"known":true,"files":3},"mounts":["YQ=="],"seen":{"Stored":1,"Due":2},"doubt":["Yg=="],"doubt_all":true,` +
			`"others":[{"v":1,"dest":"/Jotta/Archive/x/y"},{"v":1,"dest":"/Jotta/Archive"},{"v":1,"dest":"/JOTTA/Archive/X"}],"unknown":["m"],"pushed":{"v":1,"dest":"/Jotta/Archive/x"}}`,
		`{"v":1,"dest":"/Jotta/Archive/x","others":[{"dest":"/Jotta/Archive/x/"},{"dest":"/Jotta/Archive/x/../y"},{"dest":"/Jotta/Archive/x//y"}]}`,
		`{"v":1}`, `{"v":2}`, `null`, ``, `{"v":1,"seen":{"Stored":-1}}`, `{"v":1,"past":{"files":-1}}`, `{"v":1,"since":"9999-12-31T23:59:59Z"}`,
	} {
		f.Add([]byte(s))
	}
	name := filepath.Join(f.TempDir(), "state")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		warned := 0
		s, err := Load(name, func(error) { warned++ })
		if err != nil || warned > 1 {
			t.Fatal(err, warned)
		}
		if warned == 1 {
			if s.ID != "" || s.Dest != "" || len(s.Others) > 0 {
				t.Fatalf("something was read of what is damaged: %+v", s)
			}
			return
		}
		for _, p := range s.Spared() {
			if record.CheckPath(p) != nil {
				t.Fatalf("spares %q", p)
			}
		}
		if s.Withhold() == nil && len(s.Unknown) > 0 {
			t.Fatal("a mark that cannot be read withholds nothing")
		}
		if doubts := s.Doubts(); doubts != nil {
			doubts("b")
		}
		if err := s.Save(name); err != nil {
			t.Fatal(err)
		}
		again, err := Load(name, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		was, _ := json.Marshal(s)
		is, _ := json.Marshal(again)
		if !bytes.Equal(was, is) {
			t.Fatalf("%s was saved, and %s read", was, is)
		}
	})
}
