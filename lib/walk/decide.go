package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// cacheTag and cacheSignature mark a folder as a cache
// (https://bford.info/cachedir/).
const (
	cacheTag       = "CACHEDIR.TAG"
	cacheSignature = "Signature: 8a477f597d28d172789f06886806bc55"
)

// Tag marks the folders that hold it as not to be listed. A tag with a header is a
// regular file that begins with it; without one, anything of that name will do.
type Tag struct{ Name, Header string }

// ParseTag reads a tag as restic takes it: NAME or NAME:HEADER.
func ParseTag(text string) (Tag, error) {
	name, header, _ := strings.Cut(text, ":")
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return Tag{}, fmt.Errorf("%q is not the name of a file; write NAME, or NAME:HEADER for files that begin with HEADER", text)
	}
	return Tag{name, header}, nil
}

// tag is a Tag and where it comes from.
type tag struct {
	Tag
	source string
}

func (o *Options) tags() (tags []tag) {
	if o.ExcludeCaches {
		tags = append(tags, tag{Tag{cacheTag, cacheSignature}, "--exclude-caches"})
	}
	for _, t := range o.Tags {
		tags = append(tags, tag{t, "--exclude-if-present"})
	}
	return tags
}

// verdict says whether an entry is left out, and why: a rule, or one of the
// filters, which no rule overrides. The zero verdict keeps it.
type verdict struct {
	rule   *rule
	filter string        // as a person would give the reason
	why    record.Reason // of the filter
}

func (v verdict) ignored() bool { return v.filter != "" || v.rule != nil && v.rule.ignore }

// reason returns the reason for the record of an entry that is left out.
func (v verdict) reason() record.Reason {
	if v.filter != "" {
		return v.why
	}
	return record.ReasonIgnored
}

var elsewhere = verdict{filter: "--one-file-system: it is on another one", why: record.ReasonElsewhere}

// verdict decides about one entry of f, which is not left out itself.
//
// Only folders are on another file system, as for "find -xdev", "tar
// --one-file-system", "rsync -x" and "cp -x": the files of an overlay bear the
// device of the layer that they come from, and not that of their folder.
//
// A rule that leaves the entry out comes first: it says what a person wants of the
// name, and holds when the circumstances have changed.
func (w *walker) verdict(f *folder, path string, info fs.FileInfo) verdict {
	name := path[strings.LastIndexByte(path, '/')+1:]
	v := verdict{rule: f.scope.decide(w.Rules, path, name, info.IsDir())}
	switch {
	case v.ignored():
	case w.OneFileSystem && info.IsDir() && local.Device(info) != w.device:
		return elsewhere
	case w.MaxSize > 0 && info.Mode().IsRegular() && info.Size() > w.MaxSize:
		return verdict{filter: "--max-size: it is larger", why: record.ReasonLarge}
	case w.MinAge > 0 && info.Mode().IsRegular() && w.tooYoung(info.ModTime()):
		return verdict{filter: "--min-age: it is younger", why: record.ReasonYoung}
	case info.Mode().IsRegular() && local.IsPart(name):
		return verdict{filter: "jget: it is a file on its way here", why: record.ReasonIgnored}
	}
	return v
}

// tooYoung ignores times far ahead: the clock that set such a time was wrong, and the
// file would be left out for years.
func (w *walker) tooYoung(mtime time.Time) bool {
	age := w.Now.Sub(mtime)
	return age < w.MinAge && age > -24*time.Hour
}

// readRules reads the ignore file of f and sees whether a tag leaves f out, which it
// does not with the top folder; the names say whether there is anything to read. dir has f
// open.
func (w *walker) readRules(f *folder, dir *os.File, names []listed) error {
	for _, e := range names {
		if len(w.tags) > 0 && f.above != nil && !f.out.ignored() {
			if err := w.readTags(f, dir, e); err != nil {
				return err
			}
		}
		if e.name == IgnoreFile && (e.kind.IsRegular() || e.kind&fs.ModeSymlink != 0) {
			list, bad, err := w.readIgnoreFile(f, dir)
			if err != nil {
				return err
			}
			f.bad = bad
			if len(list) > 0 {
				base := f.path
				if base != "" {
					base += "/"
				}
				f.scope = &scope{base: base, rules: list, above: f.scope}
			}
		}
	}
	return nil
}

// readTags sees whether the entry e of f is a tag.
func (w *walker) readTags(f *folder, dir *os.File, e listed) error {
	for _, t := range w.tags {
		if e.name != t.Name || t.Header != "" && !e.kind.IsRegular() {
			continue
		}
		tagged, err := beginsWith(dir, t.Name, t.Header)
		if err != nil {
			return err
		}
		if tagged {
			f.out = verdict{filter: t.source + ": it has a " + t.Name, why: record.ReasonIgnored}
		}
	}
	return nil
}

// readIgnoreFile reads the rules in the ignore file of f, which dir has open. One that is
// gone, or is no file, has none.
func (w *walker) readIgnoreFile(f *folder, dir *os.File) (ruleList, []error, error) {
	path := join(f.path, IgnoreFile)
	file, _, err := local.OpenRegularAt(dir, IgnoreFile)
	switch {
	case !errors.Is(err, local.ErrAstray):
	case w.Follow:
		file, _, err = local.OpenRegular(local.Join(w.Root, path))
	default:
		top := local.Join(w.Root, w.Prefix)
		file, err = local.OpenLinked(top, strings.TrimPrefix(path[len(w.Prefix):], "/"))
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, local.ErrNotRegular) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	list, bad, err := readRules(file, path)
	if err != nil {
		err = fmt.Errorf("read %s: %w", local.Join(w.Root, path), err)
	}
	return list, bad, err
}

// beginsWith reports whether the file called name in an open folder begins with header.
// Anything begins with an empty one.
func beginsWith(dir *os.File, name, header string) (bool, error) {
	if header == "" {
		return true, nil
	}
	file, _, err := local.OpenRegularAt(dir, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, local.ErrNotRegular) || errors.Is(err, local.ErrAstray) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	head := make([]byte, len(header))
	_, err = io.ReadFull(file, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return false, nil
	}
	return err == nil && string(head) == header, err
}

// Decision is what [Explain] found out.
type Decision struct {
	Path    string // of the entry, as in records
	Ignored bool
	By      string // the rule that decided, such as ".jottaignore line 3: *.tmp"; "" if none did
	Above   string // path of the folder that is left out with the entry in it; "" if the rule is about the entry itself
}

// String returns the decision as a line for people.
func (d Decision) String() string {
	what := "kept"
	switch {
	case d.Above != "":
		what = "ignored with " + d.Above
	case d.Ignored:
		what = "ignored"
	}
	if d.By != "" {
		what += " by " + d.By
	}
	return d.Path + ": " + what
}

// Explain says what a walk with opts does with the entry at path, which is
// relative to opts.Root, and why.
func Explain(ctx context.Context, opts Options, path string) (Decision, error) {
	w, f, err := start(ctx, opts)
	if err != nil {
		return Decision{}, err
	}
	defer w.root.Close()
	rest := path
	if opts.Prefix != "" {
		if !record.Under(path, opts.Prefix) {
			return Decision{}, fmt.Errorf("%s is not in %s", path, opts.Prefix)
		}
		rest = strings.TrimPrefix(path[len(opts.Prefix):], "/")
	}
	var last verdict
	for {
		name, after, more := strings.Cut(rest, "/")
		here := join(f.path, name)
		info, followed, err := w.step(f, name)
		if err != nil {
			return Decision{}, err
		}
		if f.out.ignored() {
			return decision(path, f.path, f.out), nil
		}
		if rest == "" {
			return decision(path, path, last), nil
		}
		last = w.verdict(f, here, info)
		switch {
		case last.ignored() || !more && !info.IsDir():
			return decision(path, here, last), nil
		case !info.IsDir():
			return Decision{}, fmt.Errorf("%s is not a folder, so %s is not in the tree", here, path)
		}
		f, rest = w.folder(f, here, info, followed), after
	}
}

// step reads what decides in f, and describes the entry called name in it, unless name is
// empty or f is left out.
func (w *walker) step(f *folder, name string) (info fs.FileInfo, followed bool, err error) {
	dir, err := w.open(f)
	if err != nil {
		return nil, false, err
	}
	defer dir.Close()
	if err := w.readRules(f, dir, w.ruleFiles(dir)); err != nil || f.out.ignored() || name == "" {
		return nil, false, err
	}
	info, err = local.StatAt(dir, name, false)
	if err == nil && w.Follow && info.Mode()&fs.ModeSymlink != 0 {
		if target, err := local.StatAt(dir, name, true); err == nil {
			return target, true, nil
		}
	}
	return info, false, err
}

func decision(path, decided string, v verdict) Decision {
	d := Decision{Path: path, Ignored: v.ignored(), By: v.filter}
	if v.rule != nil {
		d.By = v.rule.String()
	}
	if d.Ignored && decided != path {
		d.Above = decided
	}
	return d
}

// ruleFiles returns which of the files that decide are in an open folder.
func (w *walker) ruleFiles(dir *os.File) (names []listed) {
	wanted := []string{IgnoreFile}
	for _, t := range w.tags {
		wanted = append(wanted, t.Name)
	}
	for _, name := range wanted {
		if info, err := local.StatAt(dir, name, false); err == nil {
			names = append(names, listed{name: name, kind: info.Mode().Type()})
		}
	}
	return names
}
