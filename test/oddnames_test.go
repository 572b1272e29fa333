//go:build linux

package test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOddNames: a name is refused when it is made, or it comes back as it is from the
// service; none is taken that can never be stored.
func TestOddNames(t *testing.T) {
	w := newWorld(t, "--write-back", "0s")
	dir := filepath.Join(w.archive(), "odd")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	taken := map[string]bool{}
	for _, test := range []struct {
		name string
		want syscall.Errno // 0: it comes back
	}{
		{"\x01\x1f control", 0},
		{"tab\there", 0},
		{"new\nline", 0},
		{"\x7f delete", 0},
		{`all of "*:<>?|%`, 0},
		{`back\slash`, 0},
		{" ", 0},
		{" in front", 0},
		{"behind ", 0},
		{"dot.", 0},
		{"dots...", 0},
		{"...", 0},
		{"-", 0},
		{"~", 0},
		{"．", 0},
		{"．．", 0},
		{"＂＊：＜＞？｜％ literally", 0},
		{"␀␁␟␡ literally", 0},
		{"\xff not UTF-8 \xfe", 0},
		{"\xc0\xaf too long for what it is", 0},
		{"\xed\xa0\x80 half of a pair", 0},
		{"\xed\xb0\x80\xed\xa0\x80 both, the wrong way round", 0},
		{"\ufffd what stands for it", 0},
		{"\u00e9 composed", 0},
		{"e\u0301 combined", 0},
		{"\ufb01 ligature", 0},
		{"\u0130\u0131\u017f\u1e9e letters without one case", 0},
		{"\ufeff mark", 0},
		{"\u202e backwards", 0},
		{"zero\u200b\u200dwidth", 0},
		{"\u2028 line", 0},
		{"\U0001f600 face", 0},
		{"\U0001fffe\U0010ffff not characters, but stored", 0},
		{"\ufdd0\ufdef likewise", 0},
		{"a@rev", 0},
		{"CON", 0},
		{"nul.txt", 0},
		{strings.Repeat("a", 255), 0},
		{strings.Repeat("*", 255), 0},
		{strings.Repeat("å", 127), 0},
		{strings.Repeat("\xff", 85), 0},

		{"\ufffe swapped mark", syscall.EINVAL},
		{"in the midst \uffff of it", syscall.EINVAL},
		{"‛", syscall.EINVAL},
		{"‛FF", syscall.EINVAL},
		{"a ‛＊ b", syscall.EINVAL},
		{"a@rev7", syscall.EPERM},
		{"Thumbs.db", syscall.EPERM},
		{strings.Repeat("a", 256), syscall.ENAMETOOLONG},
		{strings.Repeat("\xff", 86), syscall.ENAMETOOLONG},
	} {
		path := filepath.Join(dir, test.name)
		err := os.WriteFile(path, []byte(test.name), 0o600)
		if test.want == 0 && err != nil || test.want != 0 && !errors.Is(err, test.want) {
			t.Errorf("create %q: %v, want %v", test.name, err, test.want)
		}
		if err == nil {
			taken[test.name] = true
			continue
		}
		if mkdirErr := os.Mkdir(path, 0o700); !errors.Is(mkdirErr, test.want) {
			t.Errorf("mkdir %q: %v, want %v", test.name, mkdirErr, test.want)
		}
		plain := filepath.Join(dir, "plain")
		if renameErr := errors.Join(os.WriteFile(plain, nil, 0o600), os.Rename(plain, path)); !errors.Is(renameErr, test.want) {
			t.Errorf("rename to %q: %v, want %v", test.name, renameErr, test.want)
		}
		if err := os.Remove(plain); err != nil {
			t.Error(err)
		}
	}
	w.uploaded()
	w.unmount()
	if left, _ := filepath.Glob(filepath.Join(w.dir, "state/jottatools/*/*.data")); len(left) > 0 {
		t.Errorf("left in the spool: %q", left)
	}
	if err := os.RemoveAll(filepath.Join(w.dir, "cache")); err != nil {
		t.Fatal(err)
	}
	w.mount()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil || string(b) != e.Name() {
			t.Errorf("%q holds %q, %v", e.Name(), b, err)
		}
		if !taken[e.Name()] {
			t.Errorf("%q came from nowhere", e.Name())
		}
		delete(taken, e.Name())
	}
	for name := range taken {
		t.Errorf("%q did not come back", name)
	}
}
