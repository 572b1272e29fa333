//go:build linux

package test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tmpfs mounts a small disk.
func (w *world) tmpfs(dir, size string) {
	w.t.Helper()
	if os.Getuid() != 0 {
		w.t.Skip("only root can mount a small disk")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		w.t.Skipf("no small disk: %v", err)
	}
	w.t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
}

// TestSpoolFull: a full disk under the spool is ENOSPC to who writes. Nothing that was
// closed is lost, reading goes on, and writing does once there is room.
func TestSpoolFull(t *testing.T) {
	w := newWorld(t, "--write-back", "1h", "--fsync", "local")
	w.sh(`head -c 3000000 /dev/urandom >before; cp before "$TMP/before"`)
	w.unmount()
	spool := filepath.Join(w.dir, "small")
	w.tmpfs(spool, "4m")
	w.flags = append(w.flags, "--spool-dir", filepath.Join(spool, "s"), "--drain", "0s")
	w.mount()
	w.sh(`head -c 1000000 /dev/urandom >closed; cp closed "$TMP/closed"`)
	var errs []error
	f, err := os.Create(filepath.Join(w.archive(), "large"))
	for i := 0; err == nil && i < 10; i++ {
		_, err = f.Write(make([]byte, 1<<20))
	}
	if errs = append(errs, err, f.Close()); !errors.Is(errors.Join(errs...), syscall.ENOSPC) {
		t.Errorf("write to a full disk: %v", errs)
	}
	w.sh(`cmp closed "$TMP/closed"; cmp before "$TMP/before"; ls >/dev/null`)
	w.sh(`fails sh -c 'head -c 3000000 /dev/zero >another' 2>/dev/null
		rm -f large another; echo more >more; cat more >/dev/null`)
	w.kill()
	w.mount("--write-back", "0s")
	w.uploaded()
	w.sh(`cmp closed "$TMP/closed"; test "$(cat more)" = more`)
}

// TestCacheFull: without room for the cache all can be read, only slower.
func TestCacheFull(t *testing.T) {
	w := newWorld(t, "--write-back", "0s")
	w.sh(`head -c 9000000 /dev/urandom >a; head -c 300000 /dev/urandom >b; cp a b "$TMP"`)
	w.uploaded()
	w.unmount()
	cache := filepath.Join(w.dir, "small")
	w.tmpfs(cache, "1m")
	w.mount("--cache-dir", filepath.Join(cache, "c"))
	w.sh(`cmp a "$TMP/a"; cmp b "$TMP/b"; echo more >>b; echo more >>"$TMP/b"; cmp b "$TMP/b"`)
	w.uploaded()
	w.sh(`cmp b "$TMP/b"; cmp a "$TMP/a"`)
}

// TestTwoMounts: an account that is mounted twice, with both writing, ends up with all
// that was written. A file that both write has one of the two contents, and the other may
// be beside it.
func TestTwoMounts(t *testing.T) {
	w := newWorld(t, "--write-back", "100ms", "--dir-ttl", "200ms")
	second := *w
	second.mnt = filepath.Join(w.dir, "second")
	second.flags = append([]string{"--spool-dir", filepath.Join(w.dir, "spool2"), "--cache-dir", filepath.Join(w.dir, "cache2")}, w.flags...)
	if err := os.Mkdir(second.mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	second.mount()
	t.Cleanup(second.unmount)
	w.sh(`mkdir d`)
	done := make(chan string, 2)
	for i, o := range []*world{w, &second} {
		go func() {
			out, err := o.script(fmt.Sprintf(`
				while ! test -d d; do sleep 0.05; done
				for i in $(seq 25); do echo %d-$i >d/own-%d-$i; echo %d-$i >d/common; echo %d-$i >>d/log; done`, i, i, i, i))
			done <- out + fmt.Sprint(err)
		}()
	}
	for range 2 {
		if out := <-done; out != "<nil>" {
			t.Errorf("a writer: %s", out)
		}
	}
	for _, o := range []*world{w, &second} {
		o.uploaded()
	}
	// What they wrote to one file at once may be beside it, as conflicts.
	const look = `names() { ls d | grep -v ' (conflict '; }
		for _ in $(seq 100); do test "$(names | wc -l)" = 52 && break; sleep 0.1; done; names | wc -l; cat d/own-*; cat d/common`
	a, b := w.sh(look), second.sh(look)
	if a != b || !strings.HasPrefix(a, "52\n") || !strings.Contains(a, "0-25") || !strings.Contains(a, "1-25") {
		t.Errorf("the first sees\n%s\nthe second\n%s", a, b)
	}
}

// TestGrowing: who follows a file sees what another client appends to it, after
// --dir-ttl.
func TestGrowing(t *testing.T) {
	need(t, "tail")
	w := newWorld(t, "--write-back", "0s", "--dir-ttl", "200ms")
	w.sh(`mkdir "$TMP/src"; echo one >"$TMP/src/log"; echo one >log`)
	w.uploaded()
	follow := startProcess(t, nil, "tail", "-f", "-s", "0.1", filepath.Join(w.archive(), "log"))
	t.Cleanup(func() { follow.end(t, syscall.SIGKILL) })
	follow.await(t, "one\n", 1)
	w.sh(`echo two >>"$TMP/src/log"; jwalk "$TMP/src" | jhash | jdiff --dest /Jotta/Archive | jput -q >/dev/null`)
	follow.await(t, "one\ntwo\n", 1)
}

// TestSparse: a file of 10 GiB that holds nothing costs nothing until it is uploaded.
func TestSparse(t *testing.T) {
	w := newWorld(t, "--write-back", "1h", "--drain", "0s")
	w.sh(`
		truncate -s 10G f
		test "$(stat -c %s f)" = 10737418240
		printf end | dd of=f bs=1M seek=10239 conv=notrunc status=none
		test "$(dd if=f bs=1M skip=10239 count=1 status=none | head -c 3)" = end
		test "$(dd if=f bs=1M skip=5000 count=1 status=none | tr -d '\0' | wc -c)" = 0
		test "$(du -sm "$TMP/../state" | cut -f1)" -lt 100
		truncate -s 5 f; test "$(stat -c %s f)" = 5; rm f`)
}

// TestManyOpen: JOTTA_OPEN files (1000 by default, 6000 with JOTTA_LONG) are open for
// writing at once, and to be read; closed, all of them are stored.
func TestManyOpen(t *testing.T) {
	count := 1000
	if os.Getenv("JOTTA_LONG") != "" {
		count = 6000
	}
	count = number("JOTTA_OPEN", count)
	w := newWorld(t, "--write-back", "1h", "--drain", "10m")
	dir := filepath.Join(w.archive(), "many")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := func(i int) string { return strings.Repeat(fmt.Sprint(i, " "), 1+i%1000) }
	var open []*os.File
	for i := range count {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		open = append(open, f)
		if _, err := f.WriteString(text(i)); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		if i%2 == 1 {
			continue
		}
		again, err := os.Open(f.Name())
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		if b, err := io.ReadAll(again); err != nil || string(b) != text(i) {
			t.Fatalf("%d holds %d bytes, %v", i, len(b), err)
		}
		open = append(open, again)
	}
	for _, f := range open {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	w.jfuse.cmd.Process.Signal(syscall.SIGTERM)
	<-w.jfuse.ended // it uploads them
	if err := w.jfuse.err; err != nil {
		t.Fatalf("%v: %s", err, w.jfuse.output())
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "state/jottatools/*/*.data")); len(left) > 0 {
		t.Fatalf("%d are left in the spool", len(left))
	}
	if err := os.RemoveAll(filepath.Join(w.dir, "cache")); err != nil {
		t.Fatal(err)
	}
	w.mount()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != count {
		t.Errorf("%d files, %v; want %d", len(entries), err, count)
	}
	for i := range count {
		if b, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i))); err != nil || string(b) != text(i) {
			t.Fatalf("%d holds %d bytes, %v", i, len(b), err)
		}
	}
}

// TestKilledWhileUploading: uploads that are cut off by kill -9 are taken up by the next
// mount.
func TestKilledWhileUploading(t *testing.T) {
	w := newWorld(t, "--write-back", "0s", "--bwlimit", "2M", "--drain", "0s")
	sums := map[string]string{}
	for i := range 4 {
		b := make([]byte, 3<<20)
		rand.NewChaCha8([32]byte{byte(i)}).Read(b)
		name := fmt.Sprint("f", i)
		if err := os.WriteFile(filepath.Join(w.archive(), name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		sums[name] = fmt.Sprintf("%x", md5.Sum(b))
	}
	for range 3 {
		w.sh(`for _ in $(seq 200); do jfuse status --json "$MNT" | jq -e '.uploading > 0' >/dev/null && break; sleep 0.02; done`)
		w.kill()
		w.mount()
	}
	w.unmount()
	w.flags = []string{"--write-back", "0s"}
	w.mount()
	w.uploaded()
	w.unmount()
	os.RemoveAll(filepath.Join(w.dir, "cache"))
	w.mount()
	for name, want := range sums {
		b, err := os.ReadFile(filepath.Join(w.archive(), name))
		if got := fmt.Sprintf("%x", md5.Sum(b)); got != want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
	}
}

// TestUnmountInUse: a mount with open files is not unmounted, unless by force. What was
// closed, or written by then, is kept either way.
func TestUnmountInUse(t *testing.T) {
	w := newWorld(t, "--write-back", "0s")
	open := func(text string) *os.File {
		f, err := os.Create(filepath.Join(w.archive(), text))
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := open("busy")
	if out, err := exec.Command("fusermount3", "-u", w.mnt).CombinedOutput(); err == nil || !w.mounted() {
		t.Errorf("unmounted though in use: %s", out)
	}
	// Lazily: the name goes at once, and jfuse ends when the last file is closed.
	if out, err := exec.Command("umount", "-l", w.mnt).CombinedOutput(); err != nil {
		if out2, err := exec.Command("fusermount3", "-u", "-z", w.mnt).CombinedOutput(); err != nil {
			t.Fatalf("%s %s", out, out2)
		}
	}
	if _, err := f.WriteString(" and on"); err != nil {
		t.Errorf("write to a mount that goes: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-w.jfuse.ended:
	case <-time.After(time.Minute):
		t.Fatalf("jfuse does not end: %s", w.jfuse.output())
	}
	w.mount()
	// At SIGTERM it is cut off.
	g := open("cut")
	p := w.jfuse
	w.unmount()
	g.Close()
	if !strings.Contains(p.output(), "was in use") {
		t.Errorf("at the end it said %s", p.output())
	}
	w.mount()
	if got := w.sh("cat busy cut"); got != "busy and oncut" {
		t.Errorf("kept %q", got)
	}
}

// TestLocks: two processes keep each other out, with flock and with fcntl.
func TestLocks(t *testing.T) {
	need(t, "flock", "perl")
	w := newWorld(t, "--write-back", "0s", "--fsync", "local")
	w.sh(`
		echo x >l
		(flock -x 9; echo held >"$TMP/held"; while test -e "$TMP/held"; do sleep 0.05; done) 9<l &
		while ! test -e "$TMP/held"; do sleep 0.05; done
		fails flock -n -x l true
		fails flock -n -s l true
		rm "$TMP/held"; wait
		flock -n -x l true`)
	f, err := os.OpenFile(filepath.Join(w.archive(), "l"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The other process wants the second half of the first ten bytes.
	other := `perl -MFcntl -e 'open F, "+<", "l" or die; fcntl(F, F_SETLK, pack("s s x![l!] l! l! i", F_WRLCK, 0, $ARGV[0], 5, 0)) or exit 1' `
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 0, Len: 5}); err != nil {
		t.Fatal(err)
	}
	w.sh(`fails ` + other + `0; fails ` + other + `4; ` + other + `5`)
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Start: 0, Len: 5}); err != nil {
		t.Fatal(err)
	}
	w.sh(other + `0`)
}

// TestRestOverAnother: a large file that was changed in part replaces another, before
// the rest of it is here.
func TestRestOverAnother(t *testing.T) {
	w := newWorld(t, "--write-back", "0s")
	big := make([]byte, 9<<20)
	rand.NewChaCha8([32]byte{9}).Read(big)
	if err := os.WriteFile(filepath.Join(w.archive(), "big"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	w.sh("echo other >other")
	w.uploaded()
	w.unmount()
	os.RemoveAll(filepath.Join(w.dir, "cache"))
	w.mount("--write-back", "1h")
	w.sh(`printf XYZ | dd of=big bs=1 seek=4000000 conv=notrunc status=none
		jfuse status --json "$MNT" | jq -e '.pending_bytes == 9437184 and .spool_bytes < 1000000' >/dev/null
		jfuse status "$MNT" | grep -q 'of them changed here'
		mv big other`)
	copy(big[4000000:], "XYZ")
	if got, err := os.ReadFile(filepath.Join(w.archive(), "other")); !bytes.Equal(got, big) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	w.kill()
	w.mount()
	w.uploaded()
	w.unmount()
	os.RemoveAll(filepath.Join(w.dir, "cache"))
	w.mount()
	if got, err := os.ReadFile(filepath.Join(w.archive(), "other")); !bytes.Equal(got, big) {
		t.Errorf("stored %d bytes, %v", len(got), err)
	}
	w.sh(`test ! -e big; test "$(cat other@rev1)" = other`)
}
