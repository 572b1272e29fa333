package diff

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"jottatools/lib/brake"
	"jottatools/lib/record"
)

func TestTrackRenames(t *testing.T) {
	half := brake.Limit{N: 50, Percent: true}
	for _, test := range []struct {
		name, source, target, want string
		max                        brake.Limit
		held                       string // part of why deletions were withheld
	}{
		{"renamed", "b=x", "a=x", "move b renamed < a", half, ""},
		{"nothing gone", "a=x b=x", "a=x", "none a same\nput b new", half, ""},
		{"other content", "b=y c=1", "a=x c=1", "none c same\nput b new\ndelete a gone", half, ""},
		{"another size", "b=xx c=1", "a=x c=1", "none c same\nput b new\ndelete a gone", half, ""},
		{"a folder, file by file", "n/ n/a=x n/b=y", "o/ o/a=x o/b=y", "mkdir n new\nmove n/a renamed < o/a\nmove n/b renamed < o/b\ndelete o gone", half, ""},
		{"empty files are all alike", "b=", "a= c=1", "put b new\nnone a held\nnone c held", brake.Limit{N: 0}, "--max-delete 0"},
		{"the same name goes first", "n/ n/b=x n/c=x", "a=x o/ o/b=x", "mkdir n new\nmove n/b renamed < o/b\nmove n/c renamed < a\ndelete o gone", half, ""},
		{"the same name in another case", "N/ N/B=x z=x", "a=x o/ o/b=x", "mkdir N new\nmove N/B renamed < o/b\nmove z renamed < a\ndelete o gone", half, ""},
		{"in letter case only", "A=x B=z c=1", "a=x b=y c=1", "move A renamed < a\nput B changed\nnone c same", half, ""},
		{"each once: more new", "b=x c=x", "a=x", "move b renamed < a\nput c new", half, ""},
		{"each once: more gone", "c=x d=1", "a=x b=x d=1", "none d same\nmove c renamed < a\ndelete b gone", half, ""},
		{"new files in tree order, moved or not", "a=1 b=x c=2 d=y e=3", "y=y z=x e=3", "none e same\nput a new\nmove b renamed < z\nput c new\nmove d renamed < y", half, ""},
		{"a chain: what is overwritten is not gone", "b=x c=y", "a=x b=y", "put b changed\nput c new\ndelete a gone", half, ""},
		{"moved away is not deleted", "a=1 m=x n=y", "a=1 o=x p=y q=z r=w", "none a same\nmove m renamed < o\nmove n renamed < p\ndelete q gone\ndelete r gone", brake.Limit{N: 2}, ""},
		{"but the rest counts", "a=1 m=x n=y", "a=1 o=x p=y q=z r=w", "none a same\nput m new\nput n new\nnone o held\nnone p held\nnone q held\nnone r held", brake.Limit{N: 1}, "2 of 5 stored files"},
		{"incomplete", "b=x…", "a=x", "put b new", half, "incomplete"},
		{"with errors", "b=x ?c/", "a=x", "none c unreadable permission\nput b new", half, "have errors: 1"},
		{"ignored is not gone", "!a=x b=x", "a=x", "none a ignored\nput b new", half, ""},
		{"nor what resembles a new one", "e\u0301=x", "\u00e9=x", "put e\u0301 new", half, ""},
		{"a damaged one has no content", "b=x c=1", "#a=x c=1", "none c same\nput b new\ndelete a gone", half, ""},
		{"makes way for a folder", "a/ a/b=y c=x", "a=x", "none a blocked\nnone a/b blocked\nmove c renamed < a", half, ""},
		{"out of order", "d=z b=y c=x", "a=x b=y e=z", "none b same\nmove c renamed < a\nmove d renamed < e", half, ""},
		{"not hashed", "~b=x c=1", "a=x c=1", "none b changing\nnone c same\nnone a held", half, "not stored yet"},
	} {
		var got []string
		err := Plan(t.Context(), record.NewReader(source(test.source)), target(t, test.target), func(r *record.Record) error {
			word := strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Action, r.Path, r.Reason))
			if r.Error != nil {
				word += " " + string(r.Error.Class)
			}
			if r.From != "" {
				word += " < " + strings.TrimPrefix(r.From, "/D/M/x/")
			}
			if r.Target != "" || r.Remote != "/D/M/x/"+r.Path {
				word += " with a wrong path"
			}
			got = append(got, word)
			return nil
		}, Options{Dest: "/D/M/x", Prune: true, TrackRenames: true, MaxDelete: test.max})
		if got := strings.Join(got, "\n"); got != test.want {
			t.Errorf("%s: Plan =\n%s\nwant\n%s", test.name, got, test.want)
		}
		if (err == nil) != (test.held == "") || err != nil && (!errors.Is(err, ErrWithheld) || !strings.Contains(err.Error(), test.held)) {
			t.Errorf("%s: withheld: %v, want %q", test.name, err, test.held)
		}
	}
}

// TestTrackManyRenames holds that nothing is lost when all of it has to go to
// disk.
func TestTrackManyRenames(t *testing.T) {
	const n = 3000
	var src, dst strings.Builder
	for i := range n {
		fmt.Fprintf(&src, "new%04d=%d ", i, i%(n/2))
		fmt.Fprintf(&dst, "old%04d=%d ", i, i%(n/3))
	}
	moved, put, from := 0, 0, map[string]bool{}
	deleted := 0
	err := Plan(t.Context(), record.NewReader(source(src.String())), target(t, dst.String()), func(r *record.Record) error {
		switch r.Action {
		case record.ActionMove:
			moved++
			from[r.From] = true
		case record.ActionPut:
			put++
		case record.ActionDelete:
			deleted++
			if from[r.Remote] {
				t.Errorf("%s is moved and deleted", r.Path)
			}
		}
		return nil
	}, Options{Dest: "/D/M/x", Prune: true, TrackRenames: true, MaxDelete: brake.Limit{N: 100, Percent: true}})
	// Each of n/3 contents is gone three times and new twice; those of n/6 more are new only.
	if err != nil || moved != 2*n/3 || len(from) != moved || put != n/3 || deleted != n/3 {
		t.Errorf("%d moved from %d places, %d put, %d deleted, %v", moved, len(from), put, deleted, err)
	}
}
