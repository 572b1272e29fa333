package transfer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/record"
)

// What another program has settled passes as it is, whatever it was to be: held back by
// a brake, foreign, done or failed.
func TestSettledPasses(t *testing.T) {
	var lines []string
	for i, word := range []string{`"put","status":"skipped","reason":"held"`, `"delete","status":"skipped","reason":"held"`, `"move","from":"/Jotta/Archive/x","status":"skipped","reason":"held"`,
		`"touch","status":"skipped","reason":"held"`, `"get","status":"skipped","reason":"held"`, `"none","status":"skipped","reason":"foreign"`,
		`"put","status":"done"`, `"delete","status":"done"`, `"delete","status":"failed","error":{"class":"locked","message":"m","extra":1}`,
		`"touch","status":"done"`, `"move","from":"/Jotta/Archive/x","status":"done"`, `"get","status":"done"`} {
		lines = append(lines, fmt.Sprintf(`{"kind":"file","path":"f%02d","root":"/nowhere","size":3,"md5":"%032d","remote":"/Jotta/Archive/f%d","held":[1, 2],"action":%s}`, i, i, i, word))
	}
	lines = append(lines, `{"kind":"dir","path":"g","remote":"/Jotta/Archive/g","action":"mkdir","status":"skipped","reason":"held"}`,
		`{"kind":"dir","path":"h","remote":"/Jotta/Archive/h","action":"delete","status":"skipped","reason":"held"}`)
	end := fmt.Sprintf(`{"kind":"end","v":1,"stage":"x","records":%d,"bytes":36,"errors":1,"complete":true,"withheld":2}`, len(lines))
	plan := strings.Join(append(slices.Clone(lines), end), "\n") + "\n"
	changing := newTree(t).write(t, "changing", "x") // which has deletions withheld that are to be carried out
	changing.MTime = someDay
	var withChanging string
	for rec := range record.NewReader(strings.NewReader(stream(t, changing))).All() {
		withChanging = rec.Raw() + "\n" + strings.Replace(plan, `"records":14,"bytes":36`, `"records":15,"bytes":37`, 1)
	}
	f, s := newFake(), shelve()
	for name, do := range map[string]func(*record.Reader, *record.Writer) error{
		"upload": func(in *record.Reader, out *record.Writer) error {
			return Upload(t.Context(), in, out, f, UploadOptions{Jobs: 2})
		},
		"upload, with files that are changing": func(in *record.Reader, out *record.Writer) error {
			return Upload(t.Context(), in, out, f, UploadOptions{Jobs: 2})
		},
		"delete": func(in *record.Reader, out *record.Writer) error {
			return Delete(t.Context(), in, out, f, DeleteOptions{Jobs: 2})
		},
		"delete, forced": func(in *record.Reader, out *record.Writer) error {
			return Delete(t.Context(), in, out, f, DeleteOptions{Jobs: 2, Force: true})
		},
		"download": func(in *record.Reader, out *record.Writer) error {
			return Download(t.Context(), in, out, s, t.TempDir(), DownloadOptions{Jobs: 2})
		},
	} {
		t.Run(name, func(t *testing.T) {
			given := plan
			if strings.Contains(name, "changing") {
				given = withChanging
			}
			res := carryOut(t, given, do)
			var got []string
			for _, r := range res.records {
				if r.Path != "changing" {
					got = append(got, r.Raw())
				}
			}
			if diff := cmp.Diff(lines, got); diff != "" || res.err != nil {
				t.Errorf("%v; records differ (-want +got):\n%s", res.err, diff)
			}
		})
	}
	for _, call := range f.calls {
		if call != "customer " {
			t.Errorf("the service was asked to %s", call)
		}
	}
}
