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

// What it takes to read a small file: compare OpenContent with OpenRegular, and, on Linux
// before 5.6, with what goes part by part.
func BenchmarkOpenContent(b *testing.B) {
	dir := b.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a/b/c"), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a/b/c/f"), make([]byte, 1000), 0o644); err != nil {
		b.Fatal(err)
	}
	root, err := OpenRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	buf := make([]byte, 64<<10)
	for name, open := range map[string]func() (Content, fs.FileInfo, error){
		"OpenContent":      func() (Content, fs.FileInfo, error) { return root.OpenContent("a/b/c/f") },
		"Root.OpenRegular": func() (Content, fs.FileInfo, error) { return asContent(root.OpenRegular("a/b/c/f")) },
		"OpenRegular":      func() (Content, fs.FileInfo, error) { return asContent(OpenRegular(filepath.Join(dir, "a/b/c/f"))) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, _, err := open()
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
