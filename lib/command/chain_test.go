package command

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"jottatools/lib/record"
)

func TestChain(t *testing.T) {
	broken := errors.New("broken")
	give := func(names ...string) func(*record.Writer) error {
		return func(out *record.Writer) error {
			for _, name := range names {
				out.Write(&record.Record{Kind: record.KindDir, Path: name, Size: record.SizeUnknown})
			}
			return nil
		}
	}
	add := func(mark string) Stage {
		return func(in *record.Reader, out *record.Writer) error {
			for r := range in.All() {
				r.Path += mark
				if err := out.Write(r); err != nil {
					return err
				}
			}
			return nil
		}
	}
	fail := func(in *record.Reader, out *record.Writer) error {
		r, _ := in.Next()
		out.Write(r)
		return broken
	}
	flaw := func(in *record.Reader, out *record.Writer) error {
		for r := range in.All() {
			r.Error = &record.Error{Class: record.ClassQuota, Message: "flawed"}
			out.Write(r)
		}
		return nil
	}
	many := strings.Fields(strings.Repeat("x ", 50_000)) // more than fits into buffers
	tests := []struct {
		name   string
		source func(*record.Writer) error
		stages []Stage
		want   string // paths, and then whether the stream is complete
		code   int
		told   int // messages
	}{
		{"one stage", give("a", "b"), nil, "a b true", 0, 0},
		{"several", give("a", "b"), []Stage{add("1"), add("2"), add("3")}, "a123 b123 true", 0, 0},
		{"the first fails", func(out *record.Writer) error { give("a")(out); return broken }, []Stage{add("1"), add("2")}, "a12 false", ExitTemporary, 0},
		{"one in the middle fails", give(many...), []Stage{add("1"), fail, add("2")}, "x12 false", ExitTemporary, 0},
		{"the last fails", give(many...), []Stage{add("1"), add("2"), fail}, "x12 false", ExitTemporary, 0},
		{"entries fail, and are told of once", give("a", "b"), []Stage{flaw, add("1"), add("2")}, "a12 b12 true", ExitPartial, 2},
		{"what no reader takes", func(out *record.Writer) error { return give("..", "a")(out) }, []Stage{add("1")}, "a1 false", ExitInput, 1},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		e := &Env{Stdout: &stdout, Stderr: &stderr, name: "jtest"}
		err := e.Chain(tt.source, tt.stages...)
		in := record.NewReader(&stdout)
		var got []string
		for r := range in.All() {
			got = append(got, r.Path)
		}
		line := strings.Join(append(got, map[bool]string{true: "true", false: "false"}[in.End().Complete]), " ")
		if line != tt.want {
			t.Errorf("%s: %.200s, want %s", tt.name, line, tt.want)
		}
		if code := exitCode(context.Background(), err); code != tt.code {
			t.Errorf("%s: exit code %d for %v, want %d", tt.name, code, err, tt.code)
		}
		if told := strings.Count(stderr.String(), "\n"); told != tt.told {
			t.Errorf("%s: %d messages, want %d: %s", tt.name, told, tt.told, &stderr)
		}
	}
}
