package local

import (
	"runtime"
	"testing"
	"time"

	"jottatools/lib/record"
)

func TestKeepsCTime(t *testing.T) {
	path := write(t, "f", "hello")
	fi, err := Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	var r record.Record
	Fill(&r, fi)
	r.CTime = r.MTime.Add(time.Hour) // apart from the mtime, in case the folder is behind FUSE
	if got := KeepsCTime(path, &r); got != (runtime.GOOS != "windows") {
		t.Errorf("KeepsCTime = %t for a file in a temporary folder", got)
	}
	if KeepsCTime(path+"-missing", &r) {
		t.Error("KeepsCTime = true for a file that is not there")
	}
	r.CTime = time.Time{}
	if KeepsCTime(path, &r) {
		t.Error("KeepsCTime = true for a record without a ctime")
	}
}

func TestMayBeMTime(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, "2024-01-02T10:00:"+s+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, test := range []struct {
		ctime, mtime string
		want         bool
	}{
		{"05", "05", true}, {"05.5", "05.5", true},
		{"04", "05", true}, {"06", "05", true}, {"04", "05.999999999", true}, // as zip and FAT round
		{"05.000000001", "05", false}, {"05.5", "05", false},
		{"03", "05", false}, {"07", "05", false}, {"20", "05", false},
	} {
		if got := mayBeMTime(at(test.ctime), at(test.mtime)); got != test.want {
			t.Errorf("mayBeMTime(%s, %s) = %t", test.ctime, test.mtime, got)
		}
	}
}
