package command

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"
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

// flagError names the flag, and says what is wrong with its value.
func flagError(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return Usagef("%v", err)
	}
	name, why := "--"+bad.GetFlag().Name, bad.Unwrap()
	var number *strconv.NumError
	if errors.As(why, &number) {
		return Usagef("%s: %q is not a number that it takes", name, bad.GetValue())
	}
	return Usagef("%s: %v", name, why)
}

// FormatSize returns a number of bytes as people read it, such as "1.5GiB".
func FormatSize(n int64) string { return units.BytesSize(float64(n)) }
