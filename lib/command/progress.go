package command

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"jottatools/lib/record"
)

// Progress draws one line with files, bytes, rate and time left on standard
// error, if that is a terminal; otherwise it does nothing. It is safe for
// concurrent use, also as a nil pointer.
//
// It is drawn here, since the libraries for it bring a web server along, or templates,
// with which every program would be larger and start later.
type Progress struct {
	env          *Env
	now          func() time.Time
	files, bytes int64 // done
	ofFiles      int64 // to do
	ofBytes      int64
	known        bool // no more will be announced
	done         bool

	started time.Time
	drawn   time.Time // at which bytes were drawnAt
	drawnAt int64
	rate    float64 // bytes a second
	width   int     // of what is on the screen
}

// progressVariable makes a program draw although its output is a pipe: in a
// pipeline only one of the programs should.
const progressVariable = "JOTTA_PROGRESS"

const (
	drawEvery = 100 * time.Millisecond
	rateSpan  = 10 * time.Second // how far back the rate looks
	barWidth  = 20               // in characters
)

// Progress returns the program's progress line. It is drawn on a terminal only,
// not with -q, and by the last program of a pipe only.
func (e *Env) Progress() *Progress {
	e.screen.Lock()
	defer e.screen.Unlock()
	if e.progress == nil && e.wantsProgress() {
		e.progress = newProgress(e, time.Now)
	}
	return e.progress
}

func newProgress(e *Env, now func() time.Time) *Progress {
	p := &Progress{env: e, now: now, started: now()}
	p.drawn = p.started
	return p
}

func (e *Env) wantsProgress() bool {
	stderr, ok := e.Stderr.(*os.File)
	if !ok || e.quiet || e.logFormat == "json" || os.Getenv("TERM") == "dumb" || !isatty.IsTerminal(stderr.Fd()) {
		return false
	}
	if os.Getenv(progressVariable) != "" {
		return os.Getenv(progressVariable) != "0"
	}
	stdout, ok := e.Stdout.(*os.File)
	if !ok {
		return false
	}
	info, err := stdout.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe == 0
}

// Expect announces work: so many more files and bytes.
func (p *Progress) Expect(files, bytes int64) {
	p.update(func() { p.ofFiles += files; p.ofBytes += bytes })
}

// ExpectNoMore says that all work has been announced, so that the time left can
// be told.
func (p *Progress) ExpectNoMore() { p.update(func() { p.known = true }) }

// Add reports work done: so many files and bytes. Bytes may be negative, when
// work has to be done again.
func (p *Progress) Add(files, bytes int64) {
	p.update(func() { p.files += files; p.bytes += bytes })
}

func (p *Progress) update(change func()) {
	if p == nil {
		return
	}
	p.env.screen.Lock()
	defer p.env.screen.Unlock()
	if p.done {
		return
	}
	change()
	if now := p.now(); now.Sub(p.drawn) >= drawEvery {
		p.draw(now)
	}
}

// draw puts the line onto the screen, over what is there. The screen is locked.
func (p *Progress) draw(now time.Time) {
	// The mean so far, and in a longer run one in which what is past fades.
	passed := now.Sub(p.drawn)
	weight := float64(passed) / float64(max(passed, min(now.Sub(p.started), rateSpan)))
	p.rate += weight * (float64(p.bytes-p.drawnAt)/passed.Seconds() - p.rate)
	p.drawn, p.drawnAt = now, p.bytes

	text := p.line()
	if f, ok := p.env.Stderr.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			text = text[:min(len(text), columns-1)]
		}
	}
	fmt.Fprintf(p.env.Stderr, "\r%-*s", p.width, text)
	p.width = len(text)
}

// line returns what is drawn, in ASCII.
func (p *Progress) line() string {
	var b strings.Builder
	all := p.known && p.ofBytes > 0
	if all {
		part := min(max(0, float64(p.bytes)/float64(p.ofBytes)), 1)
		fmt.Fprintf(&b, "%3.0f%% [%-*s] ", 100*part, barWidth, strings.Repeat("#", int(part*barWidth)))
	}
	if p.ofFiles > 0 {
		fmt.Fprintf(&b, "%d/%d files, ", p.files, p.ofFiles)
	} else {
		b.WriteString(record.Count(p.files, "file", "files") + ", ")
	}
	b.WriteString(Bytes(p.bytes))
	if all {
		b.WriteString(" of " + Bytes(p.ofBytes))
	}
	fmt.Fprintf(&b, ", %s/s", Bytes(int64(p.rate)))
	if left := float64(p.ofBytes-p.bytes) / p.rate; all && 0 < left && left < 1e9 {
		fmt.Fprintf(&b, ", %v left", time.Duration(left)*time.Second)
	}
	return b.String()
}

// hide takes the line off the screen until the next update. The screen is
// locked.
func (p *Progress) hide() {
	if p.width > 0 {
		io.WriteString(p.env.Stderr, "\r"+strings.Repeat(" ", p.width)+"\r")
		p.width = 0
	}
}

// Done takes the line away for good.
func (p *Progress) Done() {
	if p == nil {
		return
	}
	p.env.screen.Lock()
	defer p.env.screen.Unlock()
	p.done = true
	p.hide()
}
