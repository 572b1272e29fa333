//go:build linux

package mount

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A process that is killed while the kernel carries out something for it that waits for
// an answer of its own cannot end: that thread stays, with it the open /dev/fuse, and
// for ever all who look at the mount. Telling the kernel what has changed can be such:
// it waits for the folder, which a program may have locked whose question is open. The
// kernel frees all of them when the connection is cut, and the next mount does that.

// deadPatience is how long a mount may take to answer before it is looked whether its
// process has been killed, and how long that may take to end then.
const deadPatience = 2 * time.Second

// errNoAnswer says that there never will be an answer.
var errNoAnswer = errors.New("the process has been killed and cannot end")

// isDead reports whether what is mounted at dir has died. One that cannot end is helped.
func isDead(dir string) bool {
	answer := make(chan error, 1)
	go func() { answer <- unix.Statfs(dir, new(unix.Statfs_t)) }()
	err := await(answer, func() bool { abort(dir); return true })
	return err == unix.ENOTCONN || err == unix.ECONNABORTED // the latter: just now
}

// await waits for the answer of a mount. Each time that it finds that there can be none,
// it calls help, and goes on if that says so; else the error is errNoAnswer.
func await(answer <-chan error, help func() bool) error {
	tick := time.NewTicker(deadPatience)
	defer tick.Stop()
	for {
		select {
		case err := <-answer:
			return err
		case <-tick.C:
		}
		dead := killed()
		if len(dead) == 0 {
			continue // it takes its time
		}
		if !help() {
			return errNoAnswer
		}
		for end := time.Now().Add(deadPatience); len(killed()) >= len(dead) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond) // the spool is theirs for so long
		}
	}
}

// killed returns the threads of this program that have been killed and cannot end.
func killed() []string {
	us, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		return nil
	}
	name := []byte("Name:\t" + string(us))
	threads, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/status")
	var dead []string
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil || !bytes.HasPrefix(status, name) {
			continue
		}
		_, pending, _ := bytes.Cut(status, []byte("\nSigPnd:\t"))
		pending, _, _ = bytes.Cut(pending, []byte("\n"))
		if set, err := strconv.ParseUint(string(pending), 16, 64); err == nil && set&(1<<(unix.SIGKILL-1)) != 0 {
			dead = append(dead, thread)
		}
	}
	return dead
}

// abort ends the connection of the mount at dir, if we may.
func abort(dir string) {
	if os.Geteuid() == 0 {
		unix.Unmount(dir, unix.MNT_FORCE) // that it is in use does not matter
		return
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	at, err := filepath.Abs(dir)
	if parent, evalErr := filepath.EvalSymlinks(filepath.Dir(at)); err == nil && evalErr == nil { // it itself must not be asked
		at = filepath.Join(parent, filepath.Base(at))
	}
	at = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(at)
	for line := range strings.Lines(string(mounts)) {
		// 36 35 0:98 / /mnt rw,… - fuse.jfuse jottacloud rw,…
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[4] != at || !strings.Contains(line, " - fuse.jfuse ") {
			continue
		}
		_, minor, _ := strings.Cut(fields[2], ":")
		if n, err := strconv.Atoi(minor); err == nil {
			os.WriteFile(fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", n), []byte("1"), 0)
		}
	}
}
