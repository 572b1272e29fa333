package command

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"jottatools/lib/record"
)

// size is a flag value in bytes.
type size int64

func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }
func (s *size) Type() string   { return "SIZE" }
func (s *size) Set(text string) error {
	n, err := units.RAMInBytes(text)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a size; write a number of bytes, or one with k, M, G or T, such as 10M", text)
	}
	*s = size(n)
	return nil
}

// counter is a flag without a value that counts how often it is given. To the
// help it looks like any other flag without a value.
type counter int

func (c *counter) String() string   { return strconv.FormatBool(*c > 0) }
func (c *counter) Type() string     { return "bool" }
func (c *counter) IsBoolFlag() bool { return true }
func (c *counter) Set(text string) error {
	on, err := strconv.ParseBool(text)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not true or false", text)
	case on:
		*c++
	default:
		*c = 0
	}
	return nil
}

// SizeVar declares a flag whose value is a number of bytes: 4096, 512k, 1.5G,
// in units of 1024. The value of *p is the default.
func SizeVar(f *pflag.FlagSet, p *int64, name, usage string) {
	f.Var((*size)(p), name, usage)
}

// jobs is a flag value: how much is done at once.
type jobs int

func (j *jobs) String() string { return strconv.Itoa(int(*j)) }
func (j *jobs) Type() string   { return "int" }
func (j *jobs) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return fmt.Errorf("must be at least 1, not %s", text)
	}
	*j = jobs(n)
	return nil
}

// JobsVar declares --jobs, how much is done at once, with a default of n.
func JobsVar(f *pflag.FlagSet, p *int, n int, usage string) {
	*p = n
	f.VarP((*jobs)(p), "jobs", "j", usage)
}

// JobsPerProcessorVar declares --jobs with a default of n for each processor of the
// machine. Help and man page say so, and are the same on all machines.
func JobsPerProcessorVar(f *pflag.FlagSet, p *int, n int, usage string) {
	JobsVar(f, p, n*runtime.NumCPU(), usage)
	f.Lookup("jobs").DefValue = fmt.Sprintf("%d per processor", n)
}

// perSecond is a flag value: how many requests a second; 0 is no limit.
type perSecond float64

func (r *perSecond) String() string { return strconv.FormatFloat(float64(*r), 'g', -1, 64) }
func (r *perSecond) Type() string   { return "float" }
func (r *perSecond) Set(text string) error {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(0 <= x && x <= 1e9) {
		return fmt.Errorf("must be a number of requests a second, or 0, not %s", text)
	}
	*r = perSecond(x)
	return nil
}

// TPSVar declares --tpslimit, how many requests a second are sent at most.
func TPSVar(f *pflag.FlagSet, p *float64) {
	f.Var((*perSecond)(p), "tpslimit", "send at most `N` requests a second (0: no limit)")
}

// timeout is a flag value: a time that is not nothing.
type timeout time.Duration

func (t *timeout) String() string { return time.Duration(*t).String() }
func (t *timeout) Type() string   { return "duration" }
func (t *timeout) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second {
		return fmt.Errorf("must be a time of at least a second, such as 90s or 20m, not %s", text)
	}
	*t = timeout(d)
	return nil
}

// TimeoutVar declares --timeout, how long a little content may take until a transfer is
// given up.
func TimeoutVar(f *pflag.FlagSet, p *time.Duration) {
	*p = 5 * time.Minute
	f.Var((*timeout)(p), "timeout", "give up a transfer that delivers less than 16 KiB within `TIME`")
	f.Lookup("timeout").DefValue = "5m"
}

// parsed is a flag value that parse reads.
type parsed[T any] struct {
	p     *T
	parse func(string) (T, error)
	text  string
}

func (v *parsed[T]) String() string { return v.text }
func (v *parsed[T]) Type() string   { return "string" }
func (v *parsed[T]) Set(text string) error {
	var value T
	if text != "" {
		var err error
		if value, err = v.parse(text); err != nil {
			return err
		}
	}
	*v.p, v.text = value, text
	return nil
}

// ParseVar declares a flag whose value parse reads. An empty text is the zero
// value, as if the flag were not there.
func ParseVar[T any](f *pflag.FlagSet, p *T, parse func(string) (T, error), name, usage string) {
	f.Var(&parsed[T]{p: p, parse: parse}, name, usage)
}

// patterns is a flag value, given any number of times: patterns of paths.
type patterns []string

func (p *patterns) String() string { return strings.Join(*p, " ") }
func (p *patterns) Type() string   { return "stringArray" }
func (p *patterns) Set(text string) error {
	pattern := strings.TrimRight(text, "/")
	if pattern == "" {
		return fmt.Errorf("%q is not a path relative to the root; ** stands for all there are", text)
	}
	if err := record.CheckPath(pattern); err != nil {
		return err
	}
	if !doublestar.ValidatePattern(pattern) {
		return fmt.Errorf(`%q is not a pattern; write \[ for a [ that is part of a name, and likewise *, ?, { and \`, text)
	}
	*p = append(*p, pattern)
	return nil
}

// match reports whether one of the patterns is of a path, or of a folder above it.
func (p *patterns) match(path string) bool {
	for _, pattern := range *p {
		if record.Under(path, pattern) {
			return true
		}
		if !strings.ContainsAny(pattern, `*?[{\`) {
			continue
		}
		if matchesUpTo(exactRunes(pattern), exactRunes(path)) {
			return true
		}
	}
	return false
}

// matchesUpTo reports whether a pattern is of a path, or of a folder above it.
func matchesUpTo(pattern, path string) bool {
	for at, c := range path {
		if c == '/' && doublestar.MatchUnvalidated(pattern, path[:at]) {
			return true
		}
	}
	return doublestar.MatchUnvalidated(pattern, path)
}

// exactRunes replaces each byte of a text that is not UTF-8 by a rune of its own, out of
// those that stand for nothing: to doublestar, all such bytes are the same.
func exactRunes(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			r = 0x10ff00 + rune(s[0])
		}
		b.WriteRune(r)
		s = s[n:]
	}
	return b.String()
}

// PatternsVar declares a flag that may be given more than once, and sets *p to a function
// that reports whether one of its values matches a path. It may be called concurrently
// once the flags have been read; without the flag, it matches nothing.
//
// A value is a path relative to the root, or a pattern of such paths: ? and [a-z] are one
// character, * any number of them within a name, ** any number of folders, {a,b} either.
// What matches a folder matches everything beneath it.
func PatternsVar(f *pflag.FlagSet, p *func(path string) bool, name, usage string) {
	v := new(patterns)
	*p = v.match
	f.Var(v, name, usage)
}

// flagError names the flag, and says what is wrong with its value.
func flagError(err error) error {
	var bad *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &missing):
		return Usagef("--%s needs a value", missing.GetFlag().Name)
	case errors.As(err, &unknown):
		return Usagef("there is no option %s", dashed(unknown.GetSpecifiedName()))
	case !errors.As(err, &bad):
		return Usagef("%v", err)
	}
	name, why := "--"+bad.GetFlag().Name, bad.Unwrap()
	var number *strconv.NumError
	if errors.As(why, &number) {
		return Usagef("%s: %q is not a number that it takes", name, bad.GetValue())
	}
	return Usagef("%s: %v", name, why)
}

// dashed returns the name of a flag as it is written.
func dashed(name string) string {
	if utf8.RuneCountInString(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// FormatSize returns a number of bytes as people read it, such as "1.5GiB".
func FormatSize(n int64) string { return units.BytesSize(float64(n)) }
