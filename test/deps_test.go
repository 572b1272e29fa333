package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ours lists which of our packages each of our packages may import. Programs may
// import all that are listed here, except those inside another package's folder.
//
// Imports point one way: programs, engines, client, record. Engines meet in pipes
// and do not import each other, so each can be read, tested and replaced alone.
// There are two exceptions: lib/transfer puts files in their place with lib/place,
// and lib/mount sends files with lib/transfer.
var ours = map[string][]string{
	"lib/record": nil,
	"lib/brake":  nil,
	// What stands on the record alone.
	"lib/local":   {"lib/record"},
	"lib/command": {"lib/record"},
	"lib/auth":    {"lib/record", "lib/local"},
	"lib/config":  {"lib/local"},
	"lib/report":  {"lib/record", "lib/local"},
	// The client, and how the programs open it.
	"lib/jfs":         {"lib/record", "lib/auth"},
	"lib/jfs/jfstest": {"lib/record", "lib/jfs"},
	"lib/connect":     {"lib/record", "lib/auth", "lib/config", "lib/jfs", "lib/command"},
	// The engines.
	"lib/walk":            {"lib/record", "lib/local"},
	"lib/digest":          {"lib/record", "lib/local", "lib/digest/md5lanes"},
	"lib/diff":            {"lib/record", "lib/jfs", "lib/brake"},
	"lib/list":            {"lib/record", "lib/jfs"},
	"lib/place":           {"lib/record", "lib/local"},
	"lib/transfer":        {"lib/record", "lib/local", "lib/place", "lib/jfs", "lib/brake"},
	"lib/job":             {"lib/record", "lib/local", "lib/jfs", "lib/brake"},
	"lib/job/session":     {"lib/local"},
	"lib/notify":          nil,
	"lib/schedule":        {"lib/local"},
	"lib/share":           {"lib/record", "lib/local", "lib/jfs"},
	"lib/digest/md5lanes": nil,
	// The mount is no filter: it sends single files with the sender of the uploads.
	"lib/mount":           {"lib/record", "lib/local", "lib/jfs", "lib/transfer", "lib/mount/chunks", "lib/mount/readahead", "lib/mount/spool"},
	"lib/mount/chunks":    nil,
	"lib/mount/readahead": {"lib/mount/chunks"},
	"lib/mount/spool":     {"lib/record", "lib/local"},
	// The server shares nothing with the client, so that they test each other.
	"lib/jserve":       {"lib/jserve/store"},
	"lib/jserve/store": nil,
	"lib/jserve/proxy": nil,
	// An example for who writes a stage.
	"docs/examples/stages/atmost": {"lib/record"},
	// Tests that are programs.
	"test/plain":      {"lib/jfs"},
	"test/chaos":      {"test/plain"},
	"test/bench/fill": {"lib/jserve/store"}, // without a server
}

// foreign lists the modules of others that our packages import, and where. A
// foreign module enters through few packages, so that replacing it is a day's
// work. docs/dependencies.md says what each is for.
var foreign = map[string]struct {
	packages []string
	why      string
}{
	"github.com/spf13/cobra":        {[]string{"lib/command"}, "command lines are declared to lib/command, which makes help, man pages and completions of them"},
	"github.com/spf13/pflag":        {[]string{"lib/command", "test/bench", "test/chaos"}, "command lines are declared to lib/command; flags come from its Flags"},
	"github.com/mdp/qrterminal":     {[]string{"lib/command"}, "only lib/command draws on terminals"},
	"github.com/mattn/go-isatty":    {[]string{"lib/command"}, "only lib/command knows whether a person is looking"},
	"github.com/bmatcuk/doublestar": {[]string{"lib/command"}, "patterns of paths are values of flags; rules for what is ignored are lib/walk's own"},
	"github.com/docker/go-units":    {[]string{"lib/command", "lib/report", "lib/transfer", "lib/jserve"}, "sizes are read and shown where people write and read them"},
	"github.com/klauspost/compress": {[]string{"lib/record", "lib/digest", "lib/jfs", "lib/jserve"}, "saved streams, the hash cache and listings on the wire are compressed, nothing else"},
	"github.com/coder/websocket":    {[]string{"lib/jfs", "lib/jserve"}, "events are the only thing that is not request and answer, on either side"},
	"github.com/sourcegraph/conc":   {[]string{"lib/list", "lib/transfer"}, "conc has been quiet since 2024, so it stays behind few packages (docs/adr/0004-conc.md)"},
	"github.com/cenkalti/backoff":   {[]string{"lib/jfs", "lib/transfer"}, "only requests to the service are tried again"},
	"golang.org/x/sync":             {[]string{"lib/transfer"}, "only downloads share connections"},
	"golang.org/x/time":             {[]string{"lib/jfs", "lib/transfer"}, "only requests to the service and what they carry are limited"},
	"go.etcd.io/bbolt":              {[]string{"lib/jserve/store"}, "the store is the only package that knows its database"},
	"github.com/gofrs/flock":        {[]string{"lib/digest", "lib/auth", "lib/mount/spool", "lib/command"}, "only the hash cache, the token store, the spool of the mount and the line of the screen need locks of their own"},
	"golang.org/x/oauth2":           {[]string{"lib/auth"}, "only lib/auth logs in"},
	"golang.org/x/term":             {[]string{"lib/command"}, "only lib/command speaks to a terminal"},
	"github.com/pelletier/go-toml":  {[]string{"lib/config"}, "only lib/config reads the configuration"},
	"golang.org/x/image":            {[]string{"lib/jserve"}, "only the thumbnails of the server are scaled"},
	"golang.org/x/sys":              {[]string{"lib/local", "lib/command", "lib/jserve/store", "lib/digest/md5lanes", "lib/mount"}, "what the systems differ in is known to lib/local, to the pipes of lib/command, to the store of the server and to the mount; what processors differ in, to the hashing in lanes"},
	"github.com/hanwen/go-fuse":     {[]string{"lib/mount"}, "only the mount knows of FUSE"},
	"golang.org/x/text":             {[]string{"lib/diff"}, "only the brake on deletion folds names more loosely than the record does"},
}

// longestMain is how many lines a file of a program, in cmd/internal, may have, its help text
// included: flags in, one call, exit code out. What is more is logic, and belongs
// into a package that can be tested. A program with subcommands has a file for
// each.
const longestMain = 250

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath, Name, Doc, Dir string
	GoFiles, Imports           []string
	Module                     *struct{ Path string }
	Standard                   bool
}

// module is the path of our module.
var module = sync.OnceValue(func() string {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		panic(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimPrefix(first, "module ")
})

// short returns the import path without the module's.
func (p *goPackage) short() string { return strings.TrimPrefix(p.ImportPath, module()+"/") }

// listPackages returns our packages and what they depend on, built for a
// platform.
func listPackages(t *testing.T, goos string) map[string]*goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Name,Doc,Dir,GoFiles,Imports,Module,Standard", "./...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	packages := make(map[string]*goPackage)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(goPackage)
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

// TestOneFileIsAll holds that jotta has every program.
func TestOneFileIsAll(t *testing.T) {
	packages := listPackages(t, "linux")
	one := packages[module()+"/cmd/jotta"]
	for name, p := range packages {
		if strings.HasPrefix(p.short(), "cmd/internal/") && !slices.Contains(one.Imports, name) {
			t.Errorf("cmd/jotta has no %s", path.Base(name))
		}
	}
}

func isOurs(p *goPackage) bool { return p.Module != nil && p.Module.Path == module() }

func TestImports(t *testing.T) {
	said := make(map[string]bool) // once is enough for all platforms
	for _, goos := range []string{"linux", "freebsd", "darwin", "windows"} {
		packages := listPackages(t, goos)
		for _, p := range packages {
			if !isOurs(p) {
				continue
			}
			for _, name := range p.Imports {
				if reason := forbidden(p, packages[name]); reason != "" && !said[p.ImportPath+name] {
					said[p.ImportPath+name] = true
					t.Errorf("%s imports %s: %s (built for %s)", p.short(), name, reason, goos)
				}
			}
		}
	}
}

// forbidden says why p must not import q, if so.
func forbidden(p, q *goPackage) string {
	switch {
	case q == nil || q.Standard:
		return ""
	case isOurs(q):
		return forbiddenOurs(p.short(), q.short())
	}
	module := unversioned(q.Module.Path)
	rule, known := foreign[module]
	if !known {
		return "the module " + module + " is new: say in docs/dependencies.md why it is needed, and in the table foreign of this test where"
	}
	if !slices.Contains(rule.packages, p.short()) {
		return fmt.Sprintf("%s belongs into %s only: %s", module, strings.Join(rule.packages, " and "), rule.why)
	}
	return ""
}

var majorVersion = regexp.MustCompile(`/v[0-9]+$`)

// unversioned returns a module's path without its major version.
func unversioned(module string) string { return majorVersion.ReplaceAllString(module, "") }

func forbiddenOurs(p, q string) string {
	switch program, isProgram := strings.CutPrefix(p, "cmd/"); {
	case p == "cmd/jotta" && (strings.HasPrefix(q, "cmd/internal/") || q == "lib/command"):
		return ""
	case strings.HasPrefix(p, "cmd/internal/"):
		if _, known := ours[q]; !known {
			return "programs import packages of lib only"
		}
		return ""
	case isProgram && q == "cmd/internal/"+program:
		return ""
	case isProgram:
		return "a program built alone is the call of its package in cmd/internal, so that jotta, which has them all, is the same"
	}
	allowed, known := ours[p]
	switch {
	case !known:
		return "a package that the table ours of this test does not list; say there what it may import"
	case !slices.Contains(allowed, q):
		return fmt.Sprintf("imports point one way, programs, engines, client, record, and filters meet in pipes; %s may import %v (docs/architecture.md)", p, allowed)
	}
	return ""
}

// TestTablesAreCurrent keeps the tables above from naming what has gone.
func TestTablesAreCurrent(t *testing.T) {
	packages := listPackages(t, "linux")
	for name := range ours {
		if packages[module()+"/"+name] == nil {
			t.Errorf("the table ours lists %s, which is not there", name)
		}
	}
	imported := make(map[string]bool)
	for _, p := range packages {
		if p.Module != nil {
			imported[unversioned(p.Module.Path)] = true
		}
	}
	for module := range foreign {
		if !imported[module] {
			t.Errorf("the table foreign lists %s, which nothing imports", module)
		}
	}
}

func TestPackageComments(t *testing.T) {
	for _, p := range listPackages(t, "linux") {
		if !isOurs(p) || p.short() == "test" {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			name := path.Base(p.ImportPath)
			want = strings.ToUpper(name[:1]) + name[1:] + " "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: its package comment is %q; it begins with %q and says what the package is, and what it is not", p.short(), p.Doc, want)
		}
	}
}

func TestMainsAreShort(t *testing.T) {
	for _, p := range listPackages(t, "linux") {
		if !isOurs(p) || !strings.HasPrefix(p.short(), "cmd/internal/") {
			continue
		}
		for _, file := range p.GoFiles {
			data, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if lines := bytes.Count(data, []byte{'\n'}); lines > longestMain {
				t.Errorf("%s/%s has %d lines, want at most %d; a main holds flags and one call, what is more belongs into lib", p.short(), file, lines, longestMain)
			}
		}
	}
}

// unwanted lists what would make programs start later, and who does without it. A run of
// jottasync starts ten programs, one of a pipe six.
var unwanted = []struct {
	packages []string
	programs []string // nil: all
}{
	{[]string{"github.com/spf13/cobra/doc", "html/template"}, nil},
	{[]string{"net/http", "crypto/tls"}, []string{"cmd/jwalk", "cmd/jhash"}},
}

func TestProgramsStartSoon(t *testing.T) {
	packages := listPackages(t, "linux")
	for _, p := range packages {
		if !isOurs(p) || !strings.HasPrefix(p.short(), "cmd/") {
			continue
		}
		behind := closure(packages, p)
		for _, rule := range unwanted {
			if rule.programs != nil && !slices.Contains(rule.programs, p.short()) {
				continue
			}
			for _, name := range rule.packages {
				if behind[name] {
					t.Errorf("%s brings %s along, so that it starts later; go list -deps, and test/deps_test.go", p.short(), name)
				}
			}
		}
	}
}

// closure returns all that p is linked with.
func closure(packages map[string]*goPackage, p *goPackage) map[string]bool {
	found := make(map[string]bool)
	var visit func(p *goPackage)
	visit = func(p *goPackage) {
		for _, name := range p.Imports {
			if q := packages[name]; q != nil && !found[name] {
				found[name] = true
				visit(q)
			}
		}
	}
	visit(p)
	return found
}

// TestNoTemplates holds that the linker leaves out what nobody calls. It cannot once
// something executes templates, which call methods by their names: jwalk was then
// twice as large, and every page of it that is read takes time.
func TestNoTemplates(t *testing.T) {
	out, err := exec.Command("go", "tool", "nm", filepath.Join(bin, "jotta")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte("text/template.(*Template).Execute")) {
		t.Error("something executes templates; lib/command and lib/jserve do without")
	}
}

// TestLibrariesKeepQuiet holds that only programs and lib/command print and exit,
// so that what a program says, and with which code it ends, is decided in one
// place.
func TestLibrariesKeepQuiet(t *testing.T) {
	for _, p := range listPackages(t, "linux") {
		if !isOurs(p) || !strings.HasPrefix(p.short(), "lib/") || p.short() == "lib/command" {
			continue
		}
		if slices.Contains(p.Imports, "log") {
			t.Errorf("%s imports log; return an error, or take a function to call", p.short())
		}
		for _, file := range p.GoFiles {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range loudCalls(f) {
				t.Errorf("%s: %s; only programs and lib/command print and exit: return an error, or take a function to call", fset.Position(found.Pos()), found.Sel.Name)
			}
		}
	}
}

// loud are the functions and variables of standard packages that print and exit,
// by package name.
var loud = map[string][]string{
	"fmt":  {"Print", "Printf", "Println"},
	"os":   {"Exit", "Stdout", "Stderr"},
	"slog": {"Debug", "Info", "Warn", "Error", "Log", "Default", "DebugContext", "InfoContext", "WarnContext", "ErrorContext"},
}

func loudCalls(f *ast.File) (found []*ast.SelectorExpr) {
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok && slices.Contains(loud[pkg.Name], sel.Sel.Name) {
				found = append(found, sel)
			}
		}
		return true
	})
	return found
}
