package jfs

import (
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	tests := []struct {
		in, want string // want is part of the error if it does not start with a slash
	}{
		{"/Jotta/Archive", "/Jotta/Archive"},
		{"/Jotta/Archive/", "/Jotta/Archive"},
		{"//Jotta//Archive/a b/", "/Jotta/Archive/a b"},
		{"/My PC/C+D/a*b/\xff", "/My PC/C+D/a*b/\xff"},
		{"/Jotta/Archive/...", "/Jotta/Archive/..."},
		{"", "is empty"},
		{"Jotta/Archive", "does not start with a slash"},
		{"/", "needs a device and a mount point, such as /Jotta/Archive/photos"},
		{"/Jotta", "needs a device and a mount point, such as /Jotta/Archive/photos"},
		{"/Jotta/", "needs a device and a mount point"},
		{"/Jotta/Archive/../x", `has a part ".."`},
		{"/Jotta/./x", `has a part "."`},
		{"/Jotta/Archive/a\x00b", "cannot be the name of a file"},
		{"/Jotta/Archive/" + strings.Repeat("x", 256), "256 characters; the service takes at most 255"},
	}
	for _, test := range tests {
		got, err := ParsePath(test.in)
		if strings.HasPrefix(test.want, "/") {
			if string(got) != test.want || err != nil {
				t.Errorf("ParsePath(%q) = %q, %v, want %q", test.in, got, err, test.want)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParsePath(%q) = %q, %v, want an error with %q", test.in, got, err, test.want)
		}
	}
}

func TestPathParts(t *testing.T) {
	tests := []struct {
		p, parent, mount Path
		name             string
		depth            int
		escaped          string
	}{
		{"/", "/", "/", "", 0, ""},
		{"/Jotta", "/", "/Jotta", "Jotta", 1, "/Jotta"},
		{"/Jotta/Archive", "/Jotta", "/Jotta/Archive", "Archive", 2, "/Jotta/Archive"},
		{"/My PC/C+D/a", "/My PC/C+D", "/My PC/C+D", "a", 3, "/My%20PC/C%2BD/a"},
		{"/Jotta/Archive/a/b?", "/Jotta/Archive/a", "/Jotta/Archive", "b?", 4, "/Jotta/Archive/a/b%EF%BC%9F"},
	}
	for _, test := range tests {
		if got := test.p.Parent(); got != test.parent {
			t.Errorf("%s.Parent() = %s, want %s", test.p, got, test.parent)
		}
		if got := test.p.MountPoint(); got != test.mount {
			t.Errorf("%s.MountPoint() = %s, want %s", test.p, got, test.mount)
		}
		if got := test.p.Name(); got != test.name {
			t.Errorf("%s.Name() = %s, want %s", test.p, got, test.name)
		}
		if got := test.p.Depth(); got != test.depth {
			t.Errorf("%s.Depth() = %d, want %d", test.p, got, test.depth)
		}
		if got, err := test.p.escaped(); got != test.escaped || err != nil {
			t.Errorf("%s.escaped() = %s, %v, want %s", test.p, got, err, test.escaped)
		}
		if test.depth > 0 && test.parent.Join(test.name) != test.p {
			t.Errorf("%s.Join(%s) = %s, want %s", test.parent, test.name, test.parent.Join(test.name), test.p)
		}
	}
}

func TestPathIn(t *testing.T) {
	for _, test := range []struct {
		p, dir Path
		want   bool
	}{
		{"/a/b/c", "/a/b", true}, {"/a/b", "/a/b", true}, {"/a/bc", "/a/b", false}, {"/a", "/a/b", false}, {"/a", "/", true},
	} {
		if got := test.p.In(test.dir); got != test.want {
			t.Errorf("%s.In(%s) = %t, want %t", test.p, test.dir, got, test.want)
		}
	}
}

func TestReserved(t *testing.T) {
	for p, want := range map[Path]bool{
		"/Jotta/Archive/.jottatools": true, "/Jotta/Archive/.JottaTools/jobs/x": true, "/nas/data/.JOTTATOOLS": true,
		"/Jotta/Archive/.jottatoolſ/x": true, // which folds to the same
		"/Jotta/Archive":               false, "/Jotta": false, "/": false, "": false,
		"/.jottatools/.jottatools": false, "/Jotta/Archive/.jottatools2": false, "/Jotta/Archive/jottatools": false,
		"/Jotta/Archive/photos/.jottatools": false, "/Jotta/Archive/.jottatoo": false,
	} {
		if got := p.Reserved(); got != want {
			t.Errorf("%s.Reserved() = %t", p, got)
		}
		if got := Path("/Jotta/Archive").Covers(p); got == want {
			t.Errorf("/Jotta/Archive covers %s: %t", p, got)
		}
		if !Path("/Jotta/Archive/.jottatools/jobs").Covers(p) {
			t.Errorf("a reserved place does not cover %s", p)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("/Jotta/Archive/a b+c/100%")
	f.Add("//a/../.")
	f.Add("/\xff/\x00")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		if again, err := ParsePath(string(p)); again != p || err != nil {
			t.Fatalf("ParsePath(%q) = %q, %v", p, again, err)
		}
		escaped, err := p.escaped()
		if err != nil || strings.Count(escaped, "/") != p.Depth() {
			t.Fatalf("%q.escaped() = %s, %v", p, escaped, err)
		}
		if p.Parent().Join(p.Name()) != p {
			t.Fatalf("%q is not %q below %q", p, p.Name(), p.Parent())
		}
	})
}
