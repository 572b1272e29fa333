package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"jottatools/lib/record"
)

const schemaFile = "../docs/record.schema.json"

// The schema is open: readers take what they do not know. Our own programs write
// nothing that it does not name, so their lines are held against a strict form
// of it.
var (
	openSchema   = sync.OnceValues(func() (*jsonschema.Schema, error) { return compileSchema(false) })
	strictSchema = sync.OnceValues(func() (*jsonschema.Schema, error) { return compileSchema(true) })
)

func readSchema() (any, error) {
	b, err := os.ReadFile(schemaFile)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(b))
}

func compileSchema(strict bool) (*jsonschema.Schema, error) {
	doc, err := readSchema()
	if err != nil {
		return nil, err
	}
	if strict {
		for _, def := range doc.(map[string]any)["$defs"].(map[string]any) {
			tighten(def.(map[string]any))
		}
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("record.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("record.json")
}

// tighten makes what a schema knows all that it allows.
func tighten(schema map[string]any) {
	if examples, ok := schema["examples"]; ok {
		schema["enum"] = examples
	}
	if properties, ok := schema["properties"].(map[string]any); ok {
		schema["additionalProperties"] = false
		for _, property := range properties {
			tighten(property.(map[string]any))
		}
	}
}

// checkLines holds each line of a stream against a schema.
func checkLines(schema *jsonschema.Schema, text string) error {
	n := 0
	for line := range strings.Lines(text) {
		n++
		if strings.TrimSpace(line) == "" {
			continue
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err == nil {
			err = schema.Validate(value)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w\n%s", n, err, strings.TrimSpace(line))
		}
	}
	return nil
}

// schemaCheck is the command "schema [-open] FILE...": each line of the files
// is a record as our programs write it or, with -open, as they take it. The file
// stdout is the output of the last command.
func schemaCheck(ts *testscript.TestScript, neg bool, args []string) {
	compiled := strictSchema
	if len(args) > 0 && args[0] == "-open" {
		compiled, args = openSchema, args[1:]
	}
	if len(args) == 0 {
		ts.Fatalf("usage: schema [-open] FILE...")
	}
	schema, err := compiled()
	ts.Check(err)
	for _, name := range args {
		text := ts.ReadFile(name)
		if text == "" {
			ts.Fatalf("%s is empty", name)
		}
		err := checkLines(schema, text)
		switch {
		case err != nil && !neg:
			ts.Fatalf("%s: %v", name, err)
		case err == nil && neg:
			ts.Fatalf("%s: every line conforms to the schema", name)
		}
	}
}

func compiledSchemas(t *testing.T) (strict, open *jsonschema.Schema) {
	t.Helper()
	strict, err := strictSchema()
	if err != nil {
		t.Fatal(err)
	}
	if open, err = openSchema(); err != nil {
		t.Fatal(err)
	}
	return strict, open
}

func TestSchemaRefuses(t *testing.T) {
	strict, open := compiledSchemas(t)
	for _, test := range []struct {
		line         string
		open, strict bool // whether it conforms
	}{
		{`{"kind":"file","path":"a"}`, true, true},
		{`{"kind":"file","path":"a","more":1}`, true, false},
		{`{"kind":"file","path":"a","action":"burn"}`, true, false},
		{`{"kind":"file","path":"a","error":{"class":"new","message":"m"}}`, true, false},
		{`{"kind":"album"}`, true, false},
		{`{"kind":"file","path":"..a/.b/...","size":0}`, true, true},
		{`{"kind":"file","path":"new\nline/ "}`, true, true},
		{`{"kind":"file"}`, false, false},
		{`{"path":"a"}`, false, false},
		{`{"kind":""}`, false, false},
		{`{"kind":"file","path":"/a"}`, false, false},
		{`{"kind":"file","path":"a/"}`, false, false},
		{`{"kind":"file","path":"a//b"}`, false, false},
		{`{"kind":"file","path":"a/.."}`, false, false},
		{`{"kind":"file","path":"./a"}`, false, false},
		{`{"kind":"file","path":"."}`, false, false},
		{`{"kind":"file","path":"a","size":"1"}`, false, false},
		{`{"kind":"file","path":"a","size":-1}`, false, false},
		{`{"kind":"file","path":"a","size":1.5}`, false, false},
		{`{"kind":"file","path":"a","mtime":"2026-01-02"}`, false, false},
		{`{"kind":"file","path":"a","mode":"644"}`, false, false},
		{`{"kind":"file","path":"a","md5":"B1946AC92492D2347C6235B4D2611184"}`, false, false},
		{`{"kind":"file","path":"a","remote":"/Jotta"}`, false, false},
		{`{"kind":"file","path":"a","error":{}}`, false, false},
		{`{"kind":"end","v":1,"stage":"x","records":1,"bytes":0,"errors":0}`, false, false},
		{`{"kind":"end","v":2,"stage":"x","records":1,"bytes":0,"errors":0,"complete":true}`, false, false},
		{`[]`, false, false},
	} {
		if err := checkLines(open, test.line); (err == nil) != test.open {
			t.Errorf("open: %s: %v", test.line, err)
		}
		if err := checkLines(strict, test.line); (err == nil) != test.strict {
			t.Errorf("strict: %s: %v", test.line, err)
		}
	}
}

// TestProgramsConform holds the lines of real programs against the schema. What
// needs a server is checked by the scripts.
func TestProgramsConform(t *testing.T) {
	strict, _ := compiledSchemas(t)
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for _, name := range awkwardNames() {
		file := filepath.Join(tree, name, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, pipe := range []string{
		`ln -s loop tree/loop && ln -s "$(printf '\377')" tree/link && mkfifo tree/fifo && touch tree/x.tmp`,
		`jwalk tree --exclude '*.tmp' | tee walk.ndjson`,
		`jwalk tree/* >several.ndjson; tail -n 2 several.ndjson`,
		`jhash <walk.ndjson | tee hash.ndjson`,
		`head -n 500 hash.ndjson | jhash --check`,
		`jdiff hash.ndjson walk.ndjson`,
	} {
		cmd := exec.Command("sh", "-c", pipe)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !(errors.As(err, &exit) && exit.ExitCode() <= 3) {
			t.Fatalf("%s: %v", pipe, err)
		}
		if len(out) == 0 && strings.HasPrefix(pipe, "j") {
			t.Errorf("%s wrote nothing", pipe)
		}
		if err := checkLines(strict, string(out)); err != nil {
			t.Errorf("%s: %v", pipe, err)
		}
	}
}

// TestSchemaKnowsEveryField writes a record with all that one can have.
func TestSchemaKnowsEveryField(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	var b bytes.Buffer
	w := record.NewWriter(&b, "jtest")
	w.Scope([]string{"a"})
	err := w.Write(&record.Record{
		Kind: record.KindFile, Root: "/r\xff", Path: "a/b\xff", Size: 1, MTime: at, Mode: "4755", Ino: 1<<64 - 1, Dev: 1<<64 - 1, CTime: at, BTime: at,
		Target: "t\xff", MD5: strings.Repeat("0a", 16), Fresh: true, Mount: true, Followed: true, Ignored: true, Kept: true, State: record.StateCompleted, Revision: 3, Uploaded: at, Deleted: at,
		Remote: "/Jotta/Archive/b\xff", From: "/Jotta/Archive/c\xff", Link: "https://example.com/s/1", Action: record.ActionPut, Reason: record.ReasonNew, Status: record.StatusDone,
		Transfer: &record.Transfer{Sent: 1, ResumedAt: 2, Took: time.Second},
		Error:    &record.Error{Class: record.ClassServer, Message: "m", HTTP: 500, Retry: true, XID: "x"},
	})
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	strict, _ := compiledSchemas(t)
	if err := checkLines(strict, b.String()); err != nil {
		t.Error(err)
	}
	var written map[string]any
	if err := json.Unmarshal(b.Bytes()[:bytes.IndexByte(b.Bytes(), '\n')], &written); err != nil {
		t.Fatal(err)
	}
	for name := range definitions(t)["entry"]["properties"].(map[string]any) {
		if _, ok := written[name]; !ok {
			t.Errorf("the schema has a field %s, which a full record lacks", name)
		}
	}
}

func definitions(t *testing.T) map[string]map[string]any {
	t.Helper()
	doc, err := readSchema()
	if err != nil {
		t.Fatal(err)
	}
	defs := make(map[string]map[string]any)
	for name, def := range doc.(map[string]any)["$defs"].(map[string]any) {
		defs[name] = def.(map[string]any)
	}
	return defs
}

// TestSchemaKnowsEveryValue compares the values that the schema knows with the
// constants in the code.
func TestSchemaKnowsEveryValue(t *testing.T) {
	constants := recordConstants(t)
	defs := definitions(t)
	property := func(def, name string) map[string]any {
		return defs[def]["properties"].(map[string]any)[name].(map[string]any)
	}
	for typeName, schema := range map[string]map[string]any{
		"Kind":   defs["kind"],
		"Action": property("entry", "action"),
		"Reason": property("entry", "reason"),
		"Status": property("entry", "status"),
		"Class":  property("error", "class"),
	} {
		var known []string
		for _, value := range schema["examples"].([]any) {
			known = append(known, value.(string))
		}
		slices.Sort(known)
		if got := slices.Sorted(slices.Values(constants[typeName])); !slices.Equal(got, known) {
			t.Errorf("record.%s has the values %q, the schema knows %q", typeName, got, known)
		}
	}
}

// recordConstants returns the values of the constants that have a type of
// package record, wherever they are declared, by the name of that type.
func recordConstants(t *testing.T) map[string][]string {
	t.Helper()
	values := make(map[string][]string)
	for _, name := range findFiles(t, "*.go") {
		if !strings.HasPrefix(name, "lib/") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			literal, text := spec.Values[0].(*ast.BasicLit)
			typeName, ours := recordType(f.Name.Name, spec.Type)
			if ours && text && literal.Kind == token.STRING {
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values[typeName] = append(values[typeName], value)
			}
			return true
		})
	}
	return values
}

// recordType returns the name that a type has in package record, if it is from
// there.
func recordType(packageName string, expr ast.Expr) (string, bool) {
	switch e := expr.(type) {
	case *ast.Ident:
		return e.Name, packageName == "record"
	case *ast.SelectorExpr:
		from, ok := e.X.(*ast.Ident)
		return e.Sel.Name, ok && from.Name == "record"
	}
	return "", false
}

// TestRecordsPage holds the examples of docs/records.md against the schema and
// the reader, and looks for every field and value in its text.
func TestRecordsPage(t *testing.T) {
	page := readDoc(t, "docs/records.md")
	strict, open := compiledSchemas(t)
	examples := 0
	for block := range codeBlocks(page) {
		schema := strict
		switch block.info {
		case "json":
		case "json unknown":
			schema = open
		default:
			continue
		}
		examples++
		if err := checkLines(schema, block.text); err != nil {
			t.Errorf("docs/records.md line %d: %v", block.line, err)
		}
		in := record.NewReader(strings.NewReader(block.text))
		in.Malformed = func(err error) { t.Errorf("docs/records.md line %d: %v", block.line, err) }
		last := ""
		for r := range in.All() {
			if !r.Foreign() && record.Compare(last, r.Path) >= 0 {
				t.Errorf("docs/records.md line %d: %s after %s is out of order", block.line, r.Path, last)
			}
			last = r.Path
		}
		if end := in.End(); end.Version != 0 && len(end.Scope) == 0 && in.Whole() != nil {
			t.Errorf("docs/records.md line %d: %v", block.line, in.Whole())
		}
	}
	if examples == 0 {
		t.Error("docs/records.md has no examples")
	}
	for name, def := range definitions(t) {
		for _, word := range knownWords(def) {
			if !strings.Contains(page, "`"+word+"`") {
				t.Errorf("docs/records.md does not mention `%s`, which the schema has in %s", word, name)
			}
		}
	}
}

// knownWords returns the names and values that a definition knows.
func knownWords(def map[string]any) []string {
	var words []string
	if examples, ok := def["examples"].([]any); ok {
		for _, value := range examples {
			words = append(words, value.(string))
		}
	}
	if properties, ok := def["properties"].(map[string]any); ok {
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			words = append(append(words, name), knownWords(properties[name].(map[string]any))...)
		}
	}
	return words
}
