package jserve

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	_ "image/png" // the other kind of picture there are thumbnails of
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/image/draw"

	"jottatools/lib/jserve/store"
)

// thumbSize is one of the sizes of docs/protocol.md, section 6.7.
type thumbSize struct {
	width  int  // in pixels, at most: small pictures are not blown up
	square bool // cut to a square of exactly width
}

var (
	thumbSizes    = map[string]thumbSize{"WS": smallestThumb, "WM": {width: 240}, "WL": {width: 560}, "WXL": {width: 1024}}
	smallestThumb = thumbSize{width: 30, square: true} // and for a size that is not known
)

// Limits on what a thumbnail may cost. A small file can claim to be a huge picture.
const (
	maxPicture     = 128 << 20 // bytes of the file
	maxDecoded     = 256 << 20 // bytes of memory
	maxThumbHeight = 4096      // pixels, of a picture much higher than wide
	thumbQuality   = 80
)

// errNoPicture says that there can be no thumbnail.
var errNoPicture = errors.New("not a picture of a known kind, or too large")

// thumb answers mode=thumb with a JPEG, or 404 for what is no JPEG or PNG. It is
// made anew each time; one is made at a time, because of the memory. Orientation
// marks of cameras are not heeded.
func (c *call) thumb(p store.Path) error {
	c.stats.count("thumb")
	none := fmt.Errorf("%w: no thumbnail of %s", store.ErrNoFile, c.fullPath(p))
	e, err := c.store.Stat(c.user.name, p)
	if err != nil {
		return err
	}
	size, ok := thumbSizes[strings.ToUpper(c.r.URL.Query().Get("ts"))]
	if !ok {
		size = smallestThumb
	}
	return c.sendThumb(&e, size, none)
}

// sendThumb sends the thumbnail of an entry, or returns none if it can have no
// such thing.
func (c *call) sendThumb(e *store.Entry, size thumbSize, none error) error {
	r := e.Current()
	if r == nil || r.Size > maxPicture {
		return none
	}
	f, err := c.store.OpenBlob(r)
	if errors.Is(err, os.ErrNotExist) {
		return none // removed since it was looked up
	}
	if err != nil {
		return err
	}
	defer f.Close()
	select {
	case c.thumbs <- struct{}{}:
		defer func() { <-c.thumbs }()
	case <-c.r.Context().Done():
		return c.r.Context().Err()
	}
	body, err := shrink(f, size)
	if errors.Is(err, errNoPicture) {
		return none
	}
	if err != nil {
		return err
	}
	c.saved(e.Name + ".jpg") // pages show it all the same
	h := c.w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	_, err = c.w.Write(body)
	return err
}

// shrink makes a thumbnail of a picture.
func shrink(picture io.ReadSeeker, size thumbSize) ([]byte, error) {
	head, kind, err := image.DecodeConfig(picture)
	if err != nil || head.Width < 1 || head.Height < 1 || decodedSize(head, kind) > maxDecoded {
		return nil, errNoPicture
	}
	if _, err := picture.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	full, _, err := image.Decode(picture)
	if err != nil {
		return nil, errNoPicture
	}
	part, width, height := size.fit(full.Bounds())
	// The good scaler needs memory for the width of the result times the height
	// of the source, so a quick one comes first where there is much to scale.
	if part.Dx() > 4*width || part.Dy() > 4*height {
		rough := image.NewRGBA(image.Rect(0, 0, 2*width, 2*height))
		draw.Draw(rough, rough.Bounds(), image.White, image.Point{}, draw.Src)
		draw.ApproxBiLinear.Scale(rough, rough.Bounds(), full, part, draw.Over, nil)
		full, part = rough, rough.Bounds()
	}
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src) // under what is transparent
	draw.CatmullRom.Scale(out, out.Bounds(), full, part, draw.Over, nil)
	var buf bytes.Buffer
	err = jpeg.Encode(&buf, out, &jpeg.Options{Quality: thumbQuality})
	return buf.Bytes(), err
}

// decodedSize is how many bytes of memory a picture takes, the decoder's own
// tables for the worst kind of JPEG included.
func decodedSize(head image.Config, kind string) int64 {
	each := int64(4)
	switch {
	case kind == "jpeg":
		each = 5
	case head.ColorModel == color.RGBA64Model || head.ColorModel == color.NRGBA64Model:
		each = 8
	}
	if head.Width > maxDecoded || head.Height > maxDecoded {
		return maxDecoded + 1
	}
	return int64(head.Width) * int64(head.Height) * each
}

// fit returns which part of a picture to show, and how large.
func (s thumbSize) fit(b image.Rectangle) (part image.Rectangle, width, height int) {
	if s.square {
		side := min(b.Dx(), b.Dy())
		at := b.Min.Add(image.Pt((b.Dx()-side)/2, (b.Dy()-side)/2))
		return image.Rectangle{at, at.Add(image.Pt(side, side))}, s.width, s.width
	}
	width, height = b.Dx(), b.Dy()
	if width > s.width {
		width, height = s.width, max(1, height*s.width/width)
	}
	if height > maxThumbHeight {
		width, height = max(1, width*maxThumbHeight/height), maxThumbHeight
	}
	return b, width, height
}
