package jfs

import "jottatools/lib/record"

// Record returns what is known of an entry with an absolute path, as those of
// [Client.Stat] and of the views are. The record's path is what follows the first
// slash of the remote one.
func (i *Info) Record() *record.Record {
	rec := i.RecordAt(i.Path[1:], Path(i.Path))
	return &rec
}

// RecordAt returns the record of an entry, whatever its own path says: what it is,
// and of a file its revision.
func (e *Entry) RecordAt(path string, remote Path) record.Record {
	rec := record.Record{Kind: record.KindDir, Path: path, Size: record.SizeUnknown, Remote: string(remote)}
	if e.Kind == KindFile {
		rec.Kind = record.KindFile
		e.Revision.Describe(&rec)
	}
	return rec
}

// Describe gives the record of a file what it has from this revision.
func (v *Revision) Describe(rec *record.Record) {
	rec.Size, rec.MD5, rec.MTime = v.Size, v.MD5, v.Modified
	rec.State, rec.Revision, rec.Uploaded = v.State, v.Number, v.Updated
}
