package local

import (
	"os"
	"path/filepath"
	"testing"

	"jottatools/lib/record"
)

// The time of creation must not make a walk slower: compare the first, which
// asks for it, with the second, which does not.
func BenchmarkStatAt(b *testing.B) {
	dir, err := os.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer dir.Close()
	path := filepath.Join(dir.Name(), "f")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		b.Fatal(err)
	}
	b.Run("StatAt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := StatAt(dir, "f", false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("os.Lstat", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := os.Lstat(path); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFill(b *testing.B) {
	fi, err := Lstat(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var r record.Record
		Fill(&r, fi)
	}
}
