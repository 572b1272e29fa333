package record_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"jottatools/lib/brake"
	"jottatools/lib/diff"
	"jottatools/lib/record"
)

// deletions returns how many deletions a plan proposes on the word of a stream with
// one file, a, whose end record is end. The target has gone as well.
func deletions(t *testing.T, end string) (int, error) {
	t.Helper()
	source := record.NewReader(strings.NewReader(`{"kind":"file","path":"a","size":0}` + "\n" + end + "\n"))
	target := new(record.Sorter)
	defer target.Close()
	for _, path := range []string{"a", "gone"} {
		if err := target.Add(&record.Record{Kind: record.KindFile, Path: path, Remote: "/D/M/" + path}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	err := diff.Plan(t.Context(), source, target, func(r *record.Record) error {
		if r.Action == record.ActionDelete && r.Status == "" {
			n++
		}
		return nil
	}, diff.Options{Dest: "/D/M", Prune: true, MaxDelete: brake.Limit{N: 100}})
	return n, err
}

// TestEndRecordsThatProveNothing gives each member of the end record each value that
// it must not have. None of them leads to a deletion.
func TestEndRecordsThatProveNothing(t *testing.T) {
	members := []struct {
		name, value string
		fine        []string // other values that it may have
	}{
		{"v", `1`, nil},
		{"stage", `"jwalk"`, []string{`""`, `"x"`, `"1"`, `"a"`, `"."`, `"true"`}},
		{"records", `1`, nil},
		{"bytes", `0`, nil},
		{"errors", `0`, nil},
		{"complete", `true`, nil},
		{"scope", `["gone"]`, nil},
		{"scope_raw", `["Z29uZQ=="]`, []string{`["gone"]`}}, // base64 of another name
		{"withheld", `0`, []string{`1`, `2`, `9223372036854775807`}},
		{"stored", `0`, []string{`1`, `2`, `9223372036854775807`}},
		{"spared", `0`, []string{`1`, `2`, `9223372036854775807`}},
		{"same", `{"files":0,"dirs":0,"bytes":0}`, []string{`{}`, `{"files":0}`, `{"Files":1}`}},
	}
	values := []string{
		`null`, `true`, `false`, `0`, `1`, `-1`, `2`, `-0.5`, `1.5`, `1e0`, `1e400`, `9223372036854775807`, `9223372036854775808`,
		`""`, `"x"`, `"1"`, `"a"`, `"."`, `"true"`, `"gone"`,
		`[]`, `[null]`, `[""]`, `["."]`, `[".."]`, `["/"]`, `["/gone"]`, `["gone/"]`, `["a/../gone"]`, `["a//gone"]`, `["gone",""]`, `["\u0000"]`, `[0]`, `[["gone"]]`, `[{}]`,
		`{}`, `{"files":0}`, `{"Files":1}`, `{"files":1}`, `{"dirs":1}`, `{"files":-1}`, `{"files":null}`, `{"files":"0"}`, `{"bytes":-1}`, `{"dirs":1.5}`,
	}
	line := func(changed, value string) string {
		var b strings.Builder
		b.WriteString(`{"kind":"end"`)
		for _, m := range members {
			if m.name == changed {
				m.value = value
			}
			if m.value != "" {
				fmt.Fprintf(&b, `,%q:%s`, m.name, m.value)
			}
		}
		return b.String() + "}"
	}
	if n, err := deletions(t, line("", "")); n != 1 || err != nil {
		t.Fatalf("on the word of a good end record, %d deletions, %v", n, err)
	}
	for _, m := range members {
		for _, value := range values {
			if value == m.value || slices.Contains(m.fine, value) || m.name == "stage" && value == `"gone"` {
				continue
			}
			for _, end := range []string{line(m.name, value), line(m.name, m.value+`,"`+m.name+`":`+value), line(m.name, value+`,"`+m.name+`":`+m.value)} {
				if n, err := deletions(t, end); n != 0 || err == nil {
					t.Errorf("%s: %d deletions, %v", end, n, err)
				}
			}
		}
	}
	for _, name := range []string{"v", "records", "errors", "complete"} {
		if n, err := deletions(t, line(name, "")); n != 0 || err == nil {
			t.Errorf("without %q: %d deletions, %v", name, n, err)
		}
	}
}

// TestEmptyScope: a stream that covers nothing never says that it covers everything.
func TestEmptyScope(t *testing.T) {
	for _, scope := range [][]string{nil, {}} {
		var b strings.Builder
		w := record.NewWriter(&b, "jwalk")
		w.Scope(scope)
		w.Close()
		in := record.NewReader(strings.NewReader(b.String()))
		for range in.All() {
		}
		if in.Whole() == nil {
			t.Errorf("with the scope %#v, %s is whole", scope, b.String())
		}
	}
}

// TestScopeThatIsNotUTF8: a scope is read as it was written, and no other path is in it.
func TestScopeThatIsNotUTF8(t *testing.T) {
	for _, test := range []struct {
		scope     []string
		deletions int // of the path "gone"
	}{
		{[]string{"a", "gone"}, 1},
		{[]string{"caf\xe9/b", "\xff", "gone"}, 1},
		{[]string{"gon\xe9"}, 0},
	} {
		var b strings.Builder
		w := record.NewWriter(&b, "jwalk")
		w.Scope(test.scope)
		w.Close()
		in := record.NewReader(strings.NewReader(b.String()))
		for range in.All() {
		}
		if got := in.End().Scope; in.Whole() != nil || !slices.Equal(got, test.scope) {
			t.Errorf("%s has the scope %q, %v; want %q", b.String(), got, in.Whole(), test.scope)
		}
		end := strings.Replace(strings.TrimSpace(b.String()), `"records":0`, `"records":1`, 1)
		if n, err := deletions(t, end); n != test.deletions || err != nil {
			t.Errorf("%s: %d deletions, %v; want %d", end, n, err, test.deletions)
		}
		if raw := strings.Contains(end, "scope_raw"); raw == utf8.ValidString(strings.Join(test.scope, "")) {
			t.Errorf("%s: with scope_raw: %t", end, raw)
		}
	}
	// What replaces bytes that are not UTF-8 may stand in a name, too.
	end := `{"kind":"end","v":1,"records":1,"errors":0,"complete":true,"scope":["gone"],"scope_raw":["Z29u6Q=="]}`
	if n, err := deletions(t, end); n != 0 || err != nil {
		t.Errorf("%s: %d deletions, %v", end, n, err)
	}
}
