package diff

import (
	"iter"

	"jottatools/lib/record"
)

// lookahead reads records and can look behind a folder's content without
// losing it: what it passes over waits, on disk when it is much.
type lookahead struct {
	pull    func() (*record.Record, error, bool)
	stop    func()
	beneath record.Spool                         // passed over, still to be handed out
	replay  func() (*record.Record, error, bool) // reads beneath; nil if it is empty
	end     func()
	left    int64
	behind  *record.Record // comes after beneath
}

func newLookahead(records iter.Seq2[*record.Record, error]) *lookahead {
	s := new(lookahead)
	pull, stop := iter.Pull2(records)
	s.pull = pull
	s.stop = func() {
		s.drop()
		stop()
	}
	return s
}

// next returns the next record, or nil at the end.
func (s *lookahead) next() (*record.Record, error) {
	if s.left > 0 {
		if s.replay == nil {
			s.replay, s.end = iter.Pull2(s.beneath.All())
		}
		s.left--
		r, err, _ := s.replay()
		if s.left == 0 {
			s.drop()
		}
		return r, err
	}
	return s.fetch()
}

// fetch returns the next record that was not passed over.
func (s *lookahead) fetch() (*record.Record, error) {
	if r := s.behind; r != nil {
		s.behind = nil
		return r, nil
	}
	r, err, ok := s.pull()
	if !ok || err != nil {
		return nil, err
	}
	return r, nil
}

func (s *lookahead) drop() {
	if s.replay != nil {
		s.end()
		s.replay = nil
	}
	s.beneath.Close()
	s.beneath, s.left = record.Spool{}, 0
}

// pending reports whether next returns what has been read already.
func (s *lookahead) pending() bool { return s.left > 0 || s.behind != nil }

// noFileBeneath reports whether the records beneath path, which come next, have no file
// that is to be stored. Those it has to pass over for that are not lost. A file system
// that was just made has a folder in it, at times (lost+found).
func (s *lookahead) noFileBeneath(path string) (bool, error) {
	if s.left > 0 {
		return false, nil // it is not known; there is something beneath
	}
	for {
		r, err := s.fetch()
		if r == nil || err != nil {
			return err == nil, err
		}
		if !record.Under(r.Path, path) {
			s.behind = r
			return true, nil
		}
		if err := s.beneath.Add(r); err != nil {
			return false, err
		}
		s.left++
		if r.Kind == record.KindFile && !r.Ignored {
			return false, nil
		}
	}
}

// holds reports whether the next record is one that peekBehind passed over.
func (s *lookahead) holds() bool { return s.left > 0 }

// peekBehind returns the first record that is not beneath path, without taking
// it, or nil at the end. While a peek is outstanding it does not look again:
// then the answer is nil, too.
func (s *lookahead) peekBehind(path string) (*record.Record, error) {
	if s.left > 0 {
		return nil, nil
	}
	for {
		r, err := s.fetch()
		if r == nil || err != nil {
			return nil, err
		}
		if !record.Under(r.Path, path) {
			s.behind = r
			return r, nil
		}
		if err := s.beneath.Add(r); err != nil {
			return nil, err
		}
		s.left++
	}
}
