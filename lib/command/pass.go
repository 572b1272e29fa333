package command

import (
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/pflag"
)

// passed is a flag for other programs, which know what its value means.
type passed struct {
	name string
	as   string // the word that it becomes, unless it is the flag itself
	bare bool   // it takes no value
	to   []*[]string
}

func (p *passed) String() string { return "" }

func (p *passed) Type() string {
	if p.bare {
		return "bool"
	}
	return "string"
}

func (p *passed) Set(text string) error {
	word := "--" + p.name + "=" + text
	if p.bare {
		on, err := strconv.ParseBool(text)
		switch {
		case err != nil:
			return err
		case p.as != "" && !on:
			return nil
		case p.as != "":
			word = p.as
		}
	}
	for _, to := range p.to {
		*to = append(*to, word)
	}
	return nil
}

// PassVar declares a flag that other programs take: it is added to their arguments as it
// was given, as often as it was.
func PassVar(f *pflag.FlagSet, name, short, usage string, to ...*[]string) {
	f.VarP(&passed{name: name, to: to}, name, short, usage)
}

// PassBoolVar is [PassVar] for a flag without a value. If as is not empty, the other
// programs get that word for it.
func PassBoolVar(f *pflag.FlagSet, name, short, as, usage string, to ...*[]string) {
	f.VarPF(&passed{name: name, as: as, bare: true, to: to}, name, short, usage).NoOptDefVal = "true"
}

// OptionalVar declares a flag whose value may be left out; then it is without.
func OptionalVar(f *pflag.FlagSet, p *string, name, without, usage string) {
	f.Var((*optional)(p), name, usage)
	f.Lookup(name).NoOptDefVal = without
}

type optional string

func (o *optional) String() string        { return string(*o) }
func (o *optional) Type() string          { return "bool" } // so that the help does not show what stands for none
func (o *optional) Set(text string) error { *o = optional(text); return nil }

// recorded is a flag that notes how it was given.
type recorded struct {
	pflag.Value
	name string
	file bool // its value is the path of a file
	to   *[]string
}

func (r *recorded) Set(text string) error {
	if err := r.Value.Set(text); err != nil {
		return err
	}
	if r.file {
		if path, err := filepath.Abs(text); err == nil {
			text = path
		}
	}
	*r.to = append(*r.to, "--"+r.name+"="+text)
	return nil
}

// Record notes in what it returns how the flags that are declared so far are given, for the
// same to be run at another time and place: those called files have paths as their values,
// which become absolute.
func Record(f *pflag.FlagSet, files ...string) *[]string {
	given := new([]string)
	f.VisitAll(func(flag *pflag.Flag) {
		flag.Value = &recorded{flag.Value, flag.Name, slices.Contains(files, flag.Name), given}
	})
	return given
}
