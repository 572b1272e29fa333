package diff

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"jottatools/lib/brake"
	"jottatools/lib/record"
)

// A plan that leaves out what is the same is the plan that has it, less that: whatever
// the two trees are like.
func TestSameIsLeftOut(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1))
		source, stored := randomTrees(random)
		opts := Options{Dest: "/D/M/x", MaxDelete: brake.Limit{N: 100, Percent: true}, Check: Check,
			Prune: random.IntN(2) == 0, PruneIgnored: random.IntN(2) == 0, TrackRenames: random.IntN(2) == 0}
		var stream bytes.Buffer
		w := record.NewWriter(&stream, "jhash")
		for _, r := range source {
			w.Write(r)
		}
		w.Close()
		var target record.Sorter
		for _, r := range stored {
			if err := target.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		plan := func(o Options) (lines []string, entries, found int64, failure string) {
			o.Stored = func(n int64) { found = n }
			err := Plan(t.Context(), record.NewReader(bytes.NewReader(stream.Bytes())), &target, func(r *record.Record) error {
				b, err := r.MarshalJSON()
				lines = append(lines, string(b))
				return err
			}, o)
			return lines, entries, found, fmt.Sprint(err)
		}
		all, _, found, failure := plan(opts)
		same := 0
		want := slices.DeleteFunc(slices.Clone(all), func(line string) bool {
			left := strings.Contains(line, `"action":"none","reason":"same"`) && !strings.Contains(line, `"error"`)
			if left {
				same++
			}
			return left
		})
		var counted record.Same
		opts.Same = func(s record.Same) { counted.Files, counted.Dirs = counted.Files+s.Files, counted.Dirs+s.Dirs }
		got, _, foundNow, failureNow := plan(opts)
		if !slices.Equal(got, want) || counted.Entries() != int64(same) || foundNow != found || failureNow != failure {
			t.Fatalf("seed %d: %d same, want %d; %d stored, want %d; %s, want %s\n%s\nwant\n%s\nof\n%s", seed, counted.Entries(), same, foundNow, found,
				failureNow, failure, strings.Join(got, "\n"), strings.Join(want, "\n"), stream.String())
		}
		target.Close()
	}
}

// A source of which all is the same but for what is gone is no empty one, and one that is out
// of order behind what is the same is noticed.
func TestSameAndThen(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	var target record.Sorter
	defer target.Close()
	var lines []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		r := record.Record{Kind: record.KindFile, Root: "/r", Path: name, Size: 1, MTime: at, MD5: fmt.Sprintf("%032x", 1)}
		b, _ := r.MarshalJSON()
		lines = append(lines, string(b))
		r.Root, r.State = "", record.StateCompleted
		if err := target.Add(&r); err != nil {
			t.Fatal(err)
		}
	}
	// The first record is always taken apart.
	const folder, bb = `{"kind":"dir","path":" d"}`, `{"kind":"file","path":"bb","root":"/r","size":1}`
	if err := target.Add(&record.Record{Kind: record.KindDir, Path: " d", Size: record.SizeUnknown}); err != nil {
		t.Fatal(err)
	}
	a, b, c, d, e := lines[0], lines[1], lines[2], lines[3], lines[4]
	for _, test := range []struct {
		stream, want []string
		same         int64
		warned       bool
	}{
		{[]string{folder, a, b, c, d, e}, nil, 5, false},
		{[]string{folder, a, b, c, d}, []string{"delete e"}, 4, false},
		{[]string{folder, a, b, e, bb, d}, []string{"put bb", "delete c"}, 4, true},
		{[]string{folder, a, b, c, bb, d, e}, []string{"put bb"}, 5, true},
		{[]string{folder, a, bb, d, e}, []string{"put bb", "delete b", "delete c"}, 3, false},
	} {
		test.stream = append(test.stream, fmt.Sprintf(`{"kind":"end","v":1,"records":%d,"errors":0,"complete":true}`, len(test.stream)))
		var got []string
		same, warned := int64(0), false
		err := Plan(t.Context(), record.NewReader(strings.NewReader(strings.Join(test.stream, "\n")+"\n")), &target, func(r *record.Record) error {
			got = append(got, string(r.Action)+" "+r.Path)
			return nil
		}, Options{Prune: true, MaxDelete: brake.Limit{N: 100, Percent: true}, Same: func(s record.Same) { same += s.Files }, Warn: func(string) { warned = true }})
		if err != nil || !slices.Equal(got, test.want) || same != test.same || warned != test.warned {
			t.Errorf("%s\n%v: %q, %d same, warned: %t", strings.Join(test.stream, "\n"), err, got, same, warned)
		}
	}
}

// randomTrees returns two trees that are much alike.
func randomTrees(random *rand.Rand) (source, stored []*record.Record) {
	names := []string{"a", "A", "b", "c", "C", "é", "É", "k", "\u212a", "a-b", "a b", "x\u2028", "con\ttrol", "z:"}
	at := time.Unix(1_700_000_000, 0).UTC()
	file := func(path string, content int) *record.Record {
		return &record.Record{Kind: record.KindFile, Root: "/r", Path: path, Size: int64(content), MTime: at, Mode: "0644", Ino: 7, CTime: at.Add(5), MD5: fmt.Sprintf("%032x", content)}
	}
	var fill func(dir string, depth int)
	fill = func(dir string, depth int) {
		for _, name := range names {
			path := dir + name
			s, d := file(path, random.IntN(3)), (*record.Record)(nil)
			folder := depth < 2 && random.IntN(4) == 0
			if folder {
				s = &record.Record{Kind: record.KindDir, Root: "/r", Path: path, Size: record.SizeUnknown, MTime: at}
			}
			c := *s
			d = &c
			d.Root, d.Mode, d.Ino, d.CTime, d.Remote = "", "", 0, time.Time{}, "/D/M/x/"+path
			if !folder {
				d.State, d.Revision = record.StateCompleted, 1
			}
			switch random.IntN(20) {
			case 0:
				s = nil
			case 1, 2, 3:
				d = nil
			case 4:
				s, d = nil, nil
			case 5:
				s.Ignored, s.MD5 = true, ""
			case 6:
				d.MD5 = fmt.Sprintf("%032x", 99)
			case 7:
				d.MTime = at.Add(time.Hour)
			case 8:
				d.State = record.StateIncomplete
			case 9:
				s.Kind, s.MD5, s.Target = record.KindSymlink, "", "t"
			case 10:
				s.MD5 = ""
			case 11:
				d.Error = &record.Error{Class: record.ClassNameInvalid, Message: "m"}
			case 12:
				s.Error = &record.Error{Class: record.ClassPermission, Message: "m"}
			case 13:
				d.Kind = record.KindDir
			case 14:
				d.Size++
			}
			if s != nil {
				source = append(source, s)
			}
			if d != nil {
				stored = append(stored, d)
			}
			if folder {
				fill(path+"/", depth+1)
			}
		}
	}
	fill("", 0)
	slices.SortFunc(source, func(a, b *record.Record) int { return record.Compare(a.Path, b.Path) })
	if n := len(source); n > 1 && random.IntN(4) == 0 { // out of order
		i, j := random.IntN(n), random.IntN(n)
		source[i], source[j] = source[j], source[i]
	}
	return source, stored
}
