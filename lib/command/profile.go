package command

import (
	"errors"
	"os"
	"runtime/pprof"
	"runtime/trace"

	"github.com/spf13/pflag"
)

// profile is what developers may ask every program for, by flags that its help
// does not show.
type profile struct{ cpu, trace string }

func (p *profile) flags(f *pflag.FlagSet) {
	f.StringVar(&p.cpu, "cpuprofile", "", "write a CPU profile to `FILE`, for go tool pprof")
	f.StringVar(&p.trace, "trace", "", "write an execution trace to `FILE`, for go tool trace")
	for _, name := range []string{"cpuprofile", "trace"} {
		if err := f.MarkHidden(name); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// start begins to record what was asked for. stop ends it, and closes the files.
func (p *profile) start() (stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var err error
		for _, s := range stops {
			err = errors.Join(err, s())
		}
		return err
	}
	begin := func(name string, start func(f *os.File) error, end func()) {
		if name == "" || err != nil {
			return
		}
		var f *os.File
		if f, err = os.Create(name); err != nil {
			return
		}
		if err = start(f); err != nil {
			f.Close()
			return
		}
		stops = append(stops, func() error { end(); return f.Close() })
	}
	begin(p.cpu, func(f *os.File) error { return pprof.StartCPUProfile(f) }, pprof.StopCPUProfile)
	begin(p.trace, func(f *os.File) error { return trace.Start(f) }, trace.Stop)
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}
