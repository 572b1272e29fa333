package list

import (
	"bufio"
	"encoding/json"
	"fmt"
	"path"
	"time"

	"jottatools/lib/record"
)

// Formats are what [Format] knows besides records.
const Formats = "lsjson, md5sum, bsd or nul"

// Format returns an Emit that writes a listing in another form than records, and
// a function that ends it: lsjson is what rclone's command of that name prints
// with --hash, md5sum what GNU md5sum prints, bsd the lines of BSD's md5, nul the paths,
// each ended by a NUL.
// Entries with errors are left out.
func Format(name string, w *bufio.Writer) (Emit, func() error, error) {
	switch name {
	case "lsjson":
		first := true
		emit := func(r *record.Record) error {
			if r.Error != nil {
				return nil
			}
			sep := ",\n"
			if first {
				sep, first = "[\n", false
			}
			return writeJSON(w, sep, r)
		}
		end := func() error {
			if first {
				w.WriteString("[")
			}
			w.WriteString("\n]\n")
			return w.Flush()
		}
		return emit, end, nil
	case "md5sum":
		return sums(w, record.AppendSum), w.Flush, nil
	case "bsd":
		return sums(w, record.AppendTaggedSum), w.Flush, nil
	case "nul":
		return func(r *record.Record) error {
			if r.Error != nil {
				return nil
			}
			w.WriteString(r.Path)
			return w.WriteByte(0)
		}, w.Flush, nil
	}
	return nil, nil, fmt.Errorf("%q is not a format; use ndjson, %s", name, Formats)
}

// sums returns an Emit that writes the digest of each file.
func sums(w *bufio.Writer, line func([]byte, *record.Record) []byte) Emit {
	return func(r *record.Record) error {
		if r.Kind != record.KindFile || r.MD5 == "" || r.Error != nil {
			return nil
		}
		_, err := w.Write(line(w.AvailableBuffer(), r))
		return err
	}
}

// lsjson is an entry as rclone prints it, in the order of its members.
type lsjson struct {
	Path, Name string
	Size       int64
	ModTime    string
	IsDir      bool
	Hashes     map[string]string `json:",omitempty"`
}

func writeJSON(w *bufio.Writer, sep string, r *record.Record) error {
	e := lsjson{Path: r.Path, Name: path.Base(r.Path), Size: -1, IsDir: r.Kind == record.KindDir}
	if !e.IsDir {
		e.Size = r.Size
	}
	if !r.MTime.IsZero() {
		e.ModTime = r.MTime.Format(time.RFC3339Nano)
	}
	if r.MD5 != "" {
		e.Hashes = map[string]string{"md5": r.MD5}
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	w.WriteString(sep)
	_, err = w.Write(line)
	return err
}
