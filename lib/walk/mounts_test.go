package walk

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"jottatools/lib/record"
)

// Where the platform does not tell file systems apart, no folder is said to be unmounted.
func TestMountsWithoutDevices(t *testing.T) {
	g := &mountGuard{w: new(walker)}
	for kind, want := range map[record.Kind]bool{record.KindDir: true, record.KindFile: false, record.KindSymlink: false} {
		if got := g.seen(&record.Record{Kind: kind}); got != want {
			t.Errorf("seen(%s) = %v, want %v", kind, got, want)
		}
	}
}

func TestReadMounts(t *testing.T) {
	for text, want := range map[string][]string{
		"":                            nil,
		"a\x00":                       {"a"},
		"b/c d\x00a\n\xff\x00..a\x00": {"b/c d", "a\n\xff", "..a"},
	} {
		if got, err := readMounts(strings.NewReader(text)); err != nil || !slices.Equal(got, want) {
			t.Errorf("readMounts(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"a":                                      "NUL byte",
		"a\x00b":                                 "NUL byte",
		"\x00":                                   `"" is not the path`,
		"a\x00\x00":                              `"" is not the path`,
		"/a\x00":                                 `"/a" is not the path`,
		"a/\x00":                                 `"a/" is not the path`,
		".\x00":                                  `"." is not the path`,
		"./a\x00":                                `"./a" is not the path`,
		"a/../b\x00":                             `"a/../b" is not the path`,
		"../a\x00":                               `"../a" is not the path`,
		"a//b\x00":                               `"a//b" is not the path`,
		strings.Repeat("a/b\x00", maxMounts/4+1): "larger than 16 MiB",
	} {
		if got, err := readMounts(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("readMounts(%.20q) = %d paths, %v, want an error with %s", text, len(got), err, want)
		}
	}
	if _, err := readMounts(strings.NewReader(strings.Repeat("a/b\x00", maxMounts/4))); err != nil {
		t.Error(err)
	}
	if _, err := readMounts(iotest.ErrReader(fs.ErrPermission)); fmt.Sprint(err) != fs.ErrPermission.Error() {
		t.Errorf("ReadMounts of what cannot be read = %v", err)
	}
}
