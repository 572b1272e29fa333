package diff

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"jottatools/lib/brake"
	"jottatools/lib/record"
)

// entry reads the notation of these tests: "a/" is a folder, "a=text@7" a file
// with that content and a time in seconds. Before it may stand "!" (ignored),
// "?" (unreadable), ">" (a symbolic link), "~" (changing), "#" (incomplete on
// the service), "*" (a mount point). A reason may stand behind "@" instead of the time.
func entry(s string) *record.Record {
	mark := ""
	if strings.ContainsAny(s[:1], "!?>~#*") {
		mark, s = s[:1], s[1:]
	}
	path, content, isFile := strings.Cut(s, "=")
	r := &record.Record{Kind: record.KindDir, Path: strings.TrimSuffix(path, "/"), Size: record.SizeUnknown}
	if path, reason, given := strings.Cut(path, "@"); given && !isFile {
		r.Path, r.Reason = strings.TrimSuffix(path, "/"), record.Reason(reason)
	}
	if isFile {
		content, at, _ := strings.Cut(content, "@")
		seconds, err := strconv.Atoi(at)
		if err != nil {
			r.Reason = record.Reason(at)
		}
		r.Kind, r.Size, r.MTime = record.KindFile, int64(len(content)), time.Unix(1_700_000_000+int64(seconds), 0).UTC()
		r.MD5 = fmt.Sprintf("%x", md5.Sum([]byte(content)))
	}
	switch mark {
	case "!":
		r.Ignored = true
	case "?":
		r.Error, r.Reason = &record.Error{Class: record.ClassPermission, Message: "m"}, record.ReasonUnreadable
	case ">":
		r.Kind, r.Target = record.KindSymlink, "x"
	case "~":
		r.Status, r.Reason, r.MD5 = record.StatusSkipped, record.ReasonChanging, ""
	case "#":
		r.State = record.StateIncomplete
	case "*":
		r.Mount = true
	}
	return r
}

func entries(spec string) (all []*record.Record) {
	for s := range strings.SplitSeq(spec, " ") {
		if s != "" {
			all = append(all, entry(strings.ReplaceAll(s, "␣", " ")))
		}
	}
	return all
}

// source returns the stream of a spec, closed by a true end record unless the
// spec ends in "…".
func source(spec string) io.Reader {
	var b bytes.Buffer
	spec, cut := strings.CutSuffix(spec, "…")
	w := record.NewWriter(&b, "jwalk")
	for _, r := range entries(spec) {
		w.Write(r)
	}
	if cut {
		w.Incomplete()
	}
	w.Close()
	return &b
}

func target(t *testing.T, spec string) *record.Sorter {
	s := new(record.Sorter)
	for _, r := range entries(spec) {
		if err := s.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// planned runs Plan and returns the plan in words.
func planned(t *testing.T, src, dst string, opts Options) (string, error) {
	t.Helper()
	var words []string
	err := Plan(t.Context(), record.NewReader(source(src)), target(t, dst), func(r *record.Record) error {
		word := string(r.Action) + " " + r.Path + " " + string(r.Reason)
		if r.Error != nil {
			word += " " + string(r.Error.Class)
		}
		words = append(words, strings.Join(strings.Fields(word), " "))
		return nil
	}, opts)
	return strings.Join(words, "\n"), err
}

func TestPlan(t *testing.T) {
	for _, test := range []struct{ name, source, target, want string }{
		{"nothing", "", "", ""},
		{"all new", "a/ a/b=x c=y", "", "mkdir a new\nput a/b new\nput c new"},
		{"all the same", "a/ a/b=x c=y", "a/ a/b=x c=y", "none a same\nnone a/b same\nnone c same"},
		{"listing in another order", "a/ a/b=x c=y", "c=y a/b=x a/", "none a same\nnone a/b same\nnone c same"},
		{"changed content", "a=x", "a=y", "put a changed"},
		{"changed size", "a=xx", "a=x", "put a changed"},
		{"touched", "a=x@5", "a=x@3", "touch a touched"},
		{"a second later", "a=x@4", "a=x@3", "touch a touched"},
		{"incomplete", "a=x", "#a=x", "put a incomplete"},
		{"no deletion unasked", "a=x", "a=x b=y c/ c/d=z", "none a same"},
		{"other case is the same name", "A/ A/b=x", "a/ a/B=x", "none A same\nnone A/b same"},
		{"twins", "A=x a=y", "", "put A new\nnone a case_conflict"},
		{"twin folders", "A/ A/x=1 a/ a/y=2 b=3", "", "mkdir A new\nput A/x new\nnone a case_conflict\nnone a/y case_conflict\nput b new"},
		{"twins, the second is stored", "A=x a=y", "a=y", "none A case_conflict\nnone a same"},
		{"twin folders, the second is stored", "A/ A/x=1 A/y/ a/ a/y=2 b=3", "a/ a/y=2", "none A case_conflict\nnone A/x case_conflict\nnone A/y case_conflict\nnone a same\nnone a/y same\nput b new"},
		{"file and folder are twins, too", "A=x a/ a/b=y", "a/ a/b=y", "none A case_conflict\nnone a same\nnone a/b same"},
		{"a folder in another spelling", "d/ d/A/ d/A/x=1 d/b=3", "D/ D/a/ D/a/x=1", "none d same\nnone d/A same\nnone d/A/x same\nput d/b new"},
		{"neighbours in another spelling", "A=1 B=2 c/ c/X=3 c/Y=4", "a=1 b=2 C/ C/x=3 C/y=4", "none A same\nnone B same\nnone c same\nnone c/X same\nnone c/Y same"},
		{"the same twice", "a=x a=x", "", "put a new\nnone a case_conflict"},
		{"a link takes no name", ">A a=x", "", "none A symlink\nput a new"},
		{"a link takes no name of what is stored", ">A a=x", "a=x", "none A symlink\nnone a same"},
		{"a link takes no name, whatever its letters", ">A a=x", "A=x", "none A symlink\nnone a same"},
		{"a link takes no name from a folder", ">A a/ a/b=x", "a/ a/b=x", "none A symlink\nnone a same\nnone a/b same"},
		{"a link comes behind", "A=x >a", "A=x", "none A same\nnone a symlink"},
		{"a link comes behind what has other letters there", "A=x >a", "a=x", "none A same\nnone a symlink"},
		{"an ignored entry takes no name", "!A=x a=y", "", "none A ignored\nput a new"},
		{"an ignored folder takes no name", "!A/ a/ a/b=y", "A/ A/b=y", "none A ignored\nnone a same\nnone a/b same"},
		{"an ignored entry comes behind", "A=x !a=y", "a=x", "none A same\nnone a ignored"},
		{"two links and a file", ">AA >Aa aa=x", "", "none AA symlink\nnone Aa symlink\nput aa new"},
		{"ignored", "!a=x !b/ c=y", "", "none a ignored\nnone b ignored\nput c new"},
		{"link, unreadable, changing", ">a ?b/ ~c=x", "", "none a symlink\nnone b unreadable permission\nnone c changing"},
		{"file where a folder is", "a=x", "a/ a/b=y", "none a kind_conflict"},
		{"folder where a file is", "a/ a/b=x c=y", "a=x c=y", "none a kind_conflict\nnone a/b kind_conflict\nnone c same"},
		{"folder before its neighbours", "a/ a/z=1 a-b=2 a.c=3", "a/ a-b=2 a.c=3 a/z=1", "none a same\nnone a/z same\nnone a-b same\nnone a.c same"},
	} {
		got, err := planned(t, test.source, test.target, Options{})
		if err != nil || got != test.want {
			t.Errorf("%s: Plan =\n%s\n%v, want\n%s", test.name, got, err, test.want)
		}
	}
}

func TestPrune(t *testing.T) {
	all := brake.Limit{N: 100, Percent: true}
	for _, test := range []struct {
		name, source, target, want string
		opts                       Options
		held                       string // part of why deletions were withheld
	}{
		{"gone", "a=x", "a=x b=y c/ c/d=z", "none a same\ndelete b gone\ndelete c gone\ndelete c/d gone", Options{MaxDelete: all}, ""},
		{"deletions come last", "a=x z=y", "b=y z=y", "put a new\nnone z same\ndelete b gone", Options{MaxDelete: all}, ""},
		{"incomplete", "a=x…", "a=x b=y", "none a same", Options{MaxDelete: all}, "incomplete"},
		{"with errors", "a=x ?b/", "a=x b/ b/c=y d=z", "none a same\nnone b unreadable permission", Options{MaxDelete: all}, "have errors: 1"},
		{"no file at all", "a/", "a/ b=y", "none a same\nnone b held", Options{MaxDelete: all}, "mounted"},
		{"nothing at all", "", "b=y", "none b held", Options{MaxDelete: all}, "mounted"},
		{"only ignored files", "!a=x", "a=x b=y", "none a ignored\nnone b held", Options{MaxDelete: all}, "mounted"},
		{"half is allowed", "a=x", "a=x b=y", "none a same\ndelete b gone", Options{MaxDelete: brake.Limit{N: 50, Percent: true}}, ""},
		{"more than half is not", "a=x", "a=x b=y c=z", "none a same\nnone b held\nnone c held", Options{MaxDelete: brake.Limit{N: 50, Percent: true}}, "--max-delete 50%"},
		{"a number is allowed", "a=x", "a=x b=y c=z", "none a same\ndelete b gone\ndelete c gone", Options{MaxDelete: brake.Limit{N: 2}}, ""},
		{"one more is not", "a=x", "a=x b=y c=z", "none a same\nnone b held\nnone c held", Options{MaxDelete: brake.Limit{N: 1}}, "2 of 3 stored files are more than --max-delete 1 allows"},
		{"ignored is not gone", "a=x !b=y !c/", "a=x b=y c/ c/d=z", "none a same\nnone b ignored\nnone c ignored", Options{MaxDelete: all}, ""},
		{"unless asked for", "a=x !b=y !c/", "a=x b=y c/ c/d=z", "none a same\nnone b ignored\nnone c ignored\ndelete b gone\ndelete c gone\ndelete c/d gone", Options{MaxDelete: all, PruneIgnored: true}, ""},
		{"a link hides what is behind it", "a=x >b", "a=x b/ b/c=y", "none a same\nnone b symlink", Options{MaxDelete: all}, ""},
		{"a share of what was stored when all was well", "x=1 y=2", "a=3 x=1 y=2", "none x same\nnone y same\nnone a held", Options{MaxDelete: brake.Limit{N: 50, Percent: true}, Past: brake.Past{Known: true, Files: 1}}, "1 of the stored files (1 when all was last well, 3 now) is more than --max-delete 50% allows"},
		{"a new file is changing: perhaps what is gone", "a=x ~b=y", "a=x c=y", "none a same\nnone b changing\nnone c held", Options{MaxDelete: all}, "not stored yet"},
		{"a changing file is there", "a=x ~b=y", "a=x b=z", "none a same\nnone b changing", Options{MaxDelete: all}, ""},
		{"normalised by the service", "a=x e\u0301/ e\u0301/f=1", "a=x \u00e9/ \u00e9/f=1 \u00e9/gone=2", "none a same\nmkdir e\u0301 new\nput e\u0301/f new\ndelete \u00e9/gone gone", Options{MaxDelete: all}, ""},
		{"folded otherwise by the service", "a=x stra\u00dfe=1 \u0130=2", "a=x STRASSE=1 i=2", "none a same\nput stra\u00dfe new\nput \u0130 new", Options{MaxDelete: all}, ""},
		{"ignored folder of another form", "a=x !e\u0301/", "a=x \u00e9/ \u00e9/f=1", "none a same\nnone e\u0301 ignored", Options{MaxDelete: all}, ""},
		{"a link beside is no reason to keep what is gone", ">A a=x b=y", "a=x b=y c=z", "none A symlink\nnone a same\nnone b same\ndelete c gone", Options{MaxDelete: all}, ""},
		{"nor is an ignored entry to delete what is there", "!A=x a=y b=z", "a=y b=z", "none A ignored\nnone a same\nnone b same", Options{MaxDelete: all, PruneIgnored: true}, ""},
		{"nor one that comes behind", "A=y !a=x b=z", "a=y b=z", "none A same\nnone a ignored\nnone b same", Options{MaxDelete: all, PruneIgnored: true}, ""},
		{"a share of 100 % is all", "a=x", "a=x b=y c=z", "none a same\ndelete b gone\ndelete c gone", Options{MaxDelete: all, Past: brake.Past{Known: true, Files: 1}}, ""},
		{"a twin is not gone", "A/ A/x=1 a/ a/y=2", "A/ A/x=1 A/y=2 A/z=3", "none A same\nnone A/x same\nnone a case_conflict\nnone a/y case_conflict", Options{MaxDelete: all}, ""},
		{"nor what its twin stands for", "A=x a/ a/b=y", "a/ a/b=y a/c=z", "none A case_conflict\nnone a same\nnone a/b same", Options{MaxDelete: all}, ""},
		{"what the name would come back as is not gone", "a=x c\u201bd=y", "a=x c\u201b\u201bd=z", "none a same\nnone c\u201bd name_invalid", Options{MaxDelete: all, Check: Check}, ""},
		{"nor is a name that is too long", "a=x " + strings.Repeat("\u00e9", 256) + "=y", "a=x", "none a same\nnone " + strings.Repeat("\u00e9", 256) + " name_too_long", Options{MaxDelete: all, Check: Check}, ""},
		{"file instead of folder", "a=x b=y", "a/ a/b=y b=y", "none a blocked\nnone b same\ndelete a gone\ndelete a/b gone", Options{MaxDelete: all}, ""},
		{"folder instead of file", "a/ a/b=x b=y", "a=x b=y", "none a blocked\nnone a/b blocked\nnone b same\ndelete a gone", Options{MaxDelete: all}, ""},
		{"folders hold nothing by themselves", "a=x b=y", "a=x b=y c/ d/ e/ f/ f/g/", "none a same\nnone b same\ndelete c gone\ndelete d gone\ndelete e gone\ndelete f gone\ndelete f/g gone", Options{MaxDelete: brake.Limit{N: 50, Percent: true}}, ""},
		{"too young is not gone", "a=x !b=y@young !c=z@large !d/@elsewhere !e=w", "a=x b=1 c=2 d/ d/f=3 e=w", "none a same\nnone b young\nnone c large\nnone d elsewhere\nnone e ignored\ndelete e gone", Options{MaxDelete: all, PruneIgnored: true}, ""},
		{"an empty file system is not the right one", "a=x *m/", "a=x m/ m/b=y m/c=z", "none a same\nnone m unreadable vanished", Options{MaxDelete: all}, ""},
		{"nor is one that was just made", "a=x *m/ m/lost+found/ >m/x", "a=x m/ m/b=y m/c=z", "none a same\nnone m unreadable vanished\nmkdir m/lost+found new\nnone m/x symlink", Options{MaxDelete: all}, ""},
		{"folders before the first file", "*m/ m/a/ m/b/ m/b/f=x n=1", "m/ m/b/ m/b/f=x m/b/g=y n=1", "none m same\nmkdir m/a new\nnone m/b same\nnone m/b/f same\nnone n same\ndelete m/b/g gone", Options{MaxDelete: all}, ""},
		{"what other jobs have stored is no part of a share", "a=x", "a=x b=1 c=2 p/ p/d=3 p/e=4 p/f=5 p/g=6", "none a same\nnone p foreign\nnone b held\nnone c held", Options{MaxDelete: brake.Limit{N: 50, Percent: true}, Spared: []string{"p"}}, "2 of 3 stored files"},
		{"in company nothing is overwritten", "a=1 n=2", "a=x", "put n new\nnone a held", Options{MaxDelete: all, MaxChange: &brake.Limit{N: 50, Percent: true, Spare: 100}, Withhold: errors.New("another job stores here")}, "another job stores here"},
		{"one that was never used is", "a=x *m/ z=1", "a=x m/ z=1", "none a same\nnone m same\nnone z same", Options{MaxDelete: all}, ""},
		{"one with something in it may lose the rest", "*m/ m/d=x", "m/ m/b=y m/d=x", "none m same\nnone m/d same\ndelete m/b gone", Options{MaxDelete: all}, ""},
		{"an empty file system in another spelling", "a=x *M/ n=1", "a=x m/ m/b=y n=1", "none a same\nnone M unreadable vanished\nnone n same", Options{MaxDelete: all}, ""},
		{"a link that leads nowhere", "a=x >b@dangling >c@dangling", "a=x b/ b/d=y", "none a same\nnone b dangling vanished\nnone c dangling", Options{MaxDelete: all}, ""},
		{"another job beneath", "a=x", "a=x p/ p/b=y p/c/ p/c/d=z q=1", "none a same\nnone p foreign\ndelete q gone", Options{MaxDelete: all, Spared: []string{"P"}}, ""},
		{"another job deeper", "a=x", "a=x p/ p/q/ p/q/b=y p/r=z", "none a same\nnone p/q foreign\ndelete p/r gone", Options{MaxDelete: all, Spared: []string{"p/q"}}, ""},
		{"what is stored there already is no trespass", "a=x p/ p/b=y p/c=1 p/d=2", "a=x p/ p/b=y p/c=9", "none a same\nnone p same\nnone p/b same\nnone p/c forbidden\nnone p/d forbidden", Options{MaxDelete: all, Spared: []string{"p"}}, ""},
		{"a file where another job stores", "a=x p=1", "a=x p/ p/b=y", "none a same\nnone p forbidden\nnone p foreign", Options{MaxDelete: all, Spared: []string{"p"}}, ""},
		{"a file above where another job stores", "a=x p=1", "a=x p/ p/q/ p/q/b=y", "none a same\nnone p forbidden\nnone p/q foreign", Options{MaxDelete: all, Spared: []string{"p/q"}}, ""},
		{"in company", "a=x", "a=x b=y", "none a same\nnone b held", Options{MaxDelete: all, Withhold: errors.New("another job stores here")}, "another job stores here"},
		{"several claim a name, and which was stored is not known", "PHOTOS/ PHOTOS/a=1 Photos/ Photos/b=2 z=1", "photos/ photos/b=2 photos/c=3 z=1", "none PHOTOS case_conflict\nnone PHOTOS/a case_conflict\nnone Photos case_conflict\nnone Photos/b case_conflict\nnone z same", Options{MaxDelete: all}, ""},
		{"three claim it, and one is spelled so", "A=1 a=3 z=1", "a=3 z=1", "none A case_conflict\nnone a same\nnone z same", Options{MaxDelete: all}, ""},
		{"three claim it, and the third is spelled so", "AB=1 Ab=2 ab=3 z=1", "ab=3 z=1", "none AB case_conflict\nnone Ab case_conflict\nnone ab same\nnone z same", Options{MaxDelete: all}, ""},
		{"files claim it, too", "AB=1 Ab=2 z=1", "ab=3 z=1", "none AB case_conflict\nnone Ab case_conflict\nnone z same", Options{MaxDelete: all}, ""},
		{"a name that is kept for notes", ".jottatools/ .jottatools/b=y a=x d/ d/.jottatools=z", "a=x .jottatools/ .jottatools/b=1", "none .jottatools name_invalid\nnone .jottatools/b name_invalid\nnone a same\nmkdir d new\nput d/.jottatools new", Options{MaxDelete: all, Dest: "/D/M"}, ""},
		{"too much would be overwritten", "a=1 b=2 c=3 n=4", "a=x b=y c=3", "none c same\nput n new\nnone a held\nnone b held", Options{MaxDelete: all, MaxChange: &brake.Limit{N: 50, Percent: true}}, "2 of 3 stored files are more than --max-change 50% allows"},
		{"not too much", "a=1 b=2 c=3 n=4", "a=x b=2 c=3", "none b same\nnone c same\nput n new\nput a changed", Options{MaxDelete: all, MaxChange: &brake.Limit{N: 50, Percent: true}}, ""},
		{"how much is not known", "a=1 b=2…", "a=x b=y c=3 d=4 e=5", "none a held\nnone b held", Options{MaxDelete: all, MaxChange: &brake.Limit{N: 50, Percent: true, Spare: 1}}, "how many others are is not known"},
		{"little, and how much is not known", "a=1…", "a=x b=y c=3 d=4 e=5", "put a changed", Options{MaxDelete: all, MaxChange: &brake.Limit{N: 50, Percent: true, Spare: 1}}, "incomplete"},
		{"all may be, and how much is not known", "a=1 b=2…", "a=x b=y c=3", "put a changed\nput b changed", Options{MaxDelete: all, MaxChange: &brake.Limit{N: 100, Percent: true}}, "incomplete"},
		{"few are never too many", "a=1 b=2", "a=x b=y", "put a changed\nput b changed", Options{MaxDelete: all, MaxChange: &brake.Limit{N: 50, Percent: true, Spare: 2}}, ""},
		{"what a wrong source added does not count", "a=1 b=2 c=3 d=4", "a=x b=y c=3 d=4", "none c same\nnone d same\nnone a held\nnone b held", Options{MaxDelete: all, MaxChange: &brake.Limit{N: 50, Percent: true}, Past: brake.Past{Known: true, Files: 2}}, "2 of the stored files (2 when all was last well, 4 now)"},
		{"both brakes", "a=1 b=2", "a=x b=y c=3 d=4 e=5 f=6", "none a held\nnone b held\nnone c held\nnone d held\nnone e held\nnone f held", Options{MaxDelete: brake.Limit{N: 3}, MaxChange: &brake.Limit{N: 1}}, "nothing is overwritten"},
		{"out of order", "b=y a=x d=z", "a=x b=y c=z", "none b same\nnone a same\nput d new\ndelete c gone", Options{MaxDelete: all}, ""},
		{"out of order, ignored late", "b=y z=1 !a/", "a/ a/b=x b=y c=z", "none b same\nput z new\nnone a ignored\ndelete c gone", Options{MaxDelete: all}, ""},
	} {
		test.opts.Prune = true
		got, err := planned(t, test.source, test.target, test.opts)
		if got != test.want {
			t.Errorf("%s: Plan =\n%s\nwant\n%s", test.name, got, test.want)
		}
		if (err == nil) != (test.held == "") || err != nil && (!errors.Is(err, ErrWithheld) || !strings.Contains(err.Error(), test.held)) {
			t.Errorf("%s: withheld: %v, want %q", test.name, err, test.held)
		}
	}
}

func TestScope(t *testing.T) {
	var b bytes.Buffer
	w := record.NewWriter(&b, "jwalk")
	w.Write(entry("a/"))
	w.Write(entry("a/b=x"))
	w.Scope([]string{"a"})
	w.Close()
	var got []string
	err := Plan(t.Context(), record.NewReader(&b), target(t, "a/ a/b=x a/c=y other/ other/d=z"), func(r *record.Record) error {
		if r.Action == record.ActionDelete {
			got = append(got, r.Path)
		}
		return nil
	}, Options{Prune: true, MaxDelete: brake.Limit{N: 100, Percent: true}})
	if err != nil || fmt.Sprint(got) != "[a/c]" {
		t.Errorf("deleted %v, %v", got, err)
	}
}

// TestTwinsAcrossPasses: a twin of what the first pass proposed must be found
// in the second.
func TestTwinsAcrossPasses(t *testing.T) {
	got, err := planned(t, "b=1 c=1 B=2 a=3", "", Options{})
	const want = "put b new\nput c new\nput a new\nnone B case_conflict"
	if err != nil || got != want {
		t.Errorf("Plan =\n%s\n%v, want\n%s", got, err, want)
	}
}

// TestOrderDoesNotMatter compares the plans of shuffled sources with that of
// the one in order.
func TestOrderDoesNotMatter(t *testing.T) {
	src := strings.Fields("a/ a/b=1 a/c=2 a/d/ a/d/e=3 !f/ g=4 >h i/ j=5 k/ k/l=6")
	const dst = "a/ a/b=1 a/c=x a/gone=7 f/ f/hidden=8 g=4 i/ i/gone=9 k/ k/l=6"
	plan := func(src []string) map[string]bool {
		got, err := planned(t, strings.Join(src, " "), dst, Options{Prune: true, MaxDelete: brake.Limit{N: 100, Percent: true}})
		if err != nil {
			t.Fatal(err)
		}
		set := make(map[string]bool)
		for line := range strings.SplitSeq(got, "\n") {
			set[line] = true
		}
		return set
	}
	want := plan(src)
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		random.Shuffle(len(src), func(i, j int) { src[i], src[j] = src[j], src[i] })
		if got := plan(src); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("source %v\nPlan = %v\nwant   %v", src, got, want)
		}
	}
}

func TestForeignKindsPassThrough(t *testing.T) {
	in := `{"kind":"weather","size":"large"}` + "\n" + `{"kind":"end","v":1,"records":1,"complete":true}` + "\n"
	var got []*record.Record
	err := Plan(t.Context(), record.NewReader(strings.NewReader(in)), target(t, ""), func(r *record.Record) error {
		got = append(got, r)
		return nil
	}, Options{})
	if err != nil || len(got) != 1 || got[0].Raw() != `{"kind":"weather","size":"large"}` {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestWithoutDigests(t *testing.T) {
	for _, test := range []struct {
		at   string
		want record.Action
	}{{"7", record.ActionNone}, {"9", record.ActionPut}} {
		l, r := entry("a=x@7"), entry("a=y@"+test.at)
		l.MD5 = ""
		p := &plan{emit: func(r *record.Record) error {
			if r.Action != test.want {
				t.Errorf("time %s: action %s, want %s", test.at, r.Action, test.want)
			}
			return nil
		}}
		if err := p.compare(l, r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Plan(ctx, record.NewReader(source("a=x")), target(t, ""), func(*record.Record) error { return nil }, Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Plan = %v", err)
	}
}

func TestCombined(t *testing.T) {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	if err := Plan(t.Context(), record.NewReader(source("!i=1 a=1 b=2 c=3@9 d/ ?e/ >l")), target(t, "a=1 b=x c=3 gone=4 d/"), Combined(w), Options{ShowGone: true}); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	for _, line := range []string{"= a\n", "* b\n", "* c\n", "= d\n", "! e\n", "- gone\n"} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("no line %q in\n%s", line, &b)
		}
	}
	if strings.Contains(b.String(), " i\n") || strings.Contains(b.String(), " l\n") {
		t.Errorf("entries that are not compared have lines:\n%s", &b)
	}
}

func FuzzLooseKey(f *testing.F) {
	for _, s := range []string{"a/b", "é/ß", "...", " ", "．．/x", "℀", "\xff", "\u0301", "\u13bf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if record.CheckPath(path) != nil {
			return
		}
		key := looseKey(path)
		if err := record.CheckPath(key); err != nil {
			t.Fatalf("looseKey(%q) = %q: %v", path, key, err)
		}
		if strings.Count(key, "/") != strings.Count(path, "/") {
			t.Fatalf("looseKey(%q) = %q has other folders", path, key)
		}
		if folded := looseKey(record.Fold(path)); folded != key {
			t.Fatalf("looseKey(%q) = %q, but of its folding %q", path, key, folded)
		}
	})
}

// BenchmarkPlan plans for a tree in which nothing has changed: with a record of
// each file, and with only those that need something.
func BenchmarkPlan(b *testing.B) {
	var stream bytes.Buffer
	w := record.NewWriter(&stream, "jhash")
	var target record.Sorter
	defer target.Close()
	const n = 20_000
	for i := range n {
		r := entry(fmt.Sprintf("d%02d/f%05d=x", i*100/n, i))
		r.Root, r.Mode, r.Ino, r.CTime = "/home/me/photos", "0644", uint64(i+1), r.MTime
		w.Write(r)
		r.Root, r.Mode, r.Ino, r.CTime, r.State = "", "", 0, time.Time{}, record.StateCompleted
		target.Add(r)
	}
	w.Close()
	for name, same := range map[string]func(record.Same){"all": nil, "changes": func(record.Same) {}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				err := Plan(b.Context(), record.NewReader(bytes.NewReader(stream.Bytes())), &target, func(*record.Record) error { return nil }, Options{Same: same})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "records/s")
		})
	}
}
