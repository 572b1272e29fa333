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
