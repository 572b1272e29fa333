//go:build linux

package test

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"jottatools/test/plain"
)

// moves are what may become of a file while it is on its way.
var moves = []struct {
	name string
	do   func(path string) error
}{
	{"rewritten", func(path string) error { return os.WriteFile(path, versionOf(path, 2), 0o644) }},
	{"changed behind its time", func(path string) error {
		fi, err := os.Stat(path)
		if err == nil {
			err = os.WriteFile(path, versionOf(path, 2), 0o644)
		}
		if err == nil {
			err = os.Chtimes(path, fi.ModTime(), fi.ModTime())
		}
		return err
	}},
	{"truncated", func(path string) error { return os.Truncate(path, 100) }},
	{"grown", func(path string) error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("more")
		return err
	}},
	{"replaced", func(path string) error {
		if err := os.WriteFile(path+".aside", versionOf(path, 2), 0o644); err != nil {
			return err
		}
		return os.Rename(path+".aside", path)
	}},
	{"deleted", os.Remove},
	{"unreadable", func(path string) error { return os.Chmod(path, 0) }},
	{"a folder", instead(func(path string) error { return os.Mkdir(path, 0o755) })},
	{"a link", instead(func(path string) error { return os.Symlink("/etc/passwd", path) })},
	{"a FIFO", instead(func(path string) error { return syscall.Mkfifo(path, 0o644) })},
	{"a socket", instead(func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o644, 0) })},
	{"a device", instead(func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o644, 1<<8|5) })}, // zero: it never ends
}

func instead(what func(path string) error) func(path string) error {
	return func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return what(path)
	}
}

// versionOf returns the content that a file has had as its n-th.
func versionOf(path string, n int) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("version %d of %s\n", n, filepath.Base(path)), 20_000))
}

// TestMoving: whatever becomes of a file between walk, hash and upload, and during
// the upload, what is stored is one version of it, whole, and that of the record; or
// it is what was stored before, and the record says that it is.
func TestMoving(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("makes devices, and files that cannot be read")
	}
	need(t, "setpriv")
	w := newSignalWorld(t)
	for _, when := range []string{"before hashing", "before sending", "while sending"} {
		for _, known := range []bool{false, true} {
			name := when + ", new"
			if known {
				name = when + ", stored before"
			}
			t.Run(name, func(t *testing.T) {
				m := &moving{signalWorld: w, when: when, known: known, dir: filepath.Join(w.dir, name), remote: "/Jotta/Archive/" + name}
				m.run(t)
				m.judge(t)
			})
		}
	}
}

// moving is a tree in which every file moves at the same time.
type moving struct {
	*signalWorld
	when        string
	known       bool // a version is stored already
	dir, remote string
}

func (m *moving) run(t *testing.T) {
	t.Helper()
	if err := os.Mkdir(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if m.known {
		m.write(t, 0)
		m.pipe(t, 0, `jwalk "$0" | jhash | jdiff --dest "$1" | jput >/dev/null`)
	}
	m.write(t, 1)
	m.pipe(t, 0, `jwalk "$0" >"$0.walked"`)
	failed := 0
	if m.when == "before hashing" {
		m.move(t)
		failed = 1 // one cannot be read
	}
	m.pipe(t, failed, `jhash <"$0.walked" >"$0.hashed"`)
	m.pipe(t, failed, `jdiff --dest "$1" <"$0.hashed" >"$0.plan"`)
	switch m.when {
	case "before sending":
		m.move(t)
	case "while sending":
		// Every connection breaks in the middle; before the rest can be sent, it happens.
		m.faults(t, fmt.Sprintf("upload:cut-in=100000:times=%d,upload:503", len(moves)))
		defer m.faults(t, "")
	}
	put := m.command(`jput -j99 <"$0.plan" >"$0.done"`)
	if err := put.Start(); err != nil {
		t.Fatal(err)
	}
	if m.when == "while sending" {
		m.awaitHits(t, len(moves))
		m.move(t)
		m.faults(t, "")
	}
	if put.Wait(); put.ProcessState.ExitCode() != 1 { // one cannot be read, or is not what was hashed
		t.Errorf("jput: %v, want exit code 1", put.ProcessState)
	}
}

// command returns a pipe in which root cannot read everything.
func (m *moving) command(script string) *exec.Cmd {
	cmd := exec.Command("setpriv", "--bounding-set=-dac_override,-dac_read_search", "sh", "-c", script, m.dir, m.remote)
	cmd.Env = m.env
	return cmd
}

func (m *moving) pipe(t *testing.T, code int, script string) {
	t.Helper()
	cmd := m.command(script)
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != code {
		t.Fatalf("%s: %v, want exit code %d\n%s", script, cmd.ProcessState, code, out)
	}
}

func (m *moving) write(t *testing.T, n int) {
	t.Helper()
	for _, move := range moves {
		path := filepath.Join(m.dir, move.name)
		if err := os.WriteFile(path, versionOf(path, n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *moving) move(t *testing.T) {
	t.Helper()
	for _, move := range moves {
		if err := move.do(filepath.Join(m.dir, move.name)); err != nil {
			t.Fatal(err)
		}
	}
}

// judge holds what is stored against what was said of it.
func (m *moving) judge(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(m.dir + ".done")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := m.stored(m.remote)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		var rec struct {
			Kind, Path, MD5, Status, Reason string
			Error                           *struct{ Class string }
		}
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if rec.Kind == "end" {
			continue
		}
		said[rec.Path] = true
		before, first, second := "", string(versionOf(rec.Path, 1)), string(versionOf(rec.Path, 2))
		if m.known {
			before = string(versionOf(rec.Path, 0))
		}
		got := stored[rec.Path]
		switch {
		case rec.Error == nil && (rec.Status == "done" || rec.Status == "deduplicated"):
			if !slices.Contains([]string{first, second, first + "more", first[:100]}, got) || fmt.Sprintf("%x", md5.Sum([]byte(got))) != rec.MD5 {
				t.Errorf("stored are %d bytes, not those of the record: %s", len(got), line)
			}
		case rec.Error != nil || rec.Reason == "changing" && rec.Status == "skipped":
			if got != before {
				t.Errorf("stored are %d bytes, want the %d from before: %s", len(got), len(before), line)
			}
		default:
			t.Errorf("nothing is said of what became of it: %s", line)
		}
	}
	for _, move := range moves {
		if !said[move.name] {
			t.Errorf("there is no record of %q", move.name)
		}
	}
}

// stored returns what is stored in a folder, as it comes back over plain HTTP: the
// content of each file that has one.
func (w *signalWorld) stored(remote string) (map[string]string, error) {
	client := &plain.Client{Endpoint: w.url, User: "tester", Password: "secret"}
	tree, err := client.Tree(remote)
	if err != nil {
		return nil, err
	}
	content := map[string]string{}
	for _, e := range tree {
		if e.State != "COMPLETED" {
			continue
		}
		body, err := client.Open(e.Remote)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(body)
		body.Close()
		if err != nil {
			return nil, err
		}
		content[e.Path] = string(b)
	}
	return content, nil
}
