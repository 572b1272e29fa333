package jdiff

import (
	"jottatools/lib/brake"
	"jottatools/lib/command"
	"jottatools/lib/diff"
	"jottatools/lib/job"
	"jottatools/lib/record"
)

// remember has the plan know what earlier runs have seen, and notes what this one does.
func (o *options) remember(env *command.Env) error {
	s, err := job.Load(o.state, func(err error) { env.Errorf("%v", err) })
	if err != nil {
		return err
	}
	save := func() {
		if err := s.Save(o.state); err != nil {
			env.Errorf("%v", err)
		}
	}
	o.Past, o.Spared, o.Withhold = s.Past, s.Spared(), s.Withhold()
	o.Guard = &diff.Guard{Since: s.Since, Doubt: s.Doubts(), Accept: o.accept}
	o.mounted = func(r *record.Record) {
		// What is in there is about to be stored. A run that is killed must not leave that
		// to one that finds the folder empty.
		if !r.Ignored && r.Reason != record.ReasonElsewhere && s.Mounted(r.Path) {
			save()
		}
	}
	o.Begin = func(files int64) {
		s.Past = s.Past.Begin(files)
		save()
	}
	o.Seen = func(run brake.Run) {
		s.Sees(run)
		save()
	}
	return nil
}
