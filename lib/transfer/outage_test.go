package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// hang is how long a request takes whose answer never comes: the client's own limit.
const hang = 3 * time.Minute

func silence() error {
	time.Sleep(hang)
	return answer("", record.ClassNetwork, 0)
}

// mute is a service that hands nothing out and does not say so.
type mute struct {
	*shelf
	tries atomic.Int64
}

func (m *mute) Open(context.Context, jfs.Path, int64, int64) (io.ReadCloser, error) {
	m.tries.Add(1)
	return nil, silence()
}

// TestSilentService: a service that says nothing ends a run, however much there is to
// do, within minutes and after few requests.
func TestSilentService(t *testing.T) {
	const entries, jobs = 300, 6
	for name, run := range map[string]func(t *testing.T, d tree, records []*record.Record) (requests int, err error){
		"upload, at the account":  silentUpload("customer"),
		"upload, at the allocate": silentUpload("allocate"),
		"upload, at the content":  silentUpload("upload"),
		"upload, of folders":      silentUpload("mkdir"),
		"delete, at the deletion": silentDelete("dl"),
		"download, at the content": func(t *testing.T, d tree, records []*record.Record) (int, error) {
			var names []string
			for _, rec := range records {
				names = append(names, rec.Path)
			}
			m := &mute{shelf: shelve(names...)}
			var b bytes.Buffer
			w := record.NewWriter(&b, "jget")
			defer w.Close()
			err := Download(t.Context(), m.listing(names...), w, m, t.TempDir(), DownloadOptions{Jobs: jobs})
			return int(m.tries.Load()), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTree(t)
			records := many(t, d, entries)
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				requests, err := run(t, d, records)
				if took := time.Since(start); took > 10*time.Minute || requests > 3*jobs {
					t.Errorf("the run ended after %v and %d requests that hung", took, requests)
				}
				var e *jfs.Error
				if !errors.As(err, &e) || e.Class != record.ClassNetwork {
					t.Errorf("the run ended with %v", err)
				}
			})
		})
	}
}

func silentUpload(at string) func(*testing.T, tree, []*record.Record) (int, error) {
	return func(t *testing.T, _ tree, records []*record.Record) (int, error) {
		if at == "mkdir" {
			for i := range records {
				records[i] = mkdir(fmt.Sprint(i))
			}
		}
		f := newFake()
		f.before = func(op string, _ jfs.Path) error {
			if op == at {
				return silence()
			}
			return nil
		}
		res := uploadPlan(t, f, UploadOptions{Jobs: 6}, records...)
		return f.count(at), res.err
	}
}

func silentDelete(at string) func(*testing.T, tree, []*record.Record) (int, error) {
	return func(t *testing.T, _ tree, records []*record.Record) (int, error) {
		f := newFake()
		for _, rec := range records {
			rec.Action, rec.Reason = record.ActionDelete, record.ReasonGone
			f.files[jfs.Path(rec.Remote)] = &stored{content: jfs.Content{Size: rec.Size, MD5: rec.MD5}, complete: true}
		}
		f.before = func(op string, _ jfs.Path) error {
			if op == at {
				return silence()
			}
			return nil
		}
		res := carryOut(t, stream(t, records...), func(in *record.Reader, out *record.Writer) error {
			return Delete(t.Context(), in, out, f, DeleteOptions{Jobs: 6})
		})
		return f.count(at), res.err
	}
}
