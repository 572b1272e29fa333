package test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"jottatools/lib/auth"
	"jottatools/lib/digest"
	"jottatools/lib/jfs"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
	"jottatools/lib/walk"
)

// TestSwapped: while root stores a tree, another user, who can write to a part of it,
// swaps folders and files for links to what he cannot read, and back, as fast as he can.
// Nothing from outside is ever stored or quoted, and the rest is stored each time.
func TestSwapped(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can read what others cannot")
	}
	const nobody = 65534
	runs := number("JOTTA_SWAPS", 300)
	w := newSignalWorld(t)
	setup := exec.Command("bash", "-euc", `
		mkdir -p outside/sub outside/deep/er src/rest/sub src/theirs/{d,e}/{sub,deep/er} src/rules
		for f in key sub/key deep/er/key; do
			echo "secret $f" >outside/$f
			echo "theirs $f" >src/theirs/d/$f
			echo "theirs too $f" >src/theirs/e/$f
		done
		echo '[secret' >outside/rules
		for f in a sub/b z; do echo "rest $f" >src/rest/$f; done
		echo x >src/rules/x
		echo '[no secret' >src/rules/.jottaignore
		ln -s ../../outside src/theirs/link
		ln -s ../../../outside/key src/theirs/e/link
		ln -s ../../outside/rules src/rules/link
		chown -hR `+fmt.Sprint(nobody)+` src/theirs src/rules
		chmod 700 outside`)
	setup.Dir = w.dir
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	login, err := auth.NewBasic("tester", "secret")
	if err != nil {
		t.Fatal(err)
	}
	client, err := jfs.New(jfs.Options{Endpoint: w.url, Credentials: login, Transport: jfs.NewTransport("")})
	if err != nil {
		t.Fatal(err)
	}
	stop, done := new(atomic.Bool), make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this
		done <- swapFor(nobody, filepath.Join(w.dir, "src"), stop)
	}()
	messages := new(strings.Builder)
	for i := range runs {
		if err := backUp(t.Context(), filepath.Join(w.dir, "src"), fmt.Sprintf("/Jotta/Archive/runs/%d/", i+1), client, messages); err != nil {
			t.Error(err)
			break
		}
	}
	stop.Store(true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if strings.Contains(messages.String(), "[secret") {
		t.Error("a line of a file outside is quoted")
	}

	list := exec.Command(filepath.Join(bin, "jls"), "/Jotta/Archive/runs")
	list.Dir, list.Env = w.dir, w.env
	stored, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	sum := func(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(text+"\n"))) }
	outside := map[string]bool{}
	for _, f := range []string{"key", "sub/key", "deep/er/key"} {
		outside[sum("secret "+f)] = true
	}
	leaks, theirs := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(string(stored)) {
		_, path, _ := strings.Cut(line, `"path":"`)
		run, _, _ := strings.Cut(path, "/")
		_, md5, _ := strings.Cut(line, `"md5":"`)
		md5, _, _ = strings.Cut(md5, `"`)
		switch {
		case outside[md5] || strings.Contains(line, sum("[secret")):
			leaks[run] = true
		case strings.Contains(line, `/theirs/`):
			theirs[run] = true
		}
	}
	if len(leaks) > 0 {
		t.Errorf("files from outside were stored in %d of %d runs", len(leaks), runs)
	}
	if len(theirs) == 0 {
		t.Error("nothing of the folder with the swaps was ever stored")
	}
	for i := range runs {
		for _, f := range []string{"a", "sub/b", "z"} {
			if !strings.Contains(string(stored), fmt.Sprintf(`"path":"%d/rest/%s"`, i+1, f)) {
				t.Errorf("run %d has not stored %s", i+1, f)
			}
		}
	}
	t.Logf("files of the folder with the swaps were stored in %d runs", len(theirs))
}

// backUp does what jwalk, jhash and jput do, in this process, which is a fraction of the
// work: it stores what is in src beneath dest.
func backUp(ctx context.Context, src, dest string, client *jfs.Client, messages io.Writer) error {
	var walked, hashed, plan bytes.Buffer
	out := record.NewWriter(&walked, "jwalk")
	warn := func(err error) { fmt.Fprintln(messages, err) }
	if err := errors.Join(walk.Tree(ctx, walk.Options{Root: src, Warn: warn}, out.Write), out.Close()); err != nil {
		return err
	}
	out = record.NewWriter(&hashed, "jhash")
	if err := errors.Join(digest.Records(ctx, out, record.NewReader(&walked), digest.Options{}), out.Close()); err != nil {
		return err
	}
	out = record.NewWriter(&plan, "test")
	for rec := range record.NewReader(&hashed).All() {
		if rec.Error != nil {
			fmt.Fprintln(messages, rec.Error)
		}
		if rec.MD5 != "" {
			rec.Action, rec.Reason, rec.Remote = record.ActionPut, record.ReasonNew, dest+rec.Path
		}
		if err := out.Write(rec); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	out = record.NewWriter(io.Discard, "jput")
	return errors.Join(transfer.Upload(ctx, record.NewReader(&plan), out, client, transfer.UploadOptions{Jobs: 4}), out.Close())
}

// swapFor swaps entries of the tree in src with the rights of another user, in this thread
// alone, until it is told to stop.
func swapFor(uid int, src string, stop *atomic.Bool) error {
	theirs, err := os.Open(filepath.Join(src, "theirs"))
	if err != nil {
		return err
	}
	defer theirs.Close()
	rules, err := os.Open(filepath.Join(src, "rules"))
	if err != nil {
		return err
	}
	defer rules.Close()
	// The raw calls are about one thread, unlike those of package syscall.
	unix.RawSyscall(unix.SYS_SETFSGID, uintptr(uid), 0, 0)
	unix.RawSyscall(unix.SYS_SETFSUID, uintptr(uid), 0, 0)
	if fd, err := unix.Openat(int(theirs.Fd()), "link/key", unix.O_RDONLY, 0); err != unix.EACCES {
		unix.Close(fd)
		return fmt.Errorf("who swaps can read what is outside: %v", err)
	}
	for !stop.Load() {
		for range 2 { // there and back
			for _, swap := range []struct {
				dir      *os.File
				one, two string
			}{{theirs, "d", "link"}, {theirs, "e/key", "e/link"}, {theirs, "d", "e"}, {rules, ".jottaignore", "link"}} {
				if err := unix.Renameat2(int(swap.dir.Fd()), swap.one, int(swap.dir.Fd()), swap.two, unix.RENAME_EXCHANGE); err != nil && err != unix.ENOENT && err != unix.ENOTDIR && err != unix.EACCES {
					return fmt.Errorf("swap %s and %s: %w", swap.one, swap.two, err)
				}
				runtime.Gosched()
			}
		}
	}
	return nil
}
