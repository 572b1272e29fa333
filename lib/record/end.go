package record

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// decodeEnd reads an end record that decode has recognised by its kind. Names of
// members count exactly: encoding/json would take "Complete" for "complete", and as
// a member that is passed on it would overrule what this program says.
//
// Deletions rest on it, so a known member that is given twice, or has a value that
// makes no sense, makes the line malformed: an empty scope would otherwise be
// passed on as none, which is all of the root.
func decodeEnd(line string) (End, error) {
	end := End{Errors: -1}
	given := make(map[string]bool)
	var rawScope [][]byte
	err := eachMember(line, func(key, value, member string) error {
		into := end.field(key)
		if key == "scope_raw" {
			into = &rawScope
		}
		if into == nil {
			end.extra += "," + member
			return nil
		}
		if given[key] {
			return fmt.Errorf("the end record has %q twice", key)
		}
		given[key] = true
		if value == "null" {
			return fmt.Errorf("the end record cannot be read: %q is null", key)
		}
		err := error(nil)
		if same, ok := into.(*Same); ok {
			err = same.decode(value)
		} else {
			err = json.Unmarshal([]byte(value), into)
		}
		if err != nil {
			return fmt.Errorf("the end record cannot be read: %q: %w", key, err)
		}
		return nil
	})
	switch {
	case err != nil:
		return End{}, err
	case end.Version > 1:
		return End{}, fmt.Errorf("the stream has format version %d; this program reads version 1: update it", end.Version)
	case end.Version < 1:
		return End{}, errors.New(`the end record has no version; "v" is 1`)
	case !given["records"]:
		return End{}, errors.New(`the end record has no "records"`)
	case given["scope_raw"] && len(rawScope) != len(end.Scope):
		return End{}, errors.New(`the end record has not as many paths in "scope_raw" as in "scope"`)
	case given["scope"]:
		if err := checkScope(end.Scope); err != nil {
			return End{}, err
		}
		for i, path := range rawScope {
			end.Scope[i] = string(path)
		}
		if err := checkScope(end.Scope); err != nil {
			return End{}, err
		}
	}
	end.saysBytes = given["bytes"]
	for name, n := range map[string]int64{
		"records": end.Records, "bytes": end.Bytes, "withheld": end.Withheld, "stored": end.Stored, "spared": end.Spared,
		"same": min(end.Same.Files, end.Same.Dirs, end.Same.Bytes),
	} {
		if n < 0 {
			return End{}, fmt.Errorf("the end record has a negative number in %q", name)
		}
	}
	return end, nil
}

// field returns where a member of an end record belongs, or nil for one that is not
// known.
func (e *End) field(key string) any {
	switch key {
	case "kind":
		return new(Kind)
	case "v":
		return &e.Version
	case "stage":
		return &e.Stage
	case "records":
		return &e.Records
	case "bytes":
		return &e.Bytes
	case "errors":
		return &e.Errors
	case "complete":
		return &e.Complete
	case "scope":
		return &e.Scope
	case "withheld":
		return &e.Withheld
	case "stored":
		return &e.Stored
	case "spared":
		return &e.Spared
	case "same":
		return &e.Same
	}
	return nil
}

// decode reads what an end record says of entries that were left out.
func (s *Same) decode(value string) error {
	return eachMember(value, func(key, value, _ string) (err error) {
		switch key {
		case "files":
			s.Files, err = number(value)
		case "dirs":
			s.Dirs, err = number(value)
		case "bytes":
			s.Bytes, err = number(value)
		}
		return err
	})
}

// checkScope refuses a scope that covers nothing, or names something other than
// paths beneath the root.
func checkScope(scope []string) error {
	if len(scope) == 0 {
		return errors.New(`the end record has an empty "scope", which covers nothing; leave it out to cover all of the root`)
	}
	for _, path := range scope {
		if err := CheckPath(path); err != nil {
			return fmt.Errorf(`the end record has a "scope" that makes no sense: %w`, err)
		}
	}
	return nil
}

func (e *End) append(b []byte) []byte {
	b = append(b, `{"kind":"end","v":1,"stage":`...)
	b = appendString(b, e.Stage)
	b = appendInt(b, `,"records":`, e.Records)
	b = appendInt(b, `,"bytes":`, e.Bytes)
	b = appendInt(b, `,"errors":`, e.Errors)
	b = append(b, `,"complete":`...)
	b = strconv.AppendBool(b, e.Complete)
	if e.Scope != nil { // an empty one is written, too, and refused by whoever reads it
		b = append(b, `,"scope":[`...)
		for i, s := range e.Scope {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, s)
		}
		b = append(b, ']')
		b = appendRawScope(b, e.Scope)
	}
	if e.Withheld != 0 {
		b = appendInt(b, `,"withheld":`, e.Withheld)
	}
	if e.Stored != 0 {
		b = appendInt(b, `,"stored":`, e.Stored)
	}
	if e.Spared != 0 {
		b = appendInt(b, `,"spared":`, e.Spared)
	}
	if e.Same != (Same{}) {
		b = appendInt(b, `,"same":{"files":`, e.Same.Files)
		b = appendInt(b, `,"dirs":`, e.Same.Dirs)
		b = appendInt(b, `,"bytes":`, e.Same.Bytes)
		b = append(b, '}')
	}
	b = append(b, e.extra...)
	return append(b, '}')
}

// appendRawScope adds the true bytes of all paths of a scope if one of them is not UTF-8.
func appendRawScope(b []byte, scope []string) []byte {
	if !slices.ContainsFunc(scope, func(path string) bool { return !utf8.ValidString(path) }) {
		return b
	}
	b = append(b, `,"scope_raw":[`...)
	for i, path := range scope {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, []byte(path))
		b = append(b, '"')
	}
	return append(b, ']')
}
