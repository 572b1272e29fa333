package place

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"jottatools/lib/record"
)

// A time is set as it is, or it is an error: a file system, and a count of nanoseconds,
// can make any other time of it.
func TestTimes(t *testing.T) {
	dir := t.TempDir()
	tree := open(t, dir)
	folder, err := tree.Enter("sub")
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Release()
	for _, at := range []string{"0001-01-01T00:00:01Z", "1677-09-21T00:12:43Z", "1800-01-01T00:00:00Z", "1901-12-13T20:45:52Z", "1969-12-31T23:59:59Z",
		"2020-02-03T04:05:06Z", "2038-01-19T03:14:08Z", "2106-02-07T06:28:16Z", "2262-04-11T23:47:17Z", "2300-01-01T00:00:00Z", "9999-12-31T23:59:59Z"} {
		want, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		part, err := folder.Part("f"+at[:4], "label")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		err = part.Finish(0, want)
		part.Close(false)
		// Whatever it is, the file has its name.
		info, statErr := os.Stat(filepath.Join(dir, "sub", "f"+at[:4]))
		if statErr != nil {
			t.Fatal(statErr)
		}
		var e *record.Error
		if d := info.ModTime().Sub(want).Abs(); err == nil && d > 2*time.Second || err != nil && !errors.As(err, &e) || d == 0 && err != nil {
			t.Errorf("finished with %s: it is %s, and the error is %v", at, info.ModTime().UTC(), err)
		}
		if again := folder.SetTime("f"+at[:4], want); (again == nil) != (err == nil) {
			t.Errorf("SetTime: %v, Finish: %v", again, err)
		}
	}
}
