package command

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"jottatools/lib/record"
)

// Progress draws one line with files, bytes, rate, time left and the name in hand on
// standard error, if that is a terminal; otherwise it does nothing. It is safe for
// concurrent use, also as a nil pointer.
//
// It is drawn here, since the libraries for it bring a web server along, or templates,
// with which every program would be larger and start later.
type Progress struct {
	env          *Env
	now          func() time.Time
	columns      func() int // of the terminal
	turn         turn
	doing        string // what is done to the files; may be empty
	files, bytes int64  // done
	ofFiles      int64  // to do
	ofBytes      int64
	name         string // of the file in hand
	known        bool   // no more will be announced
	done         bool

	started time.Time
	drawn   time.Time // at which bytes were drawnAt
	drawnAt int64
	rate    float64 // bytes a second
	width   int     // of what is on the screen
}

// progressVariable makes a program draw although its output is a pipe: in a
// pipeline only one of the programs should. If its value is the path of a file,
// programs that have the same one draw by turns.
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
		e.progress.turn.file = os.Getenv(progressVariable)
	}
	return e.progress
}

func newProgress(e *Env, now func() time.Time) *Progress {
	p := &Progress{env: e, now: now, started: now()}
	p.columns = func() int {
		if f, ok := e.Stderr.(*os.File); ok {
			if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
				return columns
			}
		}
		return 80
	}
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

// Prepares says in a word that what is done to the files goes before the work of another
// program, which has the line whenever it draws.
func (p *Progress) Prepares(doing string) {
	p.update(func() { p.doing, p.turn.yields = doing, true })
}

// Begin says which file is in hand.
func (p *Progress) Begin(name string) { p.update(func() { p.name = name }) }

// Expect announces more work, in files and bytes.
func (p *Progress) Expect(files, bytes int64) {
	p.update(func() { p.ofFiles += files; p.ofBytes += bytes })
}

// ExpectNoMore says that all work has been announced, so that the time left can
// be told.
func (p *Progress) ExpectNoMore() { p.update(func() { p.known = true }) }

// Add reports finished work, in files and bytes. Bytes may be negative if work has to
// be done again.
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

	if !p.turn.take(now, p.leave) {
		p.hide()
		return
	}
	text := p.line(p.columns() - 1)
	io.WriteString(p.env.Stderr, "\r"+text+strings.Repeat(" ", max(0, p.width-columnsOf(text))))
	p.width = columnsOf(text)
}

// line returns the text to draw, at most width columns wide. It leaves out the least
// important parts first.
func (p *Progress) line(width int) string {
	var percent, bar, left string
	files := record.Count(p.files, "file", "files")
	if p.ofFiles > 0 {
		files = fmt.Sprintf("%d/%d files", p.files, p.ofFiles)
	}
	size := Bytes(p.bytes)
	of := size
	if p.known && p.ofBytes > 0 {
		part := min(max(0, float64(p.bytes)/float64(p.ofBytes)), 1)
		percent = fmt.Sprintf("%3.0f%% ", 100*part)
		bar = fmt.Sprintf("[%-*s] ", barWidth, strings.Repeat("#", int(part*barWidth)))
		of += " of " + Bytes(p.ofBytes)
		if seconds := float64(p.ofBytes-p.bytes) / p.rate; 0 < seconds && seconds < 1e9 {
			left = fmt.Sprintf(", %v left", time.Duration(seconds)*time.Second)
		}
	}
	rate := fmt.Sprintf(", %s/s", Bytes(int64(p.rate)))
	doing := p.doing
	if doing != "" {
		doing += " "
	}
	text := ""
	for _, text = range []string{
		doing + percent + bar + files + ", " + of + rate + left,
		doing + percent + files + ", " + of + rate + left,
		doing + percent + files + ", " + size + rate + left,
		doing + percent + files + ", " + size + left,
		percent + size + left,
		percent + size,
	} {
		if len(text) <= width {
			break
		}
	}
	text = text[:max(0, min(len(text), width))]
	if room := width - len(text) - 2; p.name != "" && room >= 12 {
		text += "  " + shortened(record.Printable(p.name), room)
	}
	return text
}

// shortened returns the end of a name, at most width columns wide.
func shortened(name string, width int) string {
	if columnsOf(name) <= width {
		return name
	}
	for name != "" && columnsOf(name) > width-3 {
		_, n := utf8.DecodeRuneInString(name)
		name = name[n:]
	}
	return "..." + name
}

// columnsOf returns how many columns of a terminal s takes at most.
func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		if n++; r >= 0x1100 { // from where on there are wide ones
			n++
		}
	}
	return n
}

// leave releases the line for other programs.
func (p *Progress) leave() {
	p.env.screen.Lock()
	defer p.env.screen.Unlock()
	p.hide()
	p.turn.release()
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
	p.turn.release()
}
