package local

import (
	"io/fs"
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

// What it takes to read a small file: compare OpenContent with OpenListed.
func BenchmarkOpenContent(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 1000), 0o644); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	for name, open := range map[string]func(string, uint64) (Content, fs.FileInfo, error){"OpenContent": OpenContent, "OpenListed": openListed} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, _, err := open(path, 0)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := f.Read(buf); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
}
