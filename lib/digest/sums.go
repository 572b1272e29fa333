package digest

import (
	"io"

	"jottatools/lib/record"
)

// Sums is an Output that prints the digests of files as GNU md5sum does, so
// that "md5sum -c" checks them in the folder that paths are relative to. It
// hands each record on, so that somebody counts them.
type Sums struct {
	// Skipped, if set, hears of each file that was left out because it changed
	// while it was read, since no line tells.
	Skipped func(*record.Record)

	// Append adds the line of a file: [record.AppendSum], or AppendTaggedSum.
	Append func([]byte, *record.Record) []byte

	w    io.Writer
	next Output
	line []byte
}

// NewSums returns an Output that prints to w, a line a write, and hands records
// on to next.
func NewSums(w io.Writer, next Output) *Sums {
	return &Sums{Append: record.AppendSum, w: w, next: next}
}

// Write prints the digest of r, if it has one.
func (s *Sums) Write(r *record.Record) error {
	if err := s.print(r); err != nil {
		return err
	}
	return s.next.Write(r)
}

// Pass prints the digest of r, if it has one.
func (s *Sums) Pass(r *record.Record) error {
	if err := s.print(r); err != nil {
		return err
	}
	return s.next.Pass(r)
}

func (s *Sums) print(r *record.Record) error {
	if r.Status == record.StatusSkipped && r.Reason == record.ReasonChanging && s.Skipped != nil {
		s.Skipped(r)
	}
	if r.Kind != record.KindFile || r.MD5 == "" || r.Error != nil {
		return nil
	}
	s.line = s.Append(s.line[:0], r)
	_, err := s.w.Write(s.line)
	return err
}
