//go:build linux

package test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soon waits until something holds that the kernel is told of right after the call
// that changed it.
func (w *world) soon(what string, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not in ten seconds", what)
		}
	}
}

// TestLetters: the kernel takes names in other letters for other names. What it
// remembers of them is right all the same.
func TestLetters(t *testing.T) {
	w := newWorld(t, "--write-back", "0s", "--dir-ttl", "1h")
	at := func(name string) string { return filepath.Join(w.archive(), name) }
	listed := func() string { return strings.TrimSpace(w.sh("ls -x -w0")) }
	gone := func(name string) func() bool {
		return func() bool { _, err := os.Lstat(at(name)); return errors.Is(err, fs.ErrNotExist) }
	}
	read := func(name string) string {
		b, err := os.ReadFile(at(name))
		if err != nil {
			return err.Error()
		}
		return string(b)
	}

	// A change of letters reaches the service, be the file stored or not.
	w.sh("echo stored >stored.txt")
	w.uploaded()
	w.sh("mkdir d; echo written >d/written.txt")
	open, err := os.OpenFile(at("d/written.txt"), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for _, name := range []string{"stored.txt", "d/written.txt"} {
		dir, base := filepath.Split(name)
		if err := os.Rename(at(name), at(dir+strings.ToUpper(base))); err != nil {
			t.Error(err)
		}
	}
	if _, err := open.WriteString("more\n"); err != nil {
		t.Error(err)
	}
	open.Close()
	if got := listed(); got != "STORED.TXT  d" {
		t.Errorf("listed: %q", got)
	}
	w.uploaded()
	if got := w.sh("jls -q /Jotta/Archive | jq -r .path"); got != "d\nd/WRITTEN.TXT\nSTORED.TXT\nnull\n" {
		t.Errorf("the service has %q", got)
	}
	if got := read("d/written.txt"); got != "written\nmore\n" {
		t.Errorf("d/written.txt: %q", got)
	}
	// But nobody takes both names for two files.
	w.sh(`! cp STORED.TXT stored.txt 2>"$TMP/err"; grep -q 'same file' "$TMP/err"; test -s STORED.TXT`)

	// What is written in other letters is read in its own, also by those who have read it.
	w.sh(`cat STORED.TXT; ls -l; echo changed >stored.txt`)
	w.soon("what was written as stored.txt", func() bool { return read("STORED.TXT") == "changed\n" })
	w.sh(`truncate -s 3 Stored.txt`)
	w.soon("what was cut off as Stored.txt", func() bool { return read("STORED.TXT") == "cha" })

	// What is missing in any letters is there as soon as it is made in others.
	for _, name := range []string{"new", "New", "NEW"} {
		if !gone(name)() {
			t.Errorf("%s is there", name)
		}
	}
	w.sh("echo x >neW")
	for _, name := range []string{"new", "New", "NEW"} {
		w.soon(name, func() bool { return read(name) == "x\n" })
	}

	// What is removed or replaced in other letters is gone in all.
	w.sh("ls -l; cat neW; rm NEW")
	w.soon("neW, removed as NEW", gone("neW"))
	w.sh("echo x >one; echo y >two; ls -l; mv TWO ONE")
	w.soon("two, moved as TWO", gone("two"))
	w.soon("one, replaced as ONE", func() bool { return read("one") == "y\n" })
	if got := listed(); got != "ONE  STORED.TXT  d" {
		t.Errorf("listed: %q", got)
	}
}

// TestOthersChanges: what somebody else changes shows after --dir-ttl, whatever the
// kernel was told before.
func TestOthersChanges(t *testing.T) {
	w := newWorld(t, "--dir-ttl", "2s", "--write-back", "0s")
	w.sh(`echo x >a; echo y >b`)
	w.uploaded()
	if _, err := os.Stat(filepath.Join(w.archive(), "new")); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	for range 3 { // the last time the kernel asks nobody
		w.sh(`ls -l; cat a; test ! -e new`)
	}
	w.sh(`
		mkdir "$TMP/src"; echo new >"$TMP/src/new"; echo longer >"$TMP/src/a"
		jwalk "$TMP/src" | jhash | jdiff --dest /Jotta/Archive | jput -q >/dev/null
		jrm -q /Jotta/Archive/b >/dev/null`)
	w.soon("what others did", func() bool {
		names, err := os.ReadDir(w.archive())
		b, _ := os.ReadFile(filepath.Join(w.archive(), "a"))
		n, _ := os.ReadFile(filepath.Join(w.archive(), "new"))
		return err == nil && len(names) == 2 && string(b) == "longer\n" && string(n) == "new\n"
	})
}
