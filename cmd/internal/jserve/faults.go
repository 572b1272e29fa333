package jserve

import (
	"jottatools/lib/command"
	"jottatools/lib/jserve"
)

// faultOptions are the flags that make the server slow or wrong.
type faultOptions struct {
	rate   rateFlag
	faults faultFlag
	seed   uint64
	allow  bool
}

func (o *faultOptions) declare(cmd *command.Command) {
	f := cmd.Flags()
	f.Var(&o.rate, "rate", "limit the traffic to `BYTES` a second, such as 500K; with /conn, on each connection")
	f.Var(&o.faults, "fault", "produce faults by `RULES`, such as allocate:503:p=0.1 (docs/jserve.md)")
	f.BoolVar(&o.allow, "allow-faults", false, "let any account change the faults at /_jserve/faults; for tests")
	f.Uint64Var(&o.seed, "seed", 0, "seed `N` decides which requests --fault hits")
}

// rateFlag is a jserve.Rate on the command line.
type rateFlag struct{ jserve.Rate }

func (r *rateFlag) Set(text string) (err error) {
	r.Rate, err = jserve.ParseRate(text)
	return err
}

func (r *rateFlag) Type() string { return "rate" }

// String is empty without a limit, so that the help shows no default.
func (r *rateFlag) String() string {
	if r.Bytes == 0 {
		return ""
	}
	return r.Rate.String()
}

// faultFlag is fault rules on the command line. Given again, it adds to them.
type faultFlag string

func (f *faultFlag) Set(text string) error {
	if err := jserve.CheckFaults(text); err != nil {
		return err
	}
	*f += faultFlag(text + "\n")
	return nil
}

func (f *faultFlag) Type() string { return "rules" }

func (f *faultFlag) String() string { return string(*f) }
