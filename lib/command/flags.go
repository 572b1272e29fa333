package command

import (
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

// FormatSize returns a number of bytes as people read it, such as "1.5GiB".
func FormatSize(n int64) string { return units.BytesSize(float64(n)) }
