package test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// limitRow is a row of docs/reliability.md that gives the value of a constant.
var limitRow = regexp.MustCompile("(?m)^\\| .* \\| ([^|]*) \\| `(lib/[a-z]+)\\.([a-zA-Z]+)` \\|$")

// TestLimits holds the timeouts and limits on the page against those in the code.
func TestLimits(t *testing.T) {
	rows := limitRow.FindAllStringSubmatch(readDoc(t, "docs/reliability.md"), -1)
	if len(rows) < 20 {
		t.Fatalf("docs/reliability.md gives %d limits", len(rows))
	}
	values := map[string]map[string]string{}
	for _, row := range rows {
		said, pkg, name := row[1], row[2], row[3]
		if values[pkg] == nil {
			values[pkg] = limitsOf(t, pkg)
		}
		if got := values[pkg][name]; got != said {
			t.Errorf("docs/reliability.md says that %s.%s is %q; it is %q", pkg, name, said, got)
		}
	}
}

// limitsOf returns the values of the constants and variables of a package, as people
// write them.
func limitsOf(t *testing.T, pkg string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(pkg), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	expressions := map[string]ast.Expr{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				if value, ok := spec.(*ast.ValueSpec); ok && len(value.Names) == 1 && len(value.Values) == 1 {
					expressions[value.Names[0].Name] = value.Values[0]
				}
			}
		}
	}
	values := map[string]string{}
	for name, e := range expressions {
		if n, isTime := evaluate(e, expressions); n != nil {
			values[name] = written(n, isTime)
		}
	}
	return values
}

var units = map[string]time.Duration{"Second": time.Second, "Minute": time.Minute, "Hour": time.Hour, "Millisecond": time.Millisecond}

// evaluate returns the value of an expression of numbers and times, nil if it is
// something else.
func evaluate(e ast.Expr, known map[string]ast.Expr) (value constant.Value, isTime bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.INT {
			return constant.MakeFromLiteral(e.Value, e.Kind, 0), false
		}
	case *ast.SelectorExpr:
		if d, ok := units[e.Sel.Name]; ok {
			return constant.MakeInt64(int64(d)), true
		}
	case *ast.Ident:
		if x, ok := known[e.Name]; ok {
			return evaluate(x, known)
		}
	case *ast.BinaryExpr:
		x, xTime := evaluate(e.X, known)
		y, yTime := evaluate(e.Y, known)
		if x == nil || y == nil {
			return nil, false
		}
		switch e.Op {
		case token.MUL:
			return constant.BinaryOp(x, e.Op, y), xTime || yTime
		case token.SHL:
			n, _ := constant.Uint64Val(y)
			return constant.Shift(x, e.Op, uint(n)), false
		}
	}
	return nil, false
}

// written returns a number as the page has it: 20 s, 2 min, 64 KiB, 5.
func written(value constant.Value, isTime bool) string {
	n, _ := constant.Int64Val(value)
	switch d := time.Duration(n); {
	case isTime && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case isTime && d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	case isTime:
		return d.String()
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprint(n)
}
