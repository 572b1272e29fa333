package jserve

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

// picture is an image whose left half is red and whose right half is blue.
func picture(width, height int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for x := range width {
		c := color.RGBA{R: 255, A: 255}
		if x >= width/2 {
			c = color.RGBA{B: 255, A: 255}
		}
		for y := range height {
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

func asPNG(t testing.TB, m image.Image) string {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, m); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func asJPEG(t testing.TB, m image.Image) string {
	t.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, m, nil); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestThumbnails(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/wide.jpg", asJPEG(t, picture(1200, 600)))
	w.put("/Jotta/Archive/high.png", asPNG(t, picture(300, 900)))
	w.put("/Jotta/Archive/dot.png", asPNG(t, picture(1, 1)))
	w.put("/Jotta/Archive/line.png", asPNG(t, picture(1, 9000)))
	tests := []struct {
		file, size    string
		width, height int
	}{
		{"wide.jpg", "WS", 30, 30}, {"wide.jpg", "WM", 240, 120}, {"wide.jpg", "WL", 560, 280}, {"wide.jpg", "WXL", 1024, 512},
		{"wide.jpg", "", 30, 30}, {"wide.jpg", "other", 30, 30}, {"wide.jpg", "wm", 240, 120},
		{"high.png", "WS", 30, 30}, {"high.png", "WM", 240, 720}, {"high.png", "WXL", 300, 900},
		{"dot.png", "WS", 30, 30}, {"dot.png", "WXL", 1, 1}, {"line.png", "WM", 1, 4096},
	}
	for _, tt := range tests {
		a := w.want(200, "GET", "/jfs/user01/Jotta/Archive/"+tt.file+"?mode=thumb&ts="+tt.size, "Accept-Encoding", "gzip")
		m, err := jpeg.Decode(strings.NewReader(a.body))
		if err != nil || a.header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("%s %s: %s %v", tt.file, tt.size, a.header.Get("Content-Type"), err)
			continue
		}
		if got := m.Bounds().Size(); got != image.Pt(tt.width, tt.height) {
			t.Errorf("%s %s is %v, want %dx%d", tt.file, tt.size, got, tt.width, tt.height)
		}
		if tt.file == "dot.png" || tt.width < 30 {
			continue
		}
		left, _, _, _ := m.At(tt.width/8, tt.height/2).RGBA()
		_, _, right, _ := m.At(tt.width*7/8, tt.height/2).RGBA()
		if left < 0xd000 || right < 0xd000 {
			t.Errorf("%s %s: red %x on the left, blue %x on the right", tt.file, tt.size, left, right)
		}
	}
	if a := w.want(200, "HEAD", "/jfs/user01/Jotta/Archive/wide.jpg?mode=thumb"); a.body != "" || a.header.Get("Content-Length") == "" {
		t.Errorf("HEAD has %d bytes, Content-Length %q", len(a.body), a.header.Get("Content-Length"))
	}
}

func TestNoThumbnail(t *testing.T) {
	w := newWorld(t)
	good := asPNG(t, picture(100, 100))
	for name, content := range map[string]string{
		"text.jpg": "not a picture", "empty.png": "", "cut.png": good[:len(good)/2], "bomb.png": bomb(60_000, 60_000), "long.png": bomb(1<<31-1, 1),
	} {
		w.put("/Jotta/Archive/"+name, content)
		if a := w.want(404, "GET", "/jfs/user01/Jotta/Archive/"+name+"?mode=thumb&ts=WM"); !strings.Contains(a.body, "NoSuchFileException") {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	w.want(404, "GET", "/jfs/user01/Jotta/Archive/missing?mode=thumb")
	w.want(404, "GET", "/jfs/user01/Jotta/Archive?mode=thumb")
}

// bomb is the head of a PNG that claims a size.
func bomb(width, height uint32) string {
	head := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	head = append(binary.BigEndian.AppendUint32(head, height), 16, 6, 0, 0, 0) // 16 bits, with alpha
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return string(binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head)))
}

func TestThumbnailIsWhiteUnderneath(t *testing.T) {
	data, err := shrink(strings.NewReader(asPNG(t, image.NewRGBA(image.Rect(0, 0, 500, 500)))), thumbSize{width: 50})
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := m.At(25, 25).RGBA(); min(r, g, b) < 0xf000 {
		t.Errorf("a transparent picture becomes %x %x %x, want white", r, g, b)
	}
}

func FuzzShrink(f *testing.F) {
	f.Add([]byte(asPNG(f, picture(40, 20))))
	f.Add([]byte(asJPEG(f, picture(40, 20))))
	f.Add([]byte(bomb(60_000, 60_000)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if head, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil && head.Width*head.Height > 1<<20 {
			return // allowed, but slow
		}
		out, err := shrink(bytes.NewReader(data), thumbSize{width: 16})
		if err != nil {
			return
		}
		if m, err := jpeg.DecodeConfig(bytes.NewReader(out)); err != nil || m.Width > 16 {
			t.Errorf("thumbnail is %+v, %v", m, err)
		}
	})
}
