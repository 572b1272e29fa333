package record

import (
	"strings"
	"testing"
)

func TestKnown(t *testing.T) {
	k, err := ReadKnown(strings.NewReader("# mailed every night\n\nREADME\n/top\nphotos/[0-9]*.jpg\nold/names/\r\n*.lnk\nx y\n"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"README": true, "a/b/README": true, "readme": false, "README/below": true, "top": true, "a/top": false, "top/a": true,
		"photos/1.jpg": true, "photos/x.jpg": false, "a/photos/1.jpg": false, "photos/1/2.jpg": false,
		"old/names": true, "old/names/a/b": true, "old/name": false, "a/old/names": false, "d/e.lnk": true, "x y": true, "#": false,
	} {
		if got := k.Has(&Record{Kind: KindFile, Path: path, Error: &Error{Class: ClassCaseConflict}}); got != want {
			t.Errorf("%q is known: %v, want %v", path, got, want)
		}
	}
	for _, bad := range []string{"[", "a\n/", "///", "a\\"} {
		if _, err := ReadKnown(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestKnownClasses: only what lies in the entry itself can be known.
func TestKnownClasses(t *testing.T) {
	k, err := ReadKnown(strings.NewReader("f\n"))
	if err != nil {
		t.Fatal(err)
	}
	file := func(size int64, reason Reason, class Class) *Record {
		return &Record{Kind: KindFile, Path: "f", Size: size, Reason: reason, Error: &Error{Class: class}}
	}
	for _, class := range []Class{ClassCaseConflict, ClassKindConflict, ClassNameInvalid, ClassNameTooLong} {
		if !k.Has(file(5, ReasonNew, class)) {
			t.Errorf("%s cannot be known", class)
		}
	}
	for _, class := range []Class{ClassAuth, ClassForbidden, ClassNotFound, ClassQuota, ClassLocked, ClassChanging, ClassVanished, ClassPermission,
		ClassCorrupt, ClassIncomplete, ClassRange, ClassRateLimited, ClassServer, ClassNetwork, ClassLimit, ClassInternal, ""} {
		if k.Has(file(5, ReasonUnreadable, class)) || k.Has(file(SizeUnknown, ReasonUnreadable, class)) || k.Has(file(0, ReasonNew, class)) {
			t.Errorf("%s can be known", class)
		}
	}
	if !k.Has(file(0, ReasonUnreadable, ClassPermission)) || k.Has(file(0, ReasonUnreadable, ClassCorrupt)) {
		t.Error("an empty file that cannot be read")
	}
	if (Known{}).Has(file(5, ReasonNew, ClassCaseConflict)) || k.Has(&Record{Kind: KindFile, Path: "f"}) {
		t.Error("known without a list, or without a problem")
	}
}
