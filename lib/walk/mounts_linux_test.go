package walk

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// mountAt mounts an empty file system in the folder dir until the test ends, or skips
// the test if that is not allowed.
func mountAt(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		t.Skip("mount:", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// collectMounts walks and returns what collect does, with "mount" at the end of a line for
// each mount point.
func collectMounts(t *testing.T, opts Options) (lines []string) {
	t.Helper()
	if err := Tree(t.Context(), opts, func(r *record.Record) error {
		s := line(r)
		if r.Mount {
			s += " mount"
		}
		lines = append(lines, s)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestMount(t *testing.T) {
	root := makeTree(t, "a/disk/", "a/f", "a/plain/g", "p/q")
	disk := filepath.Join(root, "a", "disk")
	mountAt(t, disk)
	writeFile(t, filepath.Join(disk, "sub", "f"), "")
	if err := os.Symlink(filepath.Join(disk, "sub"), filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a/plain", filepath.Join(root, "near")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		opts Options
		want []string
	}{
		{"mount point", Options{Prefix: "a"}, []string{"dir a", "dir a/disk mount", "dir a/disk/sub", "file a/disk/sub/f", "file a/f", "dir a/plain", "file a/plain/g"}},
		{"linked", Options{Follow: true, Rules: except(t, "/a", "/p")}, []string{"dir a ignored (ignored)", "dir link mount", "file link/f", "dir near", "file near/g", "dir p ignored (ignored)"}},
		{"links that are not followed", Options{Rules: except(t, "/a", "/p")}, []string{"dir a ignored (ignored)", "symlink link -> " + disk + "/sub", "symlink near -> a/plain", "dir p ignored (ignored)"}},
		{"left out", Options{Prefix: "a", Rules: except(t, "disk", "plain")}, []string{"dir a", "dir a/disk ignored (ignored) mount", "file a/f", "dir a/plain ignored (ignored)"}},
		{"listed with a record of its own", Options{Root: filepath.Join(root, "a"), Prefix: "disk"}, []string{"dir disk mount", "dir disk/sub", "file disk/sub/f"}},
		{"a link with a record of its own", Options{Prefix: "link"}, []string{"dir link mount", "file link/f"}},
		{"the root itself", Options{Root: disk}, []string{"dir sub", "file sub/f"}},
	} {
		if c.opts.Root == "" {
			c.opts.Root = root
		}
		if diff := cmp.Diff(c.want, collectMounts(t, c.opts)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
	}
}

// What was a mount point at the last run and is not now has not been seen, wherever it
// would stand in the tree.
func TestMountsNotSeen(t *testing.T) {
	root := makeTree(t, ".jottaignore = /ignored|/deep/none/left", "a/disk/", "a/usb/f", "a/z", "B/f", "deep/x", "file", "ignored/disk/", "dangling -> nowhere", "tagged/.nobackup", "tagged/disk/", "young", "zz/f")
	disk := filepath.Join(root, "a", "disk")
	mountAt(t, disk)
	writeFile(t, filepath.Join(disk, "sub", "f"), "")
	if err := os.Symlink(filepath.Join(disk, "sub"), filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a/usb", filepath.Join(root, "near")); err != nil {
		t.Fatal(err)
	}
	const gone = " (unreadable) error vanished"
	all := Options{Tags: []Tag{{".nobackup", ""}}}
	linked := Options{Tags: all.Tags, Follow: true}
	for _, c := range []struct {
		name   string
		opts   Options
		mounts string
		want   []string // of what is listed, only these are looked at: mounts and what is beneath them
	}{
		{"it is mounted", all, "a/disk", []string{"dir a/disk mount", "dir a/disk/sub", "file a/disk/sub/f"}},
		{"it is a folder", all, "a/usb", []string{"dir a/usb" + gone, "file a/usb/f"}},
		{"it has vanished, between others", all, "a/tape", []string{"dir a/tape" + gone}},
		{"so has what is above it", all, "B/b/c/disk", []string{"dir B/b/c/disk" + gone}},
		{"several of them, also within another", all, "zzz\x00a/tape\x00a/tape/in\x00a/usb\x00a/usb/in\x00Zzy/y\x00a/tape", []string{"dir a/tape" + gone, "dir a/tape/in" + gone, "dir a/usb" + gone, "file a/usb/f", "dir a/usb/in" + gone, "dir Zzy/y" + gone, "dir zzz" + gone}},
		{"before and after all", all, " \x00\xff\xff", []string{"dir  " + gone, "dir \xff\xff" + gone}},
		{"a file is in its place", all, "file", []string{"dir file" + gone}},
		{"a file is in the place of what is above it", all, "file/disk", []string{"file file", "dir file/disk" + gone}},
		{"a dangling link is in its place", all, "dangling", []string{"dir dangling" + gone}},
		{"a dangling link is followed", linked, "dangling", []string{"dir dangling" + gone}},
		{"a link to another file system", linked, "link", []string{"dir link mount", "file link/f"}},
		{"a link that is not followed", all, "link", []string{"dir link" + gone}},
		{"a link to this file system", linked, "near", []string{"dir near" + gone, "file near/f"}},
		{"a rule leaves it out", all, "ignored", []string{"dir ignored ignored (ignored)"}},
		{"a rule leaves out what is above it", all, "ignored/disk\x00ignored/tape", []string{"dir ignored ignored (ignored)"}},
		{"a tag leaves out what is above it", all, "tagged/disk\x00tagged/tape", []string{"dir tagged ignored (ignored)"}},
		{"a rule would leave it out if it were there", all, "deep/none/left\x00deep/none/left/x\x00deep/none/listed", []string{"dir deep/none/listed" + gone}},
		{"a flag would leave it out", Options{Rules: except(t, "tape")}, "x/tape\x00x/tape2", []string{"dir x/tape2" + gone}},
		{"it is left out as another file system", Options{OneFileSystem: true}, "a/disk", []string{"dir a/disk ignored (elsewhere) mount"}},
		{"only what is listed counts", Options{Prefix: "a"}, "B/x\x00a/usb\x00A\x00a/tape\x00a.b\x00zzz", []string{"dir a/tape" + gone, "dir a/usb" + gone, "file a/usb/f"}},
		{"of what is listed, the top, too", Options{Prefix: "a"}, "a", []string{"dir a" + gone, "dir a/disk mount", "dir a/disk/sub", "file a/disk/sub/f", "file a/z", "dir a/usb", "file a/usb/f"}},
		{"nothing is looked for", all, "", nil},
	} {
		c.opts.Root = root
		if c.mounts != "" {
			c.opts.Mounts = strings.Split(c.mounts, "\x00")
		}
		for _, jobs := range []int{1, 4} {
			c.opts.Jobs = jobs
			var got []string
			last := ""
			err := Tree(t.Context(), c.opts, func(r *record.Record) error {
				if last != "" && record.Compare(last, r.Path) >= 0 {
					t.Errorf("%s: %q comes after %q", c.name, r.Path, last)
				}
				last = r.Path
				if r.Root != root {
					t.Errorf("%s: the root of %q is %q", c.name, r.Path, r.Root)
				}
				if !slices.ContainsFunc(c.opts.Mounts, func(m string) bool {
					return record.Under(r.Path, m) || record.Under(m, r.Path) && (r.Ignored || r.Kind != record.KindDir)
				}) {
					return nil
				}
				s := line(r)
				if r.Mount {
					s += " mount"
				}
				got = append(got, s)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(got) // their order has been looked at
			want := slices.Sorted(slices.Values(c.want))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", c.name, diff)
			}
		}
	}
}

// A folder that cannot be looked into hides whether anything is mounted in it.
func TestMountBehindError(t *testing.T) {
	root := makeTree(t, "a/disk/f", "b/f", "n/f")
	long := "n/" + strings.Repeat("x", 300)
	opts := Options{Root: root, Mounts: []string{"a/disk", "b/disk", long}, opening: func(path string) error {
		if strings.HasSuffix(path, "/a") {
			return &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
		}
		return nil
	}}
	var got []string
	if err := Tree(t.Context(), opts, func(r *record.Record) error {
		if r.Error != nil {
			got = append(got, r.Path+": "+r.Error.Message)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a: open ", "a/disk: a file system was mounted here at an earlier run, and the walk did not come to it", "b/disk: a file system was mounted here at an earlier run and is not now", long + ": a file system was mounted here at an earlier run, and cannot be seen now: stat "} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Errorf("errors %q\nwant one that begins with %q", got, want)
		}
	}
}

// An automounter mounts when the folder is opened, after it has been looked at.
func TestMountedWhenOpened(t *testing.T) {
	for _, c := range []struct {
		opts Options
		want string
	}{
		{Options{}, "dir a, dir a/disk mount, dir a/disk/sub, file a/disk/sub/f"},
		{Options{OneFileSystem: true}, "dir a, dir a/disk ignored (elsewhere) mount"},
	} {
		root := makeTree(t, "a/disk/")
		disk := filepath.Join(root, "a", "disk")
		var once sync.Once
		c.opts.Root = root
		c.opts.opening = func(path string) error {
			if path == disk {
				once.Do(func() {
					mountAt(t, disk)
					writeFile(t, filepath.Join(disk, "sub", "f"), "")
				})
			}
			return nil
		}
		c.opts.Jobs = 1 // t.Skip belongs to this goroutine
		if got := strings.Join(collectMounts(t, c.opts), ", "); got != c.want {
			t.Errorf("listed %s\nwant %s", got, c.want)
		}
	}
}

// The files of an overlay bear the device of the layer they are on, unlike its folders.
func TestOneFileSystemOnOverlay(t *testing.T) {
	root := makeTree(t, "lower/", "upper/", "overlay/")
	at := func(path string) string { return filepath.Join(root, path) }
	mountAt(t, at("lower"))
	mountAt(t, at("upper"))
	for _, path := range []string{"lower/low", "lower/both/low", "upper/top/both/up", "upper/top/up", "upper/work/x"} {
		writeFile(t, at(path), path)
	}
	if err := syscall.Mount("overlay", at("overlay"), "overlay", 0, "lowerdir="+at("lower")+",upperdir="+at("upper/top")+",workdir="+at("upper/work")); err != nil {
		t.Skip("mount an overlay:", err)
	}
	t.Cleanup(func() { syscall.Unmount(at("overlay"), syscall.MNT_DETACH) })
	if err := os.Mkdir(at("overlay/disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	mountAt(t, at("overlay/disk"))
	devices := map[uint64]bool{}
	for _, path := range []string{"overlay", "overlay/low", "overlay/up"} {
		info, err := local.Lstat(at(path))
		if err != nil {
			t.Fatal(err)
		}
		devices[local.Device(info)] = true
	}
	if len(devices) < 2 {
		t.Skip("the files of this overlay bear its own device")
	}
	want := []string{"dir both", "file both/low", "file both/up", "dir disk ignored (elsewhere) mount", "file low", "file up"}
	if diff := cmp.Diff(want, collectMounts(t, Options{Root: at("overlay"), OneFileSystem: true})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// loopAt mounts a file with a new file system in the folder dir until the test ends, or
// skips the test if that cannot be done.
func loopAt(t *testing.T, dir, kind string, size int64) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	writeFile(t, image, "")
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs."+kind, "-q", image)
	run(t, "mount", "-o", "loop", image, dir)
	t.Cleanup(func() { exec.Command("umount", dir).Run() })
}

// run skips the test if the command fails: the machine may lack it, or not allow it.
func run(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Skipf("%v: %v: %s", command, err, out)
	}
}

// In a snapshot an empty folder stands for each subvolume that is not in it.
func TestSnapshot(t *testing.T) {
	root := makeTree(t, "disk/")
	disk := filepath.Join(root, "disk")
	loopAt(t, disk, "btrfs", 120<<20)
	run(t, "btrfs", "subvolume", "create", disk+"/data")
	run(t, "btrfs", "subvolume", "create", disk+"/data/nested")
	writeFile(t, disk+"/data/f", "")
	writeFile(t, disk+"/data/nested/g", "")
	run(t, "btrfs", "subvolume", "snapshot", "-r", disk+"/data", disk+"/snapshot")
	want := []string{
		"dir data mount", "file data/f", "dir data/nested mount", "file data/nested/g",
		"dir snapshot mount", "file snapshot/f", "dir snapshot/nested (unreadable) error vanished",
	}
	for _, mounts := range [][]string{nil, {"data/nested", "snapshot/nested"}} {
		if diff := cmp.Diff(want, collectMounts(t, Options{Root: disk, Mounts: mounts})); diff != "" {
			t.Errorf("with the mounts %q: -want +got:\n%s", mounts, diff)
		}
	}
	want = []string{"file f", "dir nested ignored (elsewhere) mount"}
	if diff := cmp.Diff(want, collectMounts(t, Options{Root: disk + "/snapshot", OneFileSystem: true})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	err := Tree(t.Context(), Options{Root: disk + "/snapshot/nested"}, func(r *record.Record) error {
		t.Errorf("listed %s", line(r))
		return nil
	})
	if local.Class(err) != record.ClassVanished {
		t.Errorf("Tree of what stands for a subvolume = %v", err)
	}
}

// The root of an ext4 file system has the inode number that btrfs uses for the folders
// which stand for subvolumes.
func TestInodeTwo(t *testing.T) {
	root := makeTree(t, "disk/")
	disk := filepath.Join(root, "disk")
	loopAt(t, disk, "ext4", 4<<20)
	writeFile(t, disk+"/f", "")
	info, err := local.Lstat(disk)
	if err != nil {
		t.Fatal(err)
	}
	r := new(record.Record)
	if local.Fill(r, info); r.Ino != 2 {
		t.Errorf("the root of the file system has inode number %d, want 2", r.Ino)
	}
	want := []string{"dir disk mount", "file disk/f", "dir disk/lost+found"}
	if diff := cmp.Diff(want, collectMounts(t, Options{Root: root})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
