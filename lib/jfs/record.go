package jfs

import "jottatools/lib/record"

// Record returns what is known of an entry with an absolute path, as those of
// [Client.Stat] and of the views are. The record's path is what follows the first
// slash of the remote one.
func (i *Info) Record() *record.Record {
	rec := &record.Record{Kind: record.KindDir, Path: i.Path[1:], Size: record.SizeUnknown, Remote: i.Path}
	if i.Kind == KindFile {
		rec.Kind, rec.Size, rec.MD5, rec.MTime = record.KindFile, i.Size, i.MD5, i.Modified
		rec.State, rec.Revision, rec.Uploaded = i.State, i.Number, i.Updated
	}
	return rec
}
