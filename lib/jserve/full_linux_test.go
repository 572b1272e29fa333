package jserve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"jottatools/lib/jserve/store"
)

// ownMounts tells the test binary that it runs where it may mount.
const ownMounts = "JSERVE_TEST_OWN_MOUNTS"

// TestFullDisk fills the disk of a real server process, kills it there, and looks
// whether all it has acknowledged is there and can be deleted. The disk is a small
// tmpfs, which this test mounts in a namespace of its own.
func TestFullDisk(t *testing.T) {
	if os.Getenv(ownMounts) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), ownMounts+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		switch {
		case cmd.ProcessState == nil:
			t.Skipf("cannot make a namespace here: %v", err)
		case strings.Contains(string(out), "--- SKIP"):
			t.Skipf("cannot mount here\n%s", out)
		case err != nil:
			t.Errorf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
		return
	}
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	fillDisk(t, dir)
}

func fillDisk(t *testing.T, dir string) {
	files := make(map[string]string) // path to MD5, acknowledged
	used := make(map[int]bool)       // rounds that made files
	refused := 0
	dice := rand.New(rand.NewPCG(1, 2))
	for round := range 3 {
		w, kill := startVictim(t, dir)
		checkKept(t, w, files, nil)
		for i := range 400 { // to delete them takes the database much room
			w.send("POST", fmt.Sprintf("/jfs/user01/Jotta/Archive/round%%20%d/%d%s?mkDir=true", round, i, strings.Repeat("x", 200)), nil)
		}
		// Large files, then smaller ones into what is left, until not even names fit.
		for _, size := range []int{300_000, 20_000, 500} {
			for i, no := 0, 0; no < 5 && i < 400; i++ {
				content := make([]byte, size+round)
				for j := range content {
					content[j] = byte(dice.Uint32())
				}
				path := fmt.Sprintf("/Jotta/Archive/round %d/%d-%d %s", round, size, i, strings.Repeat("long name ", 15))
				if status := w.offer(t, path, content); status != 200 {
					no++
					refused++
				} else {
					files[path], used[round] = hexMD5(content), true
				}
			}
		}
		checkKept(t, w, files, nil)
		w.want(200, "GET", "/jfs/user01/Jotta/Archive?mode=liststream")
		w.http.CloseIdleConnections()
		kill()
		sum, err := store.Check(context.Background(), dir, true, func(f store.Finding) {
			if !f.Harmless {
				t.Errorf("round %d: %s", round, f.Text)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d files acknowledged, %d refused so far; %d contents of %d bytes are whole", round, len(files), refused, sum.Blobs, sum.Bytes)
	}
	if refused == 0 || len(files) < 10 {
		t.Fatalf("the disk did not fill: %d files, %d refused", len(files), refused)
	}
	// What is full to the last block can be made empty again.
	w, kill := startVictim(t, dir)
	defer kill()
	fillUp(t, filepath.Join(dir, "something else"))
	for round := range used {
		if a := w.send("POST", fmt.Sprintf("/jfs/user01/Jotta/Archive/round%%20%d?rmDir=true", round), nil); a.status != 200 {
			t.Errorf("rmDir on the full disk = %d %s", a.status, a.body)
		}
	}
	fits := false
	// The janitor takes its time, more of it where the machine is busy.
	for i, patience := 0, time.Now().Add(time.Minute); !fits && time.Now().Before(patience); i++ {
		fits = w.offer(t, fmt.Sprintf("/Jotta/Archive/again %d", i), bytes.Repeat([]byte("again"), 100_000)) == 200
	}
	if !fits {
		t.Error("nothing can be uploaded after everything was deleted")
	}
	w.http.CloseIdleConnections()
}

// fillUp makes a file of all that is left on the disk.
func fillUp(t *testing.T, name string) {
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// offer uploads a file that the server may refuse for lack of space, with the
// status that says so.
func (w *world) offer(t *testing.T, path string, content []byte) int {
	t.Helper()
	body := fmt.Sprintf(`{"path":"/jfs%s","bytes":%d,"md5":"%s"}`, path, len(content), hexMD5(content))
	a := w.send("POST", "/files/v1/allocate", strings.NewReader(body))
	var target allocateAnswer
	if a.status == 200 {
		if err := json.Unmarshal([]byte(a.body), &target); err != nil {
			t.Fatal(err)
		}
		if target.State == "COMPLETED" {
			return 200
		}
		a = w.send("POST", target.UploadURL, bytes.NewReader(content[target.ResumePos:]), "Range", fmt.Sprintf("bytes=%d-", target.ResumePos))
	}
	if a.status != 200 && a.status != statusQuota {
		t.Errorf("%.60s: status %d %s; want 200, or %d for a full disk", path, a.status, a.body, statusQuota)
	}
	return a.status
}
