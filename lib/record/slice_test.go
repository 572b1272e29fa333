package record

import (
	"fmt"
	"testing"
)

func TestParseSlice(t *testing.T) {
	for text, want := range map[string]Slice{
		"1/1": {1, 1}, "3/30": {3, 30}, "08/31": {8, 31}, "10000/10000": {10000, 10000},
		"": {}, "3": {}, "0/3": {}, "4/3": {}, "-1/3": {}, "1/10001": {}, "1/3/4": {}, "a/b": {}, " 1/3": {}, "1/": {},
	} {
		got, err := ParseSlice(text)
		if got != want || (err == nil) != (want != Slice{}) {
			t.Errorf("ParseSlice(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

// TestSlicesAreAll: each path is in one slice, for ever the same, and none has
// much more than its share.
func TestSlicesAreAll(t *testing.T) {
	const of, paths = 30, 30_000
	in := make([]int, of+1)
	for n := range paths {
		path, found := fmt.Sprintf("dir%d/IMG_%04d.jpg", n%7, n), 0
		for i := 1; i <= of; i++ {
			if (Slice{i, of}).Contains(path) {
				in[i]++
				found++
			}
		}
		if found != 1 {
			t.Fatalf("%s is in %d slices", path, found)
		}
	}
	for i, n := range in[1:] {
		if n < paths/of*8/10 || n > paths/of*12/10 {
			t.Errorf("slice %d has %d of %d paths", i+1, n, paths)
		}
	}
	if !(Slice{4, 30}).Contains("2025/a.jpg") {
		t.Error("slices are not what they were: what has been read back would be in others now")
	}
}

func FuzzParseSlice(f *testing.F) {
	for _, s := range []string{"1/1", "3/30", "08/31", "+1/2", "1/10001", "1/3/4", "99999999999/99999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseSlice(s)
		if err != nil {
			return
		}
		if again, err := ParseSlice(got.String()); again != got || err != nil {
			t.Errorf("ParseSlice(%q) = %v, which is read as %v, %v", s, got, again, err)
		}
		if got.N < 1 || got.N > got.Of || got.Of > maxSlices {
			t.Errorf("ParseSlice(%q) = %v", s, got)
		}
		got.Contains(s)
	})
}
