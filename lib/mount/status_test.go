//go:build linux

package mount

import (
	"context"
	"testing"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// refusing is a service that takes no file, for one reason.
type refusing struct {
	Service
	class record.Class
}

func (s *refusing) Allocate(_ context.Context, p jfs.Path, _ jfs.Content) (*jfs.Allocation, error) {
	return nil, &jfs.Error{Op: "upload", Path: p, Class: s.class, Message: "no"}
}

func (s *refusing) AllocateNew(ctx context.Context, p jfs.Path, content jfs.Content) (*jfs.Allocation, error) {
	return s.Allocate(ctx, p, content)
}

// TestState: a monitor sees from one word whether somebody has to do something.
func TestState(t *testing.T) {
	for _, test := range []struct {
		class record.Class
		want  string
	}{
		{"", StateOK},
		{record.ClassQuota, StateFull},
		{record.ClassForbidden, StateFailed},
		{record.ClassAuth, StateLogin},
	} {
		var service Service = newService(t)
		if test.class != "" {
			service = &refusing{service, test.class}
		}
		f, archive := openTestFS(t, service, t.TempDir(), 0)
		save(t, f, archive, "a", "x")
		f.uploads.drain(t.Context())
		if got := f.status().State; got != test.want {
			t.Errorf("%q: the mount is %s, want %s", test.class, got, test.want)
		}
		if err := f.close(); (err != nil) != (test.class != "") { // it says what is left
			t.Error(err)
		}
	}
}
