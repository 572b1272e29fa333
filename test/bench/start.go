package main

import (
	"context"
	"fmt"
)

// start measures how long a program takes until it does something, alone and as a part
// of jotta, beside one that does nothing.
func start(program string) job {
	return job{
		name: "start-" + program, title: "Start " + program + " 200 times", unit: "starts", warm: true,
		goal: "at most 2 ms more through jotta",
		note: "Through jotta, the program also sets up the packages of all other programs, and reads more of the file. " +
			"Half a MiB of the memory belongs to the process alone; the rest is pages of the file, which all running programs share.",
		prepare: func(_ context.Context, w *world) ([]rival, error) {
			n := w.scale(200, 3)
			starts := func(name string, argv []string) rival {
				loop := fmt.Sprintf(`for i in $(seq %d); do "$@" || exit; done`, n)
				return rival{name: name, units: float64(n), pipe: pipe{append([]string{"sh", "-c", loop, "sh"}, argv...)}}
			}
			return []rival{
				starts(program, w.ours(program, "--version")),
				starts("jotta "+program, w.ours("jotta", program, "--version")),
				starts("true", []string{"/bin/true"}),
			}, nil
		},
	}
}
