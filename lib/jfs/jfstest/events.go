package jfstest

import (
	"context"
	"testing"
	"time"

	"jottatools/lib/jfs"
)

// eventPatience bounds how long the service may take to tell what has happened.
const eventPatience = time.Minute

// events listens while files and folders change. Others may use the account
// meanwhile, so only what is below the test's own folder counts.
func (s suite) events(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), eventPatience)
	defer cancel()
	dir := s.root.Join("events é")
	file, moved := dir.Join("a＊b 100%"), dir.Join("moved")
	steps := []struct {
		do   func() error
		kind jfs.EventKind
		path jfs.Path
	}{
		{func() error { return s.c.MkDir(ctx, dir) }, jfs.EventMkDir, dir},
		{func() error { s.put(t, file, unique("events")); return nil }, jfs.EventUpload, file},
		{func() error { return s.c.Move(ctx, file, moved) }, jfs.EventMove, file},
		{func() error { return s.c.Trash(ctx, moved) }, jfs.EventTrash, moved},
		{func() error { return s.c.Restore(ctx, moved) }, jfs.EventRestore, moved},
		{func() error { return s.c.RemoveDir(ctx, dir) }, jfs.EventRemoveDir, dir},
	}
	done := 0
	for e, err := range s.c.Events(ctx) {
		if err != nil {
			t.Fatalf("after %d of %d steps: %v", done, len(steps), err)
		}
		if e.Kind != jfs.EventSubscribed {
			if !e.Path.In(dir) {
				continue
			}
			step := steps[done]
			if e.Kind != step.kind || e.Path != step.path || e.Foreign || e.Time.IsZero() {
				t.Errorf("event %+v, want %s of %s", e, step.kind, step.path)
			}
			if e.Kind == jfs.EventMove && e.To != moved {
				t.Errorf("moved to %s, want %s", e.To, moved)
			}
			if info, err := s.c.Stat(ctx, e.Path); e.Kind == jfs.EventUpload && (err != nil || info.Revision != e.Revision) {
				t.Errorf("the event tells of %+v, there is %+v, %v", e.Revision, info.Revision, err)
			}
			done++
		}
		if done == len(steps) {
			return
		}
		if err := steps[done].do(); err != nil {
			t.Fatal(err)
		}
	}
}
