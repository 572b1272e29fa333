package diff

import (
	"jottatools/lib/brake"
	"jottatools/lib/record"
)

// Options says how to plan.
type Options struct {
	Dest         string       // remote path of the target's root; "" if there is none
	Prune        bool         // propose to delete entries that are gone from the source
	PruneIgnored bool         // what a rule about names leaves out counts as gone
	MaxDelete    brake.Limit  // with Prune: propose to delete no file at all beyond this
	MaxChange    *brake.Limit // overwrite no file at all beyond this; nil: without limit
	Past         brake.Past   // what earlier runs have seen; a share in both limits is of that, too
	Spared       []string     // folders of the target in which other jobs store, as paths; nothing in them is changed
	Withhold     error        // if set, says why nothing may be deleted or moved, whatever is gone
	ShowGone     bool         // report what only the target has, with action none
	TrackRenames bool         // with Prune: move what is gone to where its content is new
	Guard        *Guard       // tells damage from changes; nil: every change is one

	// Begin, if set, hears before the first record of the plan how many files the target
	// has, if Past does not know.
	Begin func(files int64)
	// Seen, if set, hears at the end what the plan has found to be due. Nothing of it is
	// done yet.
	Seen func(brake.Run)
	// Foreign, if set, hears how many entries in Spared folders the source does not have.
	Foreign func(n int64)
	// Check, if set, returns the path under which the target would list an entry,
	// and an error if it cannot hold it, or would not give its name back.
	Check func(path string) (listed string, err *record.Error)
	// Stored, if set, hears how many entries the target has.
	Stored func(n int64)
	// Same, if set, hears of what is the same on both sides, instead of Emit.
	Same func(record.Same)
	// Warn, if set, hears once of input that is out of order.
	Warn func(message string)
}
