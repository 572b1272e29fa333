package transfer

import (
	"iter"

	"jottatools/lib/record"
)

// metadata reads a saved stream in step with the records of a Download. Both are
// in tree order.
type metadata struct {
	next func() (*record.Record, error, bool)
	stop func()
	head *record.Record // nil before the first and after the last
	more bool
	met  bool                 // the service has an entry at the path of head
	link func(*record.Record) // takes the symbolic links on the way
}

func newMetadata(records func() iter.Seq2[*record.Record, error], link func(*record.Record)) *metadata {
	if records == nil {
		return new(metadata)
	}
	m := &metadata{link: link, more: true}
	m.next, m.stop = iter.Pull2(records())
	return m
}

// find returns the saved record of the entry at path, nil if there is none.
func (m *metadata) find(path string) (*record.Record, error) {
	for m.more && (m.head == nil || record.Compare(m.head.Path, path) < 0) {
		if err := m.advance(); err != nil {
			return nil, err
		}
	}
	if m.more && m.head.Path == path {
		m.met = true
		return m.head, nil
	}
	return nil, nil
}

func (m *metadata) advance() error {
	if m.head != nil && m.head.Kind == record.KindSymlink && !m.met {
		m.link(m.head)
	}
	var err error
	m.met = false
	m.head, err, m.more = m.next()
	m.more = m.more && err == nil
	return err
}

// finish deals with what comes after the last record.
func (m *metadata) finish() error {
	for m.more {
		if err := m.advance(); err != nil {
			return err
		}
	}
	return nil
}

func (m *metadata) close() {
	if m.stop != nil {
		m.stop()
	}
}
