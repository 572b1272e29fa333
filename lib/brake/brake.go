// Package brake decides whether a run may delete or overwrite as many stored files as
// its plan says, given the history of the job.
//
// A wrong source (a disk that is not mounted, another folder in its place, a tree
// that ransomware has encrypted) shows in the share of the stored files that would be
// lost. That share must not shrink over time: files that a wrong source adds, run
// after run, must not count. So the share is of the files that were stored when all
// was last well, which [Past] keeps. A run that could not finish everything that was
// due leaves Past unchanged, and so does a run that is killed.
//
// The package only calculates. It reads no clock and no files.
package brake

// Past is what a job remembers of its earlier runs. The zero Past remembers nothing.
type Past struct {
	Known bool  `json:"known"` // some run has seen what is stored
	Files int64 `json:"files"` // stored when all was last well, or when a run first looked
}

// Begin returns the past of a run that finds stored files on the service, and has
// changed nothing yet. The caller saves the past before the run changes anything:
// a run that is killed must not make its additions part of the past.
func (p Past) Begin(stored int64) Past {
	if !p.Known {
		return Past{true, stored}
	}
	return p
}

// Run is what a run of a job came to. All numbers are of files.
type Run struct {
	Stored  int64 // on the service when the run looked
	Due     int64 // deletions and overwriting that the run found to be due
	Done    int64 // how much of that it has done, or left with good reason
	Added   int64 // files stored that the service had not
	Deleted int64
	Whole   bool // the run saw its whole source, and so knows all that is due
}

// End returns the past after a run. All is well when a run has seen its whole source
// and nothing is due any more.
func (p Past) End(r Run) Past {
	p = p.Begin(r.Stored)
	if r.Whole && r.Done >= r.Due {
		p.Files = max(0, r.Stored+r.Added-r.Deleted)
	}
	return p
}

// Holds reports whether a run that finds stored files on the service must not delete
// or overwrite due of them. They may be neither too many of what is stored now, nor of
// what was stored when all was last well: how many of them were there then is not
// known, so at worst all were.
func (p Past) Holds(limit Limit, due, stored int64) bool {
	if due == 0 || due <= limit.Spare {
		return false
	}
	then := p.Begin(stored).Files
	return limit.Exceeded(due, stored) || limit.Exceeded(min(due, then), then)
}
