package spool

import (
	"errors"
	"fmt"
	"os"
)

// Intent is a renaming at the service that files of the spool are part of. After
// a crash nobody knows whether the service has carried it out: look, and settle it.
type Intent struct {
	From, To string
	spool    *Spool
	name     string // of its note; "" if no file was concerned
}

// Intend notes, if files at or below from are in the spool, that from is about to
// become to. Settle it when the service has answered.
func (s *Spool) Intend(from, to string) (Intent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := Intent{From: from, To: to, spool: s}
	concerned := false
	for f := range s.files {
		if _, ok := below(f.path, from); ok {
			concerned = true
			break
		}
	}
	if !concerned {
		return in, nil
	}
	s.next++
	in.name = fmt.Sprintf("%012d%s", s.next, intentSuffix)
	n := newNote(from)
	n.To, n.ToRaw = text(to)
	return in, s.write(in.name, n, true)
}

// Settle ends the renaming: if it has happened, the files that were at or below
// From belong below To from now on.
func (in Intent) Settle(happened bool) error {
	s := in.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	if happened {
		for f := range s.files {
			rest, ok := below(f.path, in.From)
			if !ok {
				continue
			}
			f.path = in.To + rest
			if err := f.note(f.durable); err != nil {
				return err
			}
		}
	}
	if in.name == "" {
		return nil
	}
	if err := s.disk.Remove(s.path(in.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
