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

// TestSumsSatisfy: other programs find every file by our lines, or those that are listed.
func TestSumsSatisfy(t *testing.T) {
	root := makeTree(t, awkward)
	lines := make(map[string]string)
	for format, line := range map[string]func([]byte, *record.Record) []byte{"md5sum": record.AppendSum, "bsd": record.AppendTaggedSum} {
		var out strings.Builder
		sums := NewSums(&out, record.NewWriter(new(strings.Builder), "jhash"))
		sums.Append = line
		if got := runTree(t, root, runOptions{out: sums}); got.err != nil {
			t.Fatal(got.err)
		}
		lines[format] = out.String()
	}
	escaped := []string{"new\nline", `back\slash`, "cr\rhere", "\\\n\r", `\\n`}
	for _, test := range []struct {
		format, program, args, ok string
		lost                      []string // names that the program does not find
	}{
		{"md5sum", "md5sum", "--check --strict", ": OK\n", nil},
		{"bsd", "md5sum", "--check --strict", ": OK\n", nil},
		{"bsd", "cksum", "--check --strict", ": OK\n", nil},
		{"md5sum", "busybox", "md5sum -c", ": OK\n", escaped},
		{"md5sum", "rhash", "--check -", " OK ", append([]string{" lead"}, escaped[1:]...)},
	} {
		t.Run(test.program+" "+test.format, func(t *testing.T) {
			if _, err := exec.LookPath(test.program); err != nil {
				t.Skipf("%s is not installed", test.program)
			}
			check := exec.Command(test.program, strings.Fields(test.args)...)
			check.Dir = root
			check.Stdin = strings.NewReader(lines[test.format])
			answer, err := check.CombinedOutput()
			if strings.Contains(string(answer), "ignoring non-option") || strings.Contains(string(answer), "unrecognized option") {
				t.Skipf("%s is too old: %s", test.program, answer)
			}
			if n, want := strings.Count(string(answer), test.ok), len(awkward)-len(test.lost); n != want || (err == nil) != (len(test.lost) == 0) {
				t.Errorf("%s found %d files, want %d: %v\n%s", test.program, n, want, err, answer)
			}
		})
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
		rec       *record.Record
		want, bsd string
	}{
		{file("a/b"), sum + "  a/b\n", "MD5 (a/b) = " + sum + "\n"},
		{file("a\n\\b"), `\` + sum + `  a\n\\b` + "\n", `\MD5 (a\n\\b) = ` + sum + "\n"},
		{file(`a\b`), `\` + sum + `  a\\b` + "\n", `MD5 (a\b) = ` + sum + "\n"},
		{file("a\rb"), `\` + sum + `  a\rb` + "\n", "MD5 (a\rb) = " + sum + "\n"},
		{&record.Record{Kind: record.KindDir, Path: "d"}, "", ""},
		{&record.Record{Kind: record.KindFile, Path: "unhashed"}, "", ""},
		{failed, "", ""},
		{skipped, "", ""},
	} {
		var out strings.Builder
		next := record.NewWriter(new(strings.Builder), "jhash")
		var tagged strings.Builder
		bsd := NewSums(&tagged, next)
		bsd.Append = record.AppendTaggedSum
		if err := bsd.Write(test.rec); err != nil || tagged.String() != test.bsd {
			t.Errorf("Write(%q) printed %q, want %q; %v", test.rec.Path, tagged.String(), test.bsd, err)
		}
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
