package walk

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jottatools/lib/record"
)

// Ignore files mean what git takes them to mean. Random rules in several
// folders are tried on a tree of awkward names, here and with git itself.
func TestRulesAgreeWithGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	root := t.TempDir()
	names := []string{"a", "b", "ab", "aab", "a b", "b ", "#a", "!a", `a\b`, "[a]", "*", "é", "a.b", "-"}
	if filepath.Separator != '/' {
		t.Skip("the names are for unix")
	}
	var all []string
	for _, x := range names {
		all = append(all, "d"+x, x+"/f")
		for _, y := range names[:6] {
			all = append(all, x+"/"+y+"/"+x+".b", x+"/"+y+"/a", x+"/"+y+"/ab/b")
		}
	}
	for _, path := range all {
		writeFile(t, filepath.Join(root, path), "")
	}
	run := func(stdin string, args ...string) string {
		cmd := exec.Command(git, args...)
		cmd.Dir = root
		cmd.Env = []string{"HOME=" + root, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "XDG_CONFIG_HOME=" + root, "GIT_CEILING_DIRECTORIES=" + filepath.Dir(root)}
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.Output()
		if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() != 1 {
			t.Fatalf("git %v: %v: %s", args, err, exit.Stderr)
		}
		return string(out)
	}
	run("", "init", "-q")

	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		var told strings.Builder
		for _, dir := range []string{"", "a", "a/ab", "b"} {
			var rules strings.Builder
			for range rnd.IntN(6) {
				rules.WriteString(randomRule(rnd))
				rules.WriteString([]string{"\n", "\n", "\r\n", "  \n"}[rnd.IntN(4)])
			}
			told.WriteString(dir + ":\n" + rules.String())
			writeFile(t, filepath.Join(root, dir, ".gitignore"), rules.String())
			writeFile(t, filepath.Join(root, dir, IgnoreFile), rules.String())
		}
		want := map[string]bool{}
		for path := range strings.SplitSeq(run(strings.Join(all, "\x00"), "check-ignore", "--no-index", "--stdin", "-z"), "\x00") {
			want[path] = true
		}
		kept := map[string]bool{}
		err := Tree(t.Context(), Options{Root: root}, func(r *record.Record) error {
			kept[r.Path] = !r.Ignored
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			if kept[path] == want[path] {
				d, err := Explain(t.Context(), Options{Root: root}, path)
				t.Errorf("with the rules\n%s\n%q is ignored: %v, git says %v (%v, %v)\n%s", told.String(), path, !kept[path], want[path], d, err,
					run(path+"\x00", "check-ignore", "--no-index", "--stdin", "-z", "-v"))
			}
			// Explain must say what the walk does.
			if d, err := Explain(t.Context(), Options{Root: root}, path); err != nil || d.Ignored == kept[path] {
				t.Errorf("Explain(%q) = %v, %v, but the walk kept it: %v", path, d, err, kept[path])
			}
		}
		if t.Failed() {
			return
		}
	}
}

func randomRule(rnd *rand.Rand) string {
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	var b bytes.Buffer
	b.WriteString(pick("", "", "", "!", "/", "!/", "**/", "#", `\#`, `\!`))
	for range 1 + rnd.IntN(5) {
		b.WriteString(pick("a", "b", "a", "b", "ab", "c", "f", "d", "*", "*", "**", "?", "/", "/", "/**/", "/a**/", "/ab**/", "[ab]", "[!a]", "[^b-z]", "[a-", "[]]",
			"[[:alpha:]]", "[[:punct:]]", "[[:x:]]", `\a`, `\*`, `\`, " ", `\ `, "é", ".", "-", "***"))
	}
	b.WriteString(pick("", "", "/", "/*", "/**"))
	return b.String()
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
