package list

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"jottatools/lib/jfs"
)

// notes is a mount point with what is reserved in it.
type notes struct {
	*fake
	Viewer
	asked []int // numbers of newest files
}

func (n *notes) List(_ context.Context, p jfs.Path) (jfs.Info, []jfs.Entry, error) {
	info := jfs.Info{Entry: jfs.Entry{Path: string(p), Kind: jfs.KindFolder}}
	switch p {
	case "/Jotta/Archive":
		return info, []jfs.Entry{folderAt("photos", time.Time{}), folderAt(".JottaTools", time.Time{})}, nil
	case "/Jotta/Archive/photos":
		return info, []jfs.Entry{folderAt(".jottatools", time.Time{})}, nil
	case "/Jotta/Archive/.jottatools", "/Jotta/Archive/photos/.jottatools":
		return info, []jfs.Entry{file("job", revision(1, day(1)), time.Time{})}, nil
	}
	return info, nil, fmt.Errorf("%s was asked for", p)
}

func (n *notes) Trashed(context.Context) iter.Seq2[jfs.Info, error] {
	return func(yield func(jfs.Info, error) bool) {
		for _, p := range []string{"/Jotta/Archive/old", "/Jotta/Archive/.jottatools/jobs/old"} {
			if !yield(jfs.Info{Entry: folderAt(p, day(2))}, nil) {
				return
			}
		}
	}
}

// Latest shows ten notes before each other file.
func (n *notes) Latest(_ context.Context, most int) iter.Seq2[jfs.Info, error] {
	n.asked = append(n.asked, most)
	return func(yield func(jfs.Info, error) bool) {
		for i := range min(most, 100) {
			p := fmt.Sprintf("/Jotta/Archive/.jottatools/%02d", i)
			if i%10 == 9 {
				p = fmt.Sprintf("/Jotta/Archive/%02d", i)
			}
			if !yield(jfs.Info{Entry: file(p, revision(1, day(1)), time.Time{})}, nil) {
				return
			}
		}
	}
}

// What is reserved for these programs is in no listing, unless it is named.
func TestReserved(t *testing.T) {
	n := &notes{fake: &fake{infos: map[jfs.Path]jfs.Info{}}}
	for _, e := range []jfs.Entry{
		folderAt("photos", time.Time{}), file("photos/a", revision(1, day(1)), time.Time{}), file("photos/.jottatools", revision(1, day(1)), time.Time{}),
		folderAt(".JottaTools", time.Time{}), file(".JottaTools/job", revision(1, day(1)), time.Time{}),
		folderAt("gone", day(20)), file(".JottaTools/gone", revision(1, day(1)), day(20)),
	} {
		n.entries = append(n.entries, e)
		n.infos[jfs.Path("/Jotta/Archive").Join(e.Path)] = jfs.Info{Entry: e}
	}
	archive, named := []Top{{Remote: "/Jotta/Archive"}}, []Top{{Remote: "/Jotta/Archive/.jottatools"}}
	all := func(tops []Top, o Options) func(Emit) error {
		return func(emit Emit) error { return All(t.Context(), n, tops, o, emit) }
	}
	alive := []string{"photos", "photos/.jottatools 1", "photos/a 1"}
	for name, test := range map[string]struct {
		list func(Emit) error
		want []string
	}{
		"plain":        {all(archive, Options{}), alive},
		"detail":       {all(archive, Options{Detail: true}), alive},
		"in the trash": {all(archive, Options{Trash: true}), []string{"gone"}},
		"levels":       {all(archive, Options{Depth: 5}), []string{"photos", "photos/.jottatools", "photos/.jottatools/job 1"}},
		"levels of it": {all(named, Options{Depth: 5}), []string{"job 1"}},
		"revisions":    {func(emit Emit) error { return Revisions(t.Context(), n, archive, Options{}, 2, emit) }, alive},
		"at":           {func(emit Emit) error { return At(t.Context(), n, archive, day(10), 2, emit) }, []string{"gone", "photos", "photos/.jottatools 1", "photos/a 1"}},
		"trash":        {func(emit Emit) error { return Trashed(t.Context(), n, emit) }, []string{"Jotta/Archive/old"}},
		"latest":       {func(emit Emit) error { return Latest(t.Context(), n, 2, emit) }, []string{"Jotta/Archive/09 1", "Jotta/Archive/19 1"}},
		"latest, more than there are": {func(emit Emit) error { return Latest(t.Context(), n, 90, emit) }, []string{
			"Jotta/Archive/09 1", "Jotta/Archive/19 1", "Jotta/Archive/29 1", "Jotta/Archive/39 1", "Jotta/Archive/49 1",
			"Jotta/Archive/59 1", "Jotta/Archive/69 1", "Jotta/Archive/79 1", "Jotta/Archive/89 1", "Jotta/Archive/99 1"}},
		"target": {func(emit Emit) error {
			sorted, err := Target(t.Context(), n, "/Jotta/Archive", nil)
			if err != nil {
				return err
			}
			defer sorted.Close()
			return emitAll(sorted, emit)
		}, alive},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := shown(test.list)
			if !slices.Equal(got, test.want) || err != nil {
				t.Errorf("listed %q, %v; want %q", got, err, test.want)
			}
		})
	}
	// The fake has all its entries below whatever is listed.
	if got, err := shown(all(named, Options{})); len(got) != 5 || err != nil {
		t.Errorf("named: %q, %v", got, err)
	}
}
