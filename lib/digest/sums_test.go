package digest

import (
	"os/exec"
	"strings"
	"testing"

	"jottatools/lib/record"
)

var awkward = map[string]string{
	"plain": "1", "sp ace": "2", "new\nline": "3", `back\slash`: "4", "cr\rhere": "5", "d/*?": "6",
	"\\\n\r": "7", "invalid \xff utf-8": "8", " lead": "9", "-n": "10", `\\n`: "11", "é": "12", "d/empty": "",
}

func TestSumsSatisfyMD5sum(t *testing.T) {
	md5sum, err := exec.LookPath("md5sum")
	if err != nil {
		t.Skip("md5sum is not installed")
	}
	root := makeTree(t, awkward)
	var out strings.Builder
	got := runTree(t, root, runOptions{out: NewSums(&out, record.NewWriter(new(strings.Builder), "jhash"))})
	if got.err != nil {
		t.Fatal(got.err)
	}
	check := exec.Command(md5sum, "--check", "--strict")
	check.Dir = root
	check.Stdin = strings.NewReader(out.String())
	answer, err := check.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, answer, out.String())
	}
	if n := strings.Count(string(answer), "OK\n"); n != len(awkward) {
		t.Errorf("md5sum checked %d files, want %d", n, len(awkward))
	}
}

// What the cache knows is printed, too, and read no more.
func TestSumsFromTheCache(t *testing.T) {
	files := map[string]string{"a": "1", "b/c": "2", "d": "3"}
	root, name := makeTree(t, files), cacheName(t)
	var want string
	for run := range 2 {
		var out strings.Builder
		o := withCache(name)
		o.out = NewSums(&out, record.NewWriter(new(strings.Builder), "jhash"))
		got := runTree(t, root, o)
		if run == 0 {
			want = out.String()
			continue
		}
		wantOpened(t, got)
		if out.String() != want || strings.Count(want, "\n") != len(files) {
			t.Errorf("printed %q, then %q", want, out.String())
		}
	}
}

func TestSums(t *testing.T) {
	const sum = "d41d8cd98f00b204e9800998ecf8427e"
	file := func(path string) *record.Record {
		return &record.Record{Kind: record.KindFile, Root: "/r", Path: path, MD5: sum}
	}
	skipped := &record.Record{Kind: record.KindFile, Path: "busy", Status: record.StatusSkipped, Reason: record.ReasonChanging}
	failed := file("failed")
	failed.Error = &record.Error{Class: record.ClassCorrupt}
	for _, test := range []struct {
		rec  *record.Record
		want string
	}{
		{file("a/b"), sum + "  a/b\n"},
		{file("a\nb"), `\` + sum + `  a\nb` + "\n"},
		{file(`a\b`), `\` + sum + `  a\\b` + "\n"},
		{file("a\rb"), `\` + sum + `  a\rb` + "\n"},
		{&record.Record{Kind: record.KindDir, Path: "d"}, ""},
		{&record.Record{Kind: record.KindFile, Path: "unhashed"}, ""},
		{failed, ""},
		{skipped, ""},
	} {
		var out strings.Builder
		next := record.NewWriter(new(strings.Builder), "jhash")
		heard := ""
		sums := NewSums(&out, next)
		sums.Skipped = func(r *record.Record) { heard = r.Path }
		if err := sums.Write(test.rec); err != nil {
			t.Fatal(err)
		}
		if out.String() != test.want {
			t.Errorf("Write(%q) printed %q, want %q", test.rec.Path, out.String(), test.want)
		}
		if (heard != "") != (test.rec == skipped) {
			t.Errorf("Write(%q): heard of %q", test.rec.Path, heard)
		}
		if err := sums.Pass(test.rec); err != nil || out.String() != test.want+test.want {
			t.Errorf("Pass(%q) printed %q, error %v", test.rec.Path, out.String(), err)
		}
		next.Close()
	}
}
