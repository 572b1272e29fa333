package record

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// decode fills r, which is empty, from one line. The line must be a JSON object in valid UTF-8;
// what it says is checked as far as every program relies on it.
//
// The members are taken apart by scanner, which leaves strings without escapes
// where they are in the line: a record costs one copy of its line. The fuzz
// test holds the result against encoding/json.
func (r *Record) decode(line string) error {
	r.Size, r.line = SizeUnknown, line
	var later pending
	var wrong error // the first member that is not as it should be
	err := eachMember(line, func(key, value string, member string) error {
		if err := r.member(&later, key, value, member); err != nil && wrong == nil {
			wrong = err
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case r.Foreign():
		// What its members mean is not known here: only the line counts.
		*r = Record{Kind: r.Kind, Size: SizeUnknown, line: line}
		return nil
	case wrong != nil:
		return wrong
	}
	if err := later.apply(r); err != nil {
		return err
	}
	if later.mended && r.Kind != KindEnd {
		r.line = string(r.append(nil))
	}
	return r.check()
}

// Foreign reports whether the record is of a kind that this package does not
// know: it has no place in a tree and can only be passed on.
func (r *Record) Foreign() bool {
	switch r.Kind {
	case KindFile, KindDir, KindSymlink, KindSpecial, KindEnd, "":
		return false
	}
	return true
}

// pending is what can be done only when all members are known: the base64 members
// overrule their printable forms whatever the order, and a line with a number that
// is text, or has an exponent, is written anew.
type pending struct {
	root, path, target, remote, from string
	mended                           bool
}

func (later *pending) apply(r *Record) error {
	for _, f := range []struct {
		name, base64 string
		field        *string
	}{
		{"root_raw", later.root, &r.Root},
		{"path_raw", later.path, &r.Path},
		{"target_raw", later.target, &r.Target},
		{"remote_raw", later.remote, &r.Remote},
		{"from_raw", later.from, &r.From},
	} {
		if f.base64 == "" {
			continue
		}
		b, err := base64.StdEncoding.DecodeString(f.base64)
		if err != nil {
			return fmt.Errorf("%s is not base64", f.name)
		}
		*f.field = string(b)
	}
	return nil
}

// member takes one member of the line.
func (r *Record) member(later *pending, key, value, member string) (err error) {
	switch key {
	case "kind":
		r.Kind, err = text[Kind](value)
	case "root":
		r.Root, err = text[string](value)
	case "root_raw":
		later.root, err = text[string](value)
	case "path":
		r.Path, err = text[string](value)
	case "path_raw":
		later.path, err = text[string](value)
	case "size":
		err = set(later, &r.Size, value, number)
		if err == nil && r.Size < 0 && value != "null" {
			err = errors.New("is negative")
		}
	case "mtime":
		r.MTime, err = timestamp(value)
	case "mode":
		r.Mode, err = text[string](value)
	case "ino":
		err = set(later, &r.Ino, value, natural)
	case "dev":
		err = set(later, &r.Dev, value, natural)
	case "ctime":
		r.CTime, err = timestamp(value)
	case "btime":
		r.BTime, err = timestamp(value)
	case "target":
		r.Target, err = text[string](value)
	case "target_raw":
		later.target, err = text[string](value)
	case "md5":
		r.MD5, err = digest(value)
	case "ignored":
		err = set(later, &r.Ignored, value, boolean)
	case "mount":
		err = set(later, &r.Mount, value, boolean)
	case "followed":
		err = set(later, &r.Followed, value, boolean)
	case "fresh":
		err = set(later, &r.Fresh, value, boolean)
	case "kept":
		err = set(later, &r.Kept, value, boolean)
	case "state":
		r.State, err = text[string](value)
	case "revision":
		err = set(later, &r.Revision, value, number)
	case "uploaded":
		r.Uploaded, err = timestamp(value)
	case "deleted":
		r.Deleted, err = timestamp(value)
	case "remote":
		r.Remote, err = text[string](value)
	case "remote_raw":
		later.remote, err = text[string](value)
	case "from":
		r.From, err = text[string](value)
	case "link":
		r.Link, err = text[string](value)
	case "from_raw":
		later.from, err = text[string](value)
	case "action":
		r.Action, err = text[Action](value)
	case "reason":
		r.Reason, err = text[Reason](value)
	case "status":
		r.Status, err = text[Status](value)
	case "sent", "resumed_at", "ms":
		err = r.transferMember(later, key, value)
	case "error":
		r.Error, err = decodeError(value)
	default:
		r.extra += "," + member
		return nil
	}
	if err != nil {
		return fmt.Errorf("%q %w", key, err)
	}
	return nil
}

func (r *Record) transferMember(later *pending, key, value string) (err error) {
	if value == "null" {
		return nil
	}
	t := r.transfer()
	switch key {
	case "sent":
		return set(later, &t.Sent, value, number)
	case "resumed_at":
		return set(later, &t.ResumedAt, value, number)
	}
	ms := int64(0)
	err = set(later, &ms, value, number)
	t.Took = time.Duration(ms) * time.Millisecond
	return err
}

func (r *Record) transfer() *Transfer {
	if r.Transfer == nil {
		r.Transfer = new(Transfer)
	}
	return r.Transfer
}

// check refuses what would lead a program astray.
func (r *Record) check() error {
	switch {
	case r.Kind == "":
		return errors.New(`the record has no "kind"`)
	case r.Kind == KindEnd:
		return nil
	case r.Path == "":
		return errors.New(`the record has no "path"`)
	}
	return CheckPath(r.Path)
}

// CheckPath returns an error unless path is relative and stays beneath its
// root: parts separated by single slashes, none of them "." or "..", no NUL.
func CheckPath(path string) error {
	for rest, more := path, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		switch part {
		case "":
			return fmt.Errorf("path %s has an empty part; paths are relative and have single slashes", clip(strconv.Quote(path)))
		case ".", "..":
			return fmt.Errorf("path %s has a part %q; paths stay beneath their root", clip(strconv.Quote(path)), part)
		}
	}
	if strings.IndexByte(path, 0) >= 0 {
		return fmt.Errorf("path %s has a NUL byte", clip(strconv.Quote(path)))
	}
	return nil
}

// append adds the record as one line of JSON, without the newline.
func (r *Record) append(b []byte) []byte {
	if r.Foreign() && r.line != "" {
		return append(b, r.line...)
	}
	b = append(b, `{"kind":`...)
	b = appendString(b, string(r.Kind))
	b = appendName(b, `,"root":`, `,"root_raw":"`, r.Root)
	b = appendName(b, `,"path":`, `,"path_raw":"`, r.Path)
	if r.Kind == KindFile && r.Size >= 0 {
		b = appendInt(b, `,"size":`, r.Size)
	}
	timeAt := len(b)
	b = appendTime(b, `,"mtime":`, r.MTime)
	mtime := b[timeAt:]
	b = appendText(b, `,"mode":`, r.Mode)
	if r.Ino != 0 {
		b = append(b, `,"ino":`...)
		b = strconv.AppendUint(b, r.Ino, 10)
	}
	if r.Dev != 0 {
		b = append(b, `,"dev":`...)
		b = strconv.AppendUint(b, r.Dev, 10)
	}
	b = appendTimeLike(b, `,"ctime":`, r.CTime, r.MTime, mtime)
	b = appendTimeLike(b, `,"btime":`, r.BTime, r.MTime, mtime)
	b = appendTrue(b, `,"followed":`, r.Followed)
	b = appendName(b, `,"target":`, `,"target_raw":"`, r.Target)
	b = appendText(b, `,"md5":`, r.MD5)
	b = appendTrue(b, `,"fresh":`, r.Fresh)
	b = appendTrue(b, `,"mount":`, r.Mount)
	b = appendTrue(b, `,"ignored":`, r.Ignored)
	b = appendTrue(b, `,"kept":`, r.Kept)
	b = appendText(b, `,"state":`, r.State)
	if r.Revision != 0 {
		b = appendInt(b, `,"revision":`, r.Revision)
	}
	b = appendTime(b, `,"uploaded":`, r.Uploaded)
	b = appendTime(b, `,"deleted":`, r.Deleted)
	b = appendName(b, `,"remote":`, `,"remote_raw":"`, r.Remote)
	b = appendName(b, `,"from":`, `,"from_raw":"`, r.From)
	b = appendText(b, `,"link":`, r.Link)
	b = appendText(b, `,"action":`, string(r.Action))
	b = appendText(b, `,"reason":`, string(r.Reason))
	b = appendText(b, `,"status":`, string(r.Status))
	if t := r.Transfer; t != nil {
		b = appendInt(b, `,"sent":`, t.Sent)
		if t.ResumedAt != 0 {
			b = appendInt(b, `,"resumed_at":`, t.ResumedAt)
		}
		b = appendInt(b, `,"ms":`, t.Took.Milliseconds())
	}
	b = append(b, r.extra...)
	if r.Error != nil {
		b = append(b, `,"error":`...)
		b = r.Error.append(b)
	}
	return append(b, '}')
}

func (e *Error) append(b []byte) []byte {
	if e.raw != "" {
		return append(b, e.raw...)
	}
	b = append(b, `{"class":`...)
	b = appendString(b, string(e.Class))
	b = append(b, `,"message":`...)
	b = appendString(b, e.Message)
	if e.HTTP != 0 {
		b = appendInt(b, `,"http":`, int64(e.HTTP))
	}
	if e.Retry {
		b = append(b, `,"retry":true`...)
	}
	b = appendText(b, `,"xid":`, e.XID)
	return append(b, '}')
}

func decodeError(value string) (*Error, error) {
	if value == "null" {
		return nil, nil
	}
	var e struct {
		Class   Class  `json:"class"`
		Message string `json:"message"`
		HTTP    int    `json:"http"`
		Retry   bool   `json:"retry"`
		XID     string `json:"xid"`
	}
	if err := json.Unmarshal([]byte(value), &e); err != nil {
		return nil, fmt.Errorf("is not an error object: %s", clip(value))
	}
	return &Error{Class: e.Class, Message: e.Message, HTTP: e.HTTP, Retry: e.Retry, XID: e.XID, raw: value}, nil
}

// appendName adds a name, with its true bytes beside it when they are not
// UTF-8, since JSON would make two such names equal. The keys are those of members,
// with all that is around them.
func appendName(b []byte, key, rawKey, name string) []byte {
	if name == "" {
		return b
	}
	b = appendString(append(b, key...), name)
	if utf8.ValidString(name) {
		return b
	}
	b = append(b, rawKey...)
	b = base64.StdEncoding.AppendEncode(b, []byte(name))
	return append(b, '"')
}

func appendText(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(append(b, key...), s)
}

func appendTime(b []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(b, key...), '"')
	b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// appendTimeLike is appendTime for a time that often is the same as the mtime, of which
// the member has been written. The keys are of the same length.
func appendTimeLike(b []byte, key string, t, mtime time.Time, member []byte) []byte {
	if t.IsZero() || t != mtime {
		return appendTime(b, key, t)
	}
	return append(append(b, key...), member[len(key):]...)
}

func appendInt(b []byte, key string, n int64) []byte {
	return strconv.AppendInt(append(b, key...), n, 10)
}

// appendTrue adds a member that is absent where it is not true.
func appendTrue(b []byte, key string, is bool) []byte {
	if !is {
		return b
	}
	return append(append(b, key...), "true"...)
}

func boolean(value string) (bool, error) {
	if value != "true" && value != "false" {
		return false, fmt.Errorf("is not true or false: %s", clip(value))
	}
	return value == "true", nil
}

func text[T ~string](value string) (T, error) {
	if value[0] != '"' {
		if value == "null" {
			return "", nil
		}
		return "", fmt.Errorf("is not text: %s", clip(value))
	}
	if inner := value[1 : len(value)-1]; strings.IndexByte(inner, '\\') < 0 {
		return T(inner), nil
	}
	return unescape[T](value)
}

// unescape is apart from text because it makes its result escape to the heap.
func unescape[T ~string](value string) (s T, err error) {
	err = json.Unmarshal([]byte(value), &s)
	return s, err
}

func number(value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("is not a whole number: %s", clip(value))
	}
	return n, nil
}

func natural(value string) (uint64, error) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("is not a whole number: %s", clip(value))
	}
	return n, nil
}

// digest checks an MD5 and brings it to lower case: old clients stored upper.
func digest(value string) (string, error) {
	s, err := text[string](value)
	if err != nil {
		return "", err
	}
	return ParseMD5(s)
}

// ParseMD5 returns an MD5 of 32 hex digits in lower case. "" stays what it is.
func ParseMD5(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	lower, valid := true, len(s) == 32
	for i := 0; i < len(s) && valid; i++ {
		c := s[i]
		switch {
		case c-'0' <= 9, c-'a' <= 5:
		case c-'A' <= 5:
			lower = false
		default:
			valid = false
		}
	}
	if valid && lower {
		return s, nil
	}
	if !valid {
		return "", fmt.Errorf("is not an MD5 of 32 hex digits: %s", clip(strconv.Quote(s)))
	}
	return strings.ToLower(s), nil
}

// clip shortens what an error message quotes.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// MarshalJSON returns the record as one JSON object, so that it can be put
// into other documents.
func (r *Record) MarshalJSON() ([]byte, error) { return r.append(nil), nil }

// UnmarshalJSON fills the record from one JSON object. It fails on what a
// [Reader] would call malformed.
func (r *Record) UnmarshalJSON(b []byte) error {
	*r = Record{}
	return r.decode(string(bytes.TrimSpace(b)))
}
