//go:build linux

package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// need skips a test where a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not here; scripts/setup installs it", p)
		}
	}
}

// uploaded waits until nothing is left to upload.
func (w *world) uploaded() {
	w.t.Helper()
	w.sh(`
		for _ in $(seq 600); do
			jfuse status --json "$MNT" | grep -q '"pending": 0' && exit 0
			sleep 0.05
		done
		jfuse status "$MNT"; exit 1`)
}

// TestPrograms lets programs that know nothing of the mount work in it.
func TestPrograms(t *testing.T) {
	w := newWorld(t, "--write-back", "300ms", "--fsync", "local")
	for _, test := range []struct {
		name, needs, script string
	}{
		{"git", "git", `
			export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
			git init -q "$TMP/repo"
			for i in 1 2 3 4 5 6 7 8 9; do mkdir -p "$TMP/repo/d$i"; seq $i 1000 >"$TMP/repo/d$i/f"; git -C "$TMP/repo" add .; git -C "$TMP/repo" commit -qm $i; done
			git clone -q "$TMP/repo" clone
			git -C clone fsck --full --strict
			test -z "$(git -C clone status --porcelain)"
			echo more >>clone/d1/f
			git -C clone commit -qam more
			git -C clone gc -q
			git -C clone fsck --full --strict
			diff -r "$TMP/repo/d9" clone/d9`},
		{"tar", "tar", `
			mkdir -p "$TMP/tree/a/b/c"
			for i in $(seq 60); do echo $i >"$TMP/tree/a/b/f$i"; done
			: >"$TMP/tree/empty"
			touch -d 2021-02-03T04:05:06Z "$TMP/tree/a/b/f1"
			tar cf "$TMP/tree.tar" -C "$TMP" tree
			tar xf "$TMP/tree.tar"
			diff -r "$TMP/tree" tree
			tar df "$TMP/tree.tar" 2>&1 | grep -vE 'Mode differs|Mod time differs|Uid differs|Gid differs' >"$TMP/differ" || true
			test ! -s "$TMP/differ"
			test "$(stat -c %Y tree/a/b/f1)" = 1612325106`},
		{"unzip", "unzip zip", `
			(cd "$TMP" && mkdir z && seq 5000 >z/numbers && zip -q z.zip z/numbers)
			unzip -q "$TMP/z.zip"
			cmp "$TMP/z/numbers" z/numbers`},
		{"rsync", "rsync", `
			mkdir -p "$TMP/src/sub"
			for i in $(seq 40); do seq $i >"$TMP/src/sub/$i"; done
			rsync -a "$TMP/src/" dst/
			test -z "$(rsync -ai --no-perms --no-owner --no-group --omit-dir-times "$TMP/src/" dst/)"
			rsync -ai "$TMP/src/" dst/ | grep '^[<>]' && exit 1
			diff -r "$TMP/src" dst`},
		{"sqlite", "sqlite3", `
			for i in $(seq 12); do sqlite3 db "create table if not exists t(a, b); insert into t values($i, randomblob(2000));"; done
			sqlite3 db "update t set b = randomblob(3000); delete from t where a = 3;"
			test "$(sqlite3 db 'pragma integrity_check; select count(*) from t;' | tr '\n' ' ')" = 'ok 11 '`},
		{"vim", "vim", `
			echo one >text
			vim -u NONE -i NONE -es -c 'set backup writebackup backupskip=' -c '%s/one/two/' -c wq text
			test "$(cat text)" = two
			test "$(cat text~)" = one`},
		{"cp", "cp", `
			head -c $((${JOTTA_CP_MIB:-64} * 1048576)) /dev/urandom >"$TMP/big"
			cp "$TMP/big" big
			cmp "$TMP/big" big`},
		{"find", "find", `
			mkdir -p many
			for d in 1 2 3 4 5; do mkdir many/$d; for f in 1 2 3 4 5 6 7; do echo x >many/$d/$f; done; done
			test "$(find many -type f | wc -l)" = 35
			find many -delete
			test ! -e many`},
		{"fio", "fio", `
			fio --name=v --directory=. --size=${JOTTA_FIO_SIZE:-4m} --bs=4k-64k --rw=randwrite --ioengine=psync --verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=7 --output=/dev/null
			rm v.0.0`},
		{"case", "cmp perl", `
			echo x >Readme
			test "$(cat README)" = x
			test "$(ls -d [Rr]eadme)" = Readme
			mkdir Dir
			echo y >dir/a
			test "$(cat DIR/A)" = y
			mv Dir between; mv between DIR
			test "$(ls -d [Dd]ir DIR 2>/dev/null | sort -u)" = DIR
			perl -e 'rename "DIR", "dir" or die $!' # one folder to the system: nothing happens, and nothing is lost
			test "$(cat dir/a)" = y`},
		{"save by rename", "mv", `
			echo old >doc
			for i in 1 2 3; do echo new$i >doc.tmp; mv doc.tmp doc; test "$(cat doc)" = new$i; done
			test ! -e doc.tmp`},
	} {
		t.Run(test.name, func(t *testing.T) {
			need(t, strings.Fields(test.needs)...)
			inner := *w
			inner.t = t
			inner.sh("mkdir '" + test.name + "'; cd '" + test.name + "'\n" + test.script)
		})
	}
	// Another mount that has nothing of this one sees the same.
	before := w.sh(`find . -type f ! -path './*/.git/*' | sort | xargs -d '\n' md5sum`)
	w.unmount()
	os.RemoveAll(filepath.Join(w.dir, "cache"))
	if left, _ := filepath.Glob(filepath.Join(w.dir, "state/jottatools/*/*.data")); len(left) > 0 {
		t.Errorf("left in the spool: %q", left)
	}
	w.mount()
	if after := w.sh(`find . -type f ! -path './*/.git/*' | sort | xargs -d '\n' md5sum`); after != before {
		t.Errorf("stored is\n%swant\n%s", after, before)
	}
}

// TestWhatIsSetStays: times do not change by themselves when a file has been uploaded and
// its folder is listed again. Names that are too long are said to be.
func TestWhatIsSetStays(t *testing.T) {
	w := newWorld(t, "--write-back", "0s", "--dir-ttl", "0s")
	w.sh(`
		echo x >f
		touch -a -d 2020-01-01 f
		was=$(stat -c '%X %Y %Z' f)
		sync f
		test "$(stat -c '%X %Y %Z' f)" = "$was"
		test "$(stat -c %X f)" = "$(date -d 2020-01-01 +%s)"
		test "$(stat -c %h .)" = 1
		long=$(head -c 256 /dev/zero | tr '\0' a)
		for what in "stat $long" "rm $long" "mkdir $long" "rmdir $long" "touch $long" "mv f $long" "mv $long g" "chmod 600 $long"; do
			fails $what 2>err
			grep -q 'File name too long' err
		done
		rm f`)
}

// TestAttributesAndExtras: what the mount shows besides files.
func TestAttributesAndExtras(t *testing.T) {
	w := newWorld(t, "--write-back", "0s", "--dir-ttl", "100ms")
	file := filepath.Join(w.archive(), "file")
	for _, text := range []string{"one\n", "two two\n", "three three three\n"} {
		w.sh("printf '" + text + "' >file; sync file")
	}
	get := func(name string) string {
		b := make([]byte, 4096)
		n, err := unix.Getxattr(file, name, b)
		if err != nil {
			return err.Error()
		}
		return string(b[:n])
	}
	for name, want := range map[string]string{
		"user.jotta.md5": "7586d8e3b57bda1e4ff0c90cff21ab2b", "user.jotta.state": "COMPLETED", "user.jotta.revision": "3",
		"user.jotta.publicurl": "no data available", "user.other": "no data available",
	} {
		if name == "user.jotta.md5" {
			want = strings.Fields(w.sh("md5sum file"))[0]
		}
		if got := get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if n, err := unix.Listxattr(file, make([]byte, 4096)); n != 0 || err != nil {
		t.Errorf("%d bytes of names are listed, which programs would copy: %v", n, err)
	}
	if err := unix.Setxattr(file, "user.jotta.publicurl", []byte("1"), 0); err != nil {
		t.Error(err)
	}
	if got := get("user.jotta.publicurl"); !strings.HasPrefix(got, "http") {
		t.Errorf("shared, the address is %q", got)
	}
	if err := unix.Removexattr(file, "user.jotta.publicurl"); err != nil {
		t.Error(err)
	}
	if got := get("user.jotta.publicurl"); got != "no data available" {
		t.Errorf("not shared any more, the address is %q", got)
	}
	if err := unix.Setxattr(file, "user.jotta.md5", []byte("1"), 0); err != unix.EPERM {
		t.Errorf("set the MD5: %v", err)
	}
	w.sh(`
		test "$(cat file@rev1)" = one
		test "$(cat file@rev2)" = "two two"
		test ! -e file@rev9
		exec 2>/dev/null
		fails sh -c 'echo x >file@rev1'
		fails sh -c 'echo x >.DS_Store'
		fails sh -c 'echo x >"a‛b"'
		fails mkdir 'a‛b'
		echo x >'a‛‛b'; rm 'a‛‛b'
		fails ln -s file link
		fails ln file link
		fails mkdir "$MNT/Device"
		fails rmdir "$MNT/Jotta/Sync"
		mkdir d; echo x >d/f; sync d/f
		fails rmdir d
		rm d/f; rmdir d; rm file
		test -z "$(ls -A)"
		test "$(cat .trash/file)" = "three three three"
		ls .trash | grep -qx d`)
}

func TestStatus(t *testing.T) {
	w := newWorld(t, "--write-back", "1h", "--drain", "1s")
	w.sh(`echo x >a; echo y >b`)
	var s struct {
		Pending int
		Files   []struct{ Path string }
	}
	if err := json.Unmarshal([]byte(w.sh(`jfuse status --json "$MNT"`)), &s); err != nil || s.Pending != 2 || len(s.Files) != 2 || s.Files[0].Path != "/Jotta/Archive/a" {
		t.Errorf("status %+v, %v", s, err)
	}
	if got := w.sh(`jfuse status "$MNT"`); !strings.Contains(got, "to upload    2 files, 4B") {
		t.Errorf("status:\n%s", got)
	}
	w.sh(`fails jfuse status "$TMP" 2>"$TMP/err"; grep -q 'no mount of jfuse' "$TMP/err"`)
	// What the end cannot wait for is told, and the next mount goes on with it.
	w.jserve.end(t, syscall.SIGTERM)
	p := w.jfuse
	w.unmount()
	if !strings.Contains(p.output(), "2 files are not uploaded yet") {
		t.Errorf("at the end: %s", p.output())
	}
	w.serve()
	w.mount("--write-back", "0s")
	w.uploaded()
	if got := w.sh("cat a b"); got != "x\ny\n" {
		t.Errorf("stored %q", got)
	}
}

// TestAppendToLarge: a line is appended to a large file without fetching it. The rest
// comes after the close, also when the mount is killed before.
func TestAppendToLarge(t *testing.T) {
	w := newWorld(t, "--write-back", "1h")
	down := `curl -sf "$JOTTA_ENDPOINT/_jserve/stats" | jq .download_bytes`
	w.sh(`
		mkdir "$TMP/src"; head -c 12000000 /dev/urandom >"$TMP/src/log"
		jwalk "$TMP/src" | jhash | jdiff --dest /Jotta/Archive | jput -q >/dev/null
		before=$(` + down + `)
		echo line >>log; printf xyz | dd of=log bs=1 seek=5000000 conv=notrunc status=none
		test $(stat -c %s log) = 12000005
		test $(($(` + down + `) - before)) -lt 200000
		echo line >>"$TMP/src/log"; printf xyz | dd of="$TMP/src/log" bs=1 seek=5000000 conv=notrunc status=none`)
	w.kill()
	w.mount("--write-back", "0s")
	w.uploaded()
	w.unmount()
	os.RemoveAll(filepath.Join(w.dir, "cache"))
	w.mount()
	w.sh(`cmp log "$TMP/src/log"`)
}

// TestOtherAccount: what was written for one account never goes to another.
func TestOtherAccount(t *testing.T) {
	w := newWorld(t)
	spool := filepath.Join(w.dir, "state", "spool")
	w.unmount()
	w.jserve.end(t, syscall.SIGTERM)
	users := filepath.Join(w.dir, "users")
	if err := os.WriteFile(users, []byte("other:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.serve("--users", users)
	w.flags = []string{"--spool-dir", spool, "--drain", "1s"}
	w.mount("--write-back", "0s")
	w.sh("echo first >first")
	w.uploaded()
	w.unmount()
	w.mount("--write-back", "1h")
	w.sh("echo mine >mine")
	w.kill()
	own := w.env
	w.env = append(w.env, "JOTTACLOUD_USERNAME=other")
	w.mount("--write-back", "0s")
	w.sh(`for _ in $(seq 200); do jfuse status "$MNT" | grep -q 'is of the account' && break; sleep 0.05; done; jfuse status "$MNT" | grep 'is of the account'`)
	w.unmount()
	w.env = own
	w.mount("--write-back", "0s")
	w.uploaded()
	if got := w.sh("cat mine"); got != "mine\n" {
		t.Errorf("stored %q", got)
	}
}

// TestServiceAway: without the service, reading fails in bounded time, what is here
// can be read and written, and all goes on when it is back.
func TestServiceAway(t *testing.T) {
	w := newWorld(t, "--write-back", "100ms", "--dir-ttl", "200ms")
	w.sh(`head -c 300000 /dev/urandom >a; echo b >b; mkdir d`)
	w.uploaded()
	w.unmount()
	os.RemoveAll(filepath.Join(w.dir, "cache"))
	w.mount()
	w.sh(`cat b; ls; ls d; echo here >d/here`)
	w.jserve.end(t, syscall.SIGKILL)
	start := time.Now()
	if _, err := os.ReadFile(filepath.Join(w.archive(), "a")); !errors.Is(err, syscall.EIO) {
		t.Errorf("read without the service: %v", err)
	}
	if took := time.Since(start); took > time.Minute+10*time.Second {
		t.Errorf("it took %v to say so", took)
	}
	w.sh(`test "$(cat d/here)" = here; echo and here >>d/here`) // it never left
	w.serve()
	w.sh(`test "$(stat -c %s a)" = 300000; md5sum a; cat b; mkdir e; echo c >e/c`)
	w.uploaded()
}

// TestStatfs: the space is that of the account, and never nonsense.
func TestStatfs(t *testing.T) {
	w := newWorld(t)
	var st unix.Statfs_t
	if err := unix.Statfs(w.mnt, &st); err != nil || st.Blocks < st.Bfree || st.Bfree < 1<<30 {
		t.Errorf("without a limit: %+v, %v", st, err)
	}
	w.unmount()
	w.jserve.end(t, syscall.SIGTERM)
	w.serve("--quota", "10000000")
	w.mount("--write-back", "0s")
	w.sh(`head -c 4000000 /dev/urandom >a`)
	w.uploaded()
	w.unmount()
	w.mount()
	if err := unix.Statfs(w.mnt, &st); err != nil || int64(st.Blocks)*st.Bsize > 10000000 || int64(st.Bfree)*st.Bsize > 6000000 || st.Bfree == 0 {
		t.Errorf("with a limit: %+v, %v", st, err)
	}
	// A file that is too large stays in the spool and is told of.
	w.sh(`head -c 8000000 /dev/urandom >too-large`)
	w.sh(`for _ in $(seq 200); do jfuse status "$MNT" | grep 'too-large: ' && exit 0; sleep 0.05; done; exit 1`)
	w.sh(`test "$(stat -c %s too-large)" = 8000000; cat too-large >/dev/null; rm too-large`)
}

// TestNoLeaks: a thousand opens leave nothing behind, in jfuse or in the spool.
func TestNoLeaks(t *testing.T) {
	w := newWorld(t, "--write-back", "0s")
	w.sh(`mkdir d; for i in 1 2 3 4 5 6 7 8 9 10; do echo $i >d/$i; done`)
	w.uploaded()
	handles := func() int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.jfuse.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := handles()
	for i := range 1000 {
		name := filepath.Join(w.archive(), "d", fmt.Sprint(1+i%10))
		if _, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 {
			f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(f, i)
			f.Close()
		}
	}
	w.uploaded()
	// Releases come after the close; connections to the service stay for a while.
	w.sh(fmt.Sprintf(`for _ in $(seq 100); do test $(ls /proc/%d/fd | wc -l) -le %d && exit 0; sleep 0.05; done; ls -l /proc/%d/fd; exit 1`, w.jfuse.cmd.Process.Pid, before+12, w.jfuse.cmd.Process.Pid))
	if left, _ := filepath.Glob(filepath.Join(w.dir, "state/jottatools/*/*.data")); len(left) > 0 {
		t.Errorf("left in the spool: %q", left)
	}
}

// TestNormalUser mounts as somebody who is not root, through fusermount3.
func TestNormalUser(t *testing.T) {
	needFUSE(t)
	need(t, "setpriv")
	if os.Getuid() != 0 {
		t.Skip("all other tests have done that already")
	}
	const nobody = 65534
	w := bareWorld(t)
	w.openToAll()
	if err := os.Chmod(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{w.mnt, filepath.Join(w.dir, "state"), filepath.Join(w.dir, "cache")} {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	w.serve()
	w.env = append(w.env, "HOME="+w.dir) // whose configuration may be read
	inside := w.fuseForAll()
	as := append(inside, asNobody...)
	w.mountWith(as, "--write-back", "0s")
	cmd := exec.Command(as[0], append(as[1:], "sh", "-euc", `cd "$0"; echo x >a; mkdir d; mv a d/b; cat d/b; stat -c %u d/b`, w.archive())...)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "x\n65534\n" {
		t.Errorf("%s, %v; jfuse: %s", out, err, w.jfuse.output())
	}
	if out, err := exec.Command(inside[0], append(inside[1:], "ls", w.archive())...).CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
		t.Errorf("root looks into the mount of another: %s, %v", out, err)
	}
}

// asNobody runs a command as somebody who is not root.
var asNobody = []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}

// openToAll opens the way to the world's folder.
func (w *world) openToAll() {
	w.t.Helper()
	for dir := w.dir; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
}

// fuseForAll makes a name space where everybody may use /dev/fuse, as udev has it,
// and returns what runs a command in there.
func (w *world) fuseForAll() []string {
	w.t.Helper()
	need(w.t, "unshare", "nsenter")
	node, ready := filepath.Join(w.dir, "fuse"), filepath.Join(w.dir, "inside")
	holder := startProcess(w.t, nil, "unshare", "-m", "sh", "-euc",
		`mknod -m 666 "$0" c 10 229; mount --bind "$0" /dev/fuse; : >"$1"; exec sleep 600`, node, ready)
	w.t.Cleanup(func() { holder.end(w.t, syscall.SIGKILL) })
	if _, err := awaitFile(ready, holder.ended); err != nil {
		w.t.Skipf("no name space of its own for /dev/fuse: %s", holder.output())
	}
	pid := fmt.Sprint(holder.cmd.Process.Pid)
	w.mounts = "/proc/" + pid + "/mounts"
	return []string{"nsenter", "-m", "-t", pid, "--"}
}

// TestAllowOther: others may look into a mount if it says so.
func TestAllowOther(t *testing.T) {
	w := newWorld(t, "--write-back", "0s")
	need(t, "setpriv")
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	w.openToAll()
	w.sh("echo seen >a")
	read := func() (string, error) {
		out, err := exec.Command(asNobody[0], append(asNobody[1:], "cat", filepath.Join(w.archive(), "a"))...).CombinedOutput()
		return string(out), err
	}
	if out, err := read(); err == nil || !strings.Contains(out, "Permission denied") {
		t.Errorf("without allow_other: %q, %v", out, err)
	}
	w.unmount()
	w.mount("-o", "allow_other")
	if out, err := read(); err != nil || out != "seen\n" {
		t.Errorf("with allow_other: %q, %v", out, err)
	}
}

// TestNotify: systemd hears when the mount is there, and when it is about to go.
func TestNotify(t *testing.T) {
	w := newWorld(t)
	w.unmount()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(w.dir, "s")})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	w.env = append(w.env, "NOTIFY_SOCKET="+filepath.Join(w.dir, "s"))
	hear := func() string {
		socket.SetReadDeadline(time.Now().Add(30 * time.Second))
		b := make([]byte, 100)
		n, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	w.mount()
	if got := hear(); got != "READY=1" {
		t.Errorf("mounted, it says %q", got)
	}
	w.unmount()
	if got := hear(); got != "STOPPING=1" {
		t.Errorf("ending, it says %q", got)
	}
}
