package transfer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"jottatools/lib/record"
)

// Nothing that is outside of the folder is uploaded, however the plan leads there.
func TestBeneath(t *testing.T) {
	inner, outer := newTree(t), newTree(t)
	ok := inner.write(t, "ok", "ok")
	key := outer.write(t, "key", "secret")
	link := filepath.Join(string(inner), "link")
	if err := os.Symlink(string(outer), link); err != nil {
		t.Skip(err)
	}
	through := *key
	through.Root, through.Path, through.Remote = string(inner), "link/key", dest+"/through"
	// As the system reads this, it is beside outer; as it is written, beneath inner.
	beside := *key
	beside.Root, beside.Path = link+"/../"+filepath.Base(string(outer)), "key"
	moved := *key
	moved.Action, moved.From, moved.Path = record.ActionMove, dest+"/from", "key2"
	touched := *key
	touched.Action, touched.Path = record.ActionTouch, "key3"
	dir := mkdir("d")
	gone := inner.write(t, "gone", "gone")
	if err := os.Remove(filepath.Join(string(inner), "gone")); err != nil {
		t.Fatal(err)
	}
	bare := mkdir("bare")
	bare.Root = ""
	dir.Root = string(outer)
	f := newFake()
	res := uploadPlan(t, f, UploadOptions{Beneath: string(inner)}, ok, key, &through, &beside, &moved, &touched, dir, gone, bare)
	if res.err != nil {
		t.Fatal(res.err)
	}
	got := res.summary()
	want := []string{
		"bare done", "d failed forbidden", "gone skipped changing", "key failed forbidden", "key failed forbidden", "key2 failed forbidden",
		"key3 failed forbidden", "link/key failed forbidden", "ok done sent 2 from 0"}
	// A path that no system has is just not there.
	if i := slices.Index(got, "key skipped changing"); i >= 0 {
		got[i] = "key failed forbidden"
		slices.Sort(got)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if f.known[sum([]byte("secret"))] {
		t.Error("the secret was sent")
	}
	if res := uploadPlan(t, f, UploadOptions{Beneath: filepath.Join(string(inner), "nothing")}, ok); res.err == nil {
		t.Error("a folder that does not exist was taken")
	}
}

// A link that is put in the way after the check leads nowhere.
func TestBeneathHolds(t *testing.T) {
	inner, outer := newTree(t), newTree(t)
	rec, key := inner.write(t, "f", "same"), outer.write(t, "f", "same")
	fence, err := newFence(string(inner))
	if err != nil {
		t.Fatal(err)
	}
	defer fence.close()
	for _, test := range []struct {
		open *record.Record
		want bool
	}{{rec, true}, {key, false}} {
		f, err := os.Open(filepath.Join(test.open.Root, test.open.Path))
		if err != nil {
			t.Fatal(err)
		}
		if err := fence.holds(rec, f); (err == nil) != test.want {
			t.Errorf("holds a file of %s: %v", test.open.Root, err)
		}
		f.Close()
	}
}
