package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listed is a record as it comes from a listing: of those that are packed.
var listed = Record{
	Kind: KindFile, Path: "2025/holiday in Norway/IMG_20250704_123456.jpg", Size: 4_812_345, MTime: time.Date(2025, 7, 4, 12, 34, 56, 0, time.UTC),
	MD5: full.MD5, State: StateCompleted, Remote: "/Jotta/Archive/photos/2025/holiday in Norway/IMG_20250704_123456.jpg",
}

// FuzzPack holds what packing does to a record against what its line does.
func FuzzPack(f *testing.F) {
	deleted, folder := listed, Record{Kind: KindDir, Path: "a", Size: SizeUnknown, Remote: "/Jotta/Archive/a"}
	deleted.Revision, deleted.Uploaded, deleted.Deleted = 3, full.Uploaded, full.Deleted
	for _, r := range []*Record{&listed, &deleted, &folder, &full, {Kind: KindFile, Path: "a", State: StateCorrupt}, {Kind: KindSymlink, Path: "l", Target: "a"}} {
		f.Add(string(r.append(nil)))
	}
	for _, line := range []string{
		`{"kind":"weather","path":7}`, `{"kind":"file","path":"a","mtime":"2026-01-02T03:04:05.678+02:00"}`, `{"kind":"file","path":"a","mtime":"0001-01-01T00:00:00Z"}`,
		`{"kind":"file","path":"a","remote":"/b"}`, `{"kind":"file","path":"a","remote":"a"}`, `{"kind":"dir","path":"a","size":3,"remote":"/a"}`,
		`{"kind":"file","path":"a","path_raw":"/w==","size":9223372036854775807,"revision":-1,"remote":"/x/","remote_raw":"L3gv/w=="}`,
	} {
		f.Add(line)
	}
	f.Add("\n" + `{"kind":"weather","path":7} `)
	f.Fuzz(func(t *testing.T, line string) {
		line = strings.TrimSpace(line) // as whoever reads one does
		var r, want Record
		if r.decode(line) != nil {
			return
		}
		printed := string(r.append(nil))
		if err := want.decode(printed); err != nil {
			t.Fatal(err)
		}
		var p packer
		packed := p.pack(nil, &r)
		got, err := p.unpack(r.Path, string(packed))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if diff := cmp.Diff(&want, got, sameRecord); diff != "" || string(got.append(nil)) != printed {
			t.Fatalf("%s comes back as %s\n%s", printed, got.append(nil), diff)
		}
	})
}

// FuzzReadPacked reads files that no sorter wrote.
func FuzzReadPacked(f *testing.F) {
	var p packer
	packed := string(p.pack(nil, &listed))
	f.Add([]byte("\x01" + string(rune(len(packed))) + "a" + packed))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02aa"))
	f.Add([]byte("\x01\x02a{}"))
	f.Fuzz(func(t *testing.T, file []byte) {
		in := bufio.NewReader(strings.NewReader(string(file)))
		for {
			path, rest, err := readPacked(in)
			if err != nil {
				return
			}
			if _, err := p.unpack(path, rest); err != nil {
				return
			}
		}
	})
}

// TestSorterAgainstLines sorts records of all sorts, in memories of all sizes, and
// compares with their lines sorted by the standard library.
func TestSorterAgainstLines(t *testing.T) {
	type order func(i, n int, random *rand.Rand) int
	orders := map[string]order{
		"in order":        func(i, _ int, _ *rand.Rand) int { return i },
		"nearly in order": func(i, _ int, random *rand.Rand) int { return i + random.IntN(3) },
		"in two turns":    func(i, n int, _ *rand.Rand) int { return i % (n/2 + 1) },
		"backwards":       func(i, n int, _ *rand.Rand) int { return n - i },
		"at random":       func(_, n int, random *rand.Rand) int { return random.IntN(n) },
	}
	for name, place := range orders {
		for _, memory := range []int{1, 300, 10_000, 1 << 20} {
			const n = 3000
			random := rand.New(rand.NewPCG(1, 2))
			s := Sorter{Memory: memory}
			type entry struct{ path, line string }
			var want []entry
			for i := range n {
				r := listed
				r.Path = fmt.Sprintf("Year %03d/%05d", place(i, n, random)/100, place(i, n, random)/2)
				r.Remote = "/Jotta/Archive/" + r.Path
				kind := random.IntN(10)
				if name == "in order" {
					kind %= 3 // the others leave the order
				}
				switch kind {
				case 0:
					r = Record{Kind: KindDir, Path: r.Path, Size: SizeUnknown, Remote: r.Remote}
				case 1:
					r.Root = "/home/me" // has no place in the packed form
				case 2:
					r.State = StateCorrupt
				case 3:
					r.Path = strings.Replace(r.Path, "Y", "\xff", 1) // and the remote path is another
				}
				r.Size = int64(i)
				if r.Kind == KindDir {
					r.Size = SizeUnknown
				}
				want = append(want, entry{r.Path, string(r.append(nil))})
				if err := s.Add(&r); err != nil {
					t.Fatal(err)
				}
			}
			slices.SortStableFunc(want, func(a, b entry) int { return Compare(a.path, b.path) })
			at := 0
			for r, err := range s.Sorted() {
				if err != nil {
					t.Fatal(err)
				}
				if got := string(r.append(nil)); at == n || got != want[at].line {
					t.Fatalf("%s, memory %d: record %d is\n%s, want\n%s", name, memory, at, got, want[min(at, n-1)].line)
				}
				at++
			}
			if at != n {
				t.Errorf("%s, memory %d: %d records, want %d", name, memory, at, n)
			}
			runs := 0
			for _, level := range s.runs {
				runs += len(level)
			}
			if name == "backwards" && memory == 300 && runs < 2 || name == "in order" && runs > 1 {
				t.Errorf("%s, memory %d: %d runs; what is in order makes one that goes on", name, memory, runs)
			}
			s.Close()
		}
	}
}

func TestUnpackRefusesDamage(t *testing.T) {
	var p packer
	packed := string(p.pack(nil, &listed))
	for n := range len(packed) {
		if _, err := p.unpack(listed.Path, packed[:n]); !errors.Is(err, errDamaged) {
			t.Errorf("the first %d bytes of %d: %v", n, len(packed), err)
		}
	}
	if _, err := p.unpack(listed.Path, packed+"x"); !errors.Is(err, errDamaged) {
		t.Errorf("with a byte more: %v", err)
	}
	if _, _, err := readPacked(bufio.NewReader(strings.NewReader("\x05\x05abc"))); !errors.Is(err, io.EOF) {
		t.Errorf("a record cut short: %v", err)
	}
}

// BenchmarkSorter sorts what a listing brings. One operation is one record.
func BenchmarkSorter(b *testing.B) {
	const n = 100_000
	for _, shuffled := range []bool{false, true} {
		b.Run(map[bool]string{false: "in order", true: "shuffled"}[shuffled], func(b *testing.B) {
			paths := make([]string, n)
			for i := range paths {
				paths[i] = fmt.Sprintf("2025/holiday %04d/IMG_%08d.jpg", i/100, i)
			}
			if shuffled {
				rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
			}
			bytes := 0
			b.ReportAllocs()
			for i := 0; i < b.N; {
				s := Sorter{Memory: 24 << 20}
				r := listed
				for ; len(s.memory) < n && i < b.N; i++ {
					r.Path = paths[len(s.memory)]
					r.Remote = "/Jotta/Archive/photos/" + r.Path
					s.Add(&r)
				}
				bytes = s.size / len(s.memory)
				for _, err := range s.Sorted() {
					if err != nil {
						b.Fatal(err)
					}
				}
				s.Close()
			}
			b.ReportMetric(float64(bytes), "B/held")
		})
	}
}
