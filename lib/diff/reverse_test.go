package diff

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"jottatools/lib/record"
)

// TestReverse plans the way back between two trees, given as lines of records.
func TestReverse(t *testing.T) {
	for _, test := range []struct{ name, local, stored, scope, want string }{
		{"nothing here", "", "dir a;file a/b 1", "", "mkdir new a;get new a/b"},
		{"all the same", "dir a;file a/b 1", "dir a;file a/b 1", "", "none same a;none same a/b"},
		{"another content", "file a 1", "file a 2", "", "get changed a"},
		{"only here", "dir a;file a/b 1", "", "", "none gone a;none gone a/b"},
		{"another spelling", "dir A;file A/b 1", "dir a;file a/b 2;dir a/c;file a/c/d 3", "", "none same A;get changed A/b;mkdir new A/c;get new A/c/d"},
		{"two spellings here", "file A 1;file a 2", "file a 2", "", "none gone A;none same a"},
		{"two spellings there", "file a 2", "file A 1;file a 2", "", "error case_conflict a;get changed a"},
		{"a file for a folder", "file a 1", "dir a;file a/b 1", "", "error kind_conflict a;get new a/b"},
		{"a link in the way", "symlink a", "dir a;file a/b 1", "", "error kind_conflict a"},
		{"a link beside", "symlink A;dir a;file a/b 1", "dir a;file a/b 1", "", "none gone A;none same a;none same a/b"},
		{"a link behind", "dir A;file A/b 1;symlink a", "dir a;file a/b 1", "", "none same A;none same A/b;none gone a"},
		{"ignored here", "ignored a", "dir a;file a/b 1", "", "none ignored a"},
		{"unreadable here", "failed a", "dir a;file a/b 1", "", "error permission a"},
		{"an error there", "file a 1", "failed a", "", "error permission a;none gone a"},
		{"out of the scope", "dir a;file a/b 1", "dir a;file a/b 1;file a/c 1;file d 1", "a", "none same a;none same a/b;get new a/c"},
		{"out of order", "file b 1;file a 1", "file a 1;file b 1", "", "none same a;none same b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			w := record.NewWriter(&b, "jhash")
			if test.scope != "" {
				w.Scope([]string{test.scope})
			}
			for _, r := range records(test.local) {
				w.Write(r)
			}
			w.Close()
			var got []string
			var stored record.Sorter
			defer stored.Close()
			for _, r := range records(test.stored) {
				if err := stored.Add(r); err != nil {
					t.Fatal(err)
				}
			}
			emit := func(r *record.Record) error {
				line := fmt.Sprintf("%s %s %s", r.Action, r.Reason, r.Path)
				if r.Error != nil {
					line = fmt.Sprintf("error %s %s", r.Error.Class, r.Path)
				}
				got = append(got, line)
				return nil
			}
			err := Reverse(context.Background(), record.NewReader(strings.NewReader(b.String())), &stored, emit, nil)
			var want []string
			if test.want != "" {
				want = strings.Split(test.want, ";")
			}
			slices.Sort(got)
			slices.Sort(want)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("Reverse = %v\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			// What is the same can be left out.
			got = nil
			var same record.Same
			err = Reverse(context.Background(), record.NewReader(strings.NewReader(b.String())), &stored, emit, func(s record.Same) {
				same.Files, same.Dirs = same.Files+s.Files, same.Dirs+s.Dirs
			})
			all := len(want)
			want = slices.DeleteFunc(want, func(line string) bool { return strings.HasPrefix(line, "none same ") })
			slices.Sort(got)
			if err != nil || !slices.Equal(got, want) || int(same.Entries()) != all-len(want) {
				t.Errorf("Reverse = %v, %v\n%s\nwant\n%s", err, same, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// records reads "kind path content;…".
func records(s string) (all []*record.Record) {
	for line := range strings.SplitSeq(s, ";") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		r := &record.Record{Kind: record.Kind(f[0]), Path: f[1], Size: record.SizeUnknown}
		switch f[0] {
		case "ignored":
			r.Kind, r.Ignored = record.KindDir, true
		case "failed":
			r.Kind, r.Error = record.KindDir, &record.Error{Class: record.ClassPermission, Message: "denied"}
		case "file":
			r.Size, r.MD5 = 1, strings.Repeat(f[2], 32)
		}
		all = append(all, r)
	}
	return all
}
