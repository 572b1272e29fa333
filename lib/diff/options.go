package diff

import (
	"jottatools/lib/brake"
	"jottatools/lib/record"
)

// Options say how to plan.
type Options struct {
	Dest         string       // remote path of the target's root; "" if there is none
	Prune        bool         // propose to delete entries that are gone from the source
	PruneIgnored bool         // entries that a rule about names leaves out count as gone
	MaxDelete    brake.Limit  // with Prune: propose to delete no file at all beyond this
	MaxChange    *brake.Limit // overwrite no file at all beyond this; nil: without limit
	Past         brake.Past   // the history of earlier runs; a share in both limits also applies to it
	Spared       []string     // folders of the target in which other jobs store, as paths; nothing in them is changed
	Withhold     error        // if set, says why nothing may be deleted or moved, whatever is gone
	ShowGone     bool         // report entries that only the target has, with action none
	TrackRenames bool         // with Prune: move a file that is gone to a new file with the same MD5 and size
	Guard        *Guard       // tells damage from changes; nil: no change counts as damage

	// Begin, if set, is called before the first record of the plan with the number of files on the
	// target, if Past does not know it.
	Begin func(files int64)
	// Seen, if set, is called at the end with the changes that the plan found due. None of them has
	// been carried out yet.
	Seen func(brake.Run)
	// Foreign, if set, is called with the number of entries in Spared folders that the source lacks.
	Foreign func(n int64)
	// Check, if set, returns the path under which the target would list an entry,
	// and an error if it cannot hold it, or would not give its name back.
	Check func(path string) (listed string, err *record.Error)
	// Stored, if set, is called with the number of entries on the target.
	Stored func(n int64)
	// Same, if set, is called for entries that are the same on both sides, instead of Emit.
	Same func(record.Same)
	// Warn, if set, is called once if the input is out of order.
	Warn func(message string)
}
