package place

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"jottatools/lib/record"
)

func open(t *testing.T, dir string) *Tree {
	t.Helper()
	tree, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tree.Close)
	return tree
}

// put writes a file at path.
func put(tree *Tree, path, content string) error {
	i := strings.LastIndexByte(path, '/')
	folder, err := tree.Enter(path[:max(i, 0)])
	if err != nil {
		return err
	}
	if err := tree.Claim(folder, path[i+1:]); err != nil {
		return err
	}
	part, err := folder.Part(path[i+1:], content)
	if err != nil {
		return err
	}
	defer part.Close(false)
	if _, err := io.WriteString(part, content); err != nil {
		return err
	}
	return part.Finish(0, time.Time{})
}

func classOf(err error) record.Class {
	var e *record.Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// TestNothingLeavesTheFolder: neither names nor links lead out, even those that
// would be refused before they come here.
func TestNothingLeavesTheFolder(t *testing.T) {
	top := t.TempDir()
	dir, outside := filepath.Join(top, "dir"), filepath.Join(top, "outside")
	for _, d := range []string{dir, outside, filepath.Join(dir, "real")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"out": "../outside", "abs": outside, "in": "real", "file": "../outside/victim", "dangling": "../outside/new"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	if err := os.WriteFile(filepath.Join(outside, "victim"), []byte("safe"), 0o644); err != nil {
		t.Fatal(err)
	}
	tree := open(t, dir)
	for _, path := range []string{"out/x", "abs/x", "in/x", "out/a/b", "file", "dangling", "file/x", "../x", "../outside/victim", "real/../../x"} {
		if err := put(tree, path, "evil"); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	if err := put(tree, "real/fine", "good"); err != nil {
		t.Error(err)
	}
	var found []string
	filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.Type().IsRegular() {
			found = append(found, strings.TrimPrefix(path, top))
		}
		return err
	})
	if got := strings.Join(found, " "); got != "/dir/real/fine /outside/victim" {
		t.Errorf("files are now %s", got)
	}
	if b, _ := os.ReadFile(filepath.Join(outside, "victim")); string(b) != "safe" {
		t.Errorf("the file outside is now %q", b)
	}
}

// TestPartOfTwo: of two that fetch the same file, the second neither writes into the
// part of the first nor takes it away.
func TestPartOfTwo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("parts are not locked here")
	}
	dir := t.TempDir()
	enter := func() *Folder {
		folder, err := open(t, dir).Enter("")
		if err != nil {
			t.Fatal(err)
		}
		return folder
	}
	one, other := enter(), enter()
	first, err := one.Part("f", "id")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(first, "half")
	if _, err := other.Part("f", "id"); classOf(err) != record.ClassChanging {
		t.Fatalf("a second Part = %v, want class changing", err)
	}
	first.Close(true)
	second, err := other.Part("f", "id")
	if err != nil {
		t.Fatal(err)
	}
	if size, err := second.Size(); size != 4 || err != nil {
		t.Errorf("%d bytes are left of the first, %v; want 4", size, err)
	}
	if err := second.Finish(0, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Part("f", "id"); classOf(err) == record.ClassChanging {
		t.Error("the part with a name is still locked by it")
	}
	second.Close(false)
}

// TestPlantedPart: what stands in the place of a part makes way, and is not
// written through.
func TestPlantedPart(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "dir")
	tree := open(t, dir)
	folder, err := tree.Enter("")
	if err != nil {
		t.Fatal(err)
	}
	part, err := folder.Part("f", "id")
	if err != nil {
		t.Fatal(err)
	}
	name := part.temp
	part.Close(false)
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("safe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("victim", filepath.Join(dir, name)); err != nil {
		t.Skip(err)
	}
	part, err = folder.Part("f", "id")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(part, "new")
	if err := part.Finish(0o600, time.Unix(1, 5)); err != nil {
		t.Fatal(err)
	}
	part.Close(false)
	if b, _ := os.ReadFile(victim); string(b) != "safe" {
		t.Errorf("the other file is now %q", b)
	}
	info, err := os.Lstat(filepath.Join(dir, "f"))
	if err != nil || info.Mode() != 0o600 || !info.ModTime().Equal(time.Unix(1, 5)) {
		t.Errorf("the file is %v, %v", info, err)
	}
}

// TestSwappedPart: what somebody puts in the place of a part is neither taken for it nor
// given its mode and time.
func TestSwappedPart(t *testing.T) {
	dir := t.TempDir()
	tree := open(t, dir)
	folder, err := tree.Enter("")
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("of somebody else"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(other)
	if err != nil {
		t.Fatal(err)
	}
	part, err := folder.Part("file", "content")
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close(false)
	temp := filepath.Join(dir, part.temp)
	if err := errors.Join(os.Rename(temp, filepath.Join(dir, "aside")), os.Symlink("other", temp)); err != nil {
		t.Skip(err)
	}
	if err := part.Finish(0o666, time.Unix(1, 0)); classOf(err) != record.ClassChanging {
		t.Errorf("Finish: %v, want an error of the class changing", err)
	}
	after, err := os.Stat(other)
	if err != nil || after.Mode() != before.Mode() || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the other file has now %v, %v", after, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "file")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was planted has the name of the file: %v", err)
	}
}

// TestPartIsFoundAgain: what a killed program has left is there for the next, for
// the same content only.
func TestPartIsFoundAgain(t *testing.T) {
	dir := t.TempDir()
	folder, err := open(t, dir).Enter("")
	if err != nil {
		t.Fatal(err)
	}
	sizeOf := func(name, content string, keep bool, add string) int64 {
		part, err := folder.Part(name, content)
		if err != nil {
			t.Fatal(err)
		}
		size, err := part.Size()
		if err != nil {
			t.Fatal(err)
		}
		part.Seek(0, io.SeekEnd)
		io.WriteString(part, add)
		part.Close(keep)
		return size
	}
	for i, test := range []struct {
		name, content string
		keep          bool
		add           string
		want          int64
	}{
		{"f", "1", true, "abc", 0}, {"f", "1", true, "d", 3}, {"f", "2", true, "", 0}, {"g", "1", true, "", 0}, {"f", "1", false, "", 4}, {"f", "1", true, "", 0},
	} {
		if got := sizeOf(test.name, test.content, test.keep, test.add); got != test.want {
			t.Errorf("step %d: %d bytes are there, want %d", i, got, test.want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestFoldersGetTheirTimesAtTheEnd: also those whose content came last, and those
// that nobody may write to.
func TestFoldersGetTheirTimesAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	tree, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := tree.Enter("a")
	if err != nil || !a.New() {
		t.Fatal(err)
	}
	a.SetAtEnd(0o555, time.Unix(100, 1))
	b, err := tree.Enter("a/b")
	if err != nil {
		t.Fatal(err)
	}
	b.SetAtEnd(0o700, time.Unix(200, 2))
	b.Keep()
	if err := put(tree, "c", "c"); err != nil { // leaves a
		t.Fatal(err)
	}
	part, err := b.Part("late", "x")
	if err == nil {
		err = part.Finish(0, time.Time{})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Release()
	tree.Close()
	for path, want := range map[string]time.Time{"a": time.Unix(100, 1), "a/b": time.Unix(200, 2)} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || !info.ModTime().Equal(want) {
			t.Errorf("%s is of %v, want %v (%v)", path, info.ModTime(), want, err)
		}
	}
	os.Chmod(filepath.Join(dir, "a"), 0o755)
}

// TestNamesThatFold: a disk that ignores case holds one of two names.
func TestNamesThatFold(t *testing.T) {
	dir := t.TempDir()
	tree := open(t, dir)
	if tree.folds {
		t.Error("this disk is taken to ignore case")
	}
	tree.folds = true
	for _, step := range []struct {
		path string
		want record.Class
	}{
		{"A", ""}, {"a", record.ClassCaseConflict}, {"b/x", ""}, {"b/X", record.ClassCaseConflict}, {"B/y", record.ClassCaseConflict}, {"c", ""},
	} {
		if got := classOf(put(tree, step.path, "x")); got != step.want {
			t.Errorf("%s: class %q, want %q", step.path, got, step.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, name := range []string{"a:b", `a\b`, "a?", "con", "NUL.txt", "Com1", "lpt9.x", "COM¹", "a.", "a ", "x\x01", "aux .txt"} {
		if refused(name, "windows") == "" {
			t.Errorf("Windows is said to take %q", name)
		}
	}
	for _, name := range []string{"a", "console", "com", "com10", "lpt", ".a", "é", "a b"} {
		if why := refused(name, "windows"); why != "" {
			t.Errorf("Windows is said to refuse %q: %s", name, why)
		}
	}
	if why := refused(`con:\`, "linux"); why != "" {
		t.Errorf("Linux is said to refuse it: %s", why)
	}
}

func TestLink(t *testing.T) {
	dir := t.TempDir()
	folder, err := open(t, dir).Enter("")
	if err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1000, 7)
	if made, err := folder.Link("l", "/etc", when, false); err != nil || !made {
		t.Skipf("links: %v", err)
	}
	info, err := os.Lstat(filepath.Join(dir, "l"))
	if err != nil || !info.ModTime().Equal(when) {
		t.Errorf("the link is of %v, want %v", info.ModTime(), when)
	}
	if made, err := folder.Link("l", "/etc", when, false); err != nil || made {
		t.Errorf("the same again: %v, %v", made, err)
	}
	if _, err := folder.Link("l", "/usr", when, false); classOf(err) != record.ClassKindConflict {
		t.Errorf("another one: %v", err)
	}
	if made, err := folder.Link("l", "/usr", when, true); err != nil || !made {
		t.Errorf("another one, replaced: %v, %v", made, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Link("f", "/usr", when, true); classOf(err) != record.ClassKindConflict {
		t.Errorf("over a file: %v", err)
	}
}

// TestSync: what was put is brought to the disk, once for each file system, and
// nothing is if nothing was put.
func TestSync(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []int{1, 0} {
		tree, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		synced, broken := 0, errors.New("broken disk")
		tree.sync = func(*os.File) error { synced++; return broken }
		if _, err := tree.Enter("a/b"); err != nil {
			t.Fatal(err)
		}
		if err := tree.Sync(); synced != want || errors.Is(err, broken) != (want > 0) {
			t.Errorf("synced %d times, want %d: %v", synced, want, err)
		}
		tree.Close()
	}
}
