package transfer

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

func TestMove(t *testing.T) {
	const old, fresh = dest + "/old", dest + "/new"
	tests := []struct {
		name  string
		given func(f *fake, rec *record.Record) // before
		want  string                            // record: action, status, sent; then how many were moved, touched, uploaded, trashed
		class record.Class
	}{
		{"moved", func(*fake, *record.Record) {}, "move done: 1 moved, 0 touched, 0 uploaded, 0 trashed", ""},
		{"with another time", func(f *fake, rec *record.Record) { f.files[old].content.Modified = someDay }, "move done: 1 moved, 1 touched, 0 uploaded, 0 trashed", ""},
		{"moved before", func(f *fake, rec *record.Record) {
			f.files[fresh] = f.files[old]
			delete(f.files, old)
		}, "move done: 0 moved, 0 touched, 0 uploaded, 0 trashed", ""},
		{"moved before, and something is there again", func(f *fake, rec *record.Record) {
			f.files[fresh] = f.files[old]
			f.files[old] = &stored{content: jfs.Content{MD5: sum([]byte("other")), Size: 5}, complete: true}
		}, "move done: 0 moved, 0 touched, 0 uploaded, 0 trashed", ""},
		{"other content by now", func(f *fake, rec *record.Record) {
			f.files[old].content.MD5 = sum([]byte("other"))
		}, "put deduplicated: 0 moved, 0 touched, 0 uploaded, 0 trashed", ""},
		{"gone, with its content", func(f *fake, rec *record.Record) {
			delete(f.files, old)
			clear(f.known)
		}, "put done: 0 moved, 0 touched, 1 uploaded, 0 trashed", ""},
		{"something is in the way", func(f *fake, rec *record.Record) {
			f.files[fresh] = &stored{content: jfs.Content{MD5: sum([]byte("other"))}, complete: true}
		}, "put deduplicated: 1 moved, 0 touched, 0 uploaded, 1 trashed", ""},
		{"in the way of itself", func(f *fake, rec *record.Record) {
			rec.From = dest + "/NEW"
			f.files[dest+"/NEW"] = f.files[old]
			f.files[fresh] = &stored{content: jfs.Content{MD5: sum([]byte("other"))}, complete: true}
		}, "put deduplicated: 1 moved, 0 touched, 0 uploaded, 0 trashed", ""},
		{"trouble", func(f *fake, rec *record.Record) {
			f.before = func(op string, p jfs.Path) error {
				if op == "mv" {
					return answer(p, record.ClassServer, 503)
				}
				return nil
			}
		}, "move failed: 1 moved, 0 touched, 0 uploaded, 0 trashed", record.ClassServer},
		{"changed on disk", func(_ *fake, rec *record.Record) { rec.MTime = rec.MTime.Add(-time.Hour) }, "move skipped: 0 moved, 0 touched, 0 uploaded, 0 trashed", ""},
		{"gone from disk", func(_ *fake, rec *record.Record) { rec.Path = "gone" }, "move skipped: 0 moved, 0 touched, 0 uploaded, 0 trashed", ""},
		{"not on disk", func(_ *fake, rec *record.Record) { rec.Root = "" }, "move failed: 0 moved, 0 touched, 0 uploaded, 0 trashed", record.ClassInternal},
		{"nowhere", func(_ *fake, rec *record.Record) { rec.From = "" }, "move failed: 0 moved, 0 touched, 0 uploaded, 0 trashed", record.ClassInternal},
		{"from a mount point", func(f *fake, rec *record.Record) { rec.From = "/Jotta" }, "move failed: 0 moved, 0 touched, 0 uploaded, 0 trashed", record.ClassInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			rec := newTree(t).write(t, "new", "content")
			rec.Action, rec.Reason, rec.From = record.ActionMove, record.ReasonRenamed, old
			f.files[old] = &stored{content: jfs.Content{Size: rec.Size, MD5: rec.MD5, Modified: rec.MTime}, data: []byte("content"), complete: true}
			f.known[rec.MD5] = true
			tt.given(f, rec)
			res := uploadPlan(t, f, UploadOptions{firstPause: time.Millisecond}, rec)
			got := res.records[0]
			line := fmt.Sprintf("%s %s: %d moved, %d touched, %d uploaded, %d trashed", got.Action, got.Status, f.count("mv"), f.count("touch"), f.count("upload"), f.count("dl"))
			if line != tt.want {
				t.Errorf("%s, want %s (%v, %v)", line, tt.want, got.Error, res.err)
			}
			if tt.class != "" && (got.Error == nil || got.Error.Class != tt.class) {
				t.Errorf("error %v, want class %s", got.Error, tt.class)
			}
			if got.Status == record.StatusSkipped {
				if got.Reason != record.ReasonChanging || f.files[old] == nil {
					t.Errorf("%+v; %+v is there", got, f.files[old])
				}
				return
			}
			if tt.class == "" && (res.err != nil || f.files[fresh] == nil || f.files[fresh].content.MD5 != rec.MD5) {
				t.Errorf("%v; %+v is there", res.err, f.files[fresh])
			}
			if s := f.files[old]; got.Action == record.ActionMove && tt.class == "" && s != nil && s.content.MD5 == rec.MD5 {
				t.Error("the old one is there still")
			}
		})
	}
}

// TestMoveInterrupted holds that a move that a signal cuts off leaves as it came.
func TestMoveInterrupted(t *testing.T) {
	f := newFake()
	rec := newTree(t).write(t, "new", "content")
	rec.Action, rec.From = record.ActionMove, dest+"/old"
	f.files[dest+"/old"] = &stored{content: jfs.Content{Size: rec.Size, MD5: rec.MD5}, complete: true}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("signal")
	f.before = func(op string, p jfs.Path) error {
		if op == "mv" {
			cancel(why)
			return ctx.Err()
		}
		return nil
	}
	res := carryOut(t, stream(t, rec), func(in *record.Reader, out *record.Writer) error {
		return Upload(ctx, in, out, f, UploadOptions{Jobs: 1})
	})
	if got := res.records[0]; got.Action != record.ActionMove || got.Status != "" || got.Error != nil || !errors.Is(res.err, why) {
		t.Errorf("%+v, %v", got, res.err)
	}
}
