package command

import (
	"fmt"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"jottatools/lib/record"
)

// Progress draws one line with files, bytes, rate and time left on standard
// error, if that is a terminal; otherwise it does nothing. It is safe for
// concurrent use, also as a nil pointer.
type Progress struct {
	env          *Env
	bar          *progressbar.ProgressBar
	files, bytes int64 // done
	ofFiles      int64 // to do
	ofBytes      int64
	known        bool // no more will be announced
	done         bool
}

// progressVariable makes a program draw although its output is a pipe: in a
// pipeline only one of the programs should.
const progressVariable = "JOTTA_PROGRESS"

// Progress returns the program's progress line. It is drawn on a terminal only,
// not with -q, and by the last program of a pipe only.
func (e *Env) Progress() *Progress {
	e.screen.Lock()
	defer e.screen.Unlock()
	if e.progress == nil && e.wantsProgress() {
		e.progress = &Progress{env: e, bar: progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(e.Stderr),
			progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionShowCount(),
			progressbar.OptionShowTotalBytes(true),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetWidth(20),
		)}
	}
	return e.progress
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
	files := record.Count(p.files, "file", "files")
	if p.ofFiles > 0 {
		files = fmt.Sprintf("%d/%d files", p.files, p.ofFiles)
	}
	p.bar.Describe(files)
	if p.known && p.ofBytes > 0 && p.bar.GetMax64() != p.ofBytes {
		p.bar.ChangeMax64(p.ofBytes)
	}
	p.bar.Set64(p.bytes)
}

// hide takes the line off the screen until the next update. The screen is
// locked.
func (p *Progress) hide() {
	if !p.done {
		p.bar.Clear()
	}
}

// Done takes the line away for good.
func (p *Progress) Done() {
	if p == nil {
		return
	}
	p.env.screen.Lock()
	defer p.env.screen.Unlock()
	if !p.done {
		p.done = true
		p.bar.Exit()
		p.bar.Clear()
	}
}
