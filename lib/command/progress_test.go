package command

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestProgress: what the line says, over whatever was there before.
func TestProgress(t *testing.T) {
	env, _, stderr := testEnv()
	now := time.Unix(0, 0)
	p := newProgress(env, func() time.Time { return now })
	env.progress = p
	drawn := func(after time.Duration, change func()) string {
		now = now.Add(after)
		stderr.Reset()
		change()
		return stderr.String()
	}
	const mib = 1 << 20
	for _, step := range []struct {
		after  time.Duration
		change func()
		want   string
	}{
		{time.Second, func() { p.Add(1, 3*mib) }, "\r1 file, 3 MiB, 3 MiB/s"},
		{drawEvery - 1, func() { p.Add(1, mib) }, ""},
		{time.Second + 1 - drawEvery, func() { p.Expect(4, 16*mib) }, "\r2/4 files, 4 MiB, 2 MiB/s"},
		{2 * time.Second, func() { p.ExpectNoMore() }, "\r 25% [#####               ] 2/4 files, 4 MiB of 16 MiB, 1 MiB/s, 12s left"},
		{16 * time.Second, func() { p.Add(1, 8*mib) }, "\r 75% [###############     ] 3/4 files, 12 MiB of 16 MiB, 512 KiB/s, 8s left"},
		{8 * time.Second, func() { p.Add(1, 4*mib) }, "\r100% [####################] 4/4 files, 16 MiB of 16 MiB, 512 KiB/s"},
		{time.Second, func() { env.Errorf("x") }, "\r" + strings.Repeat(" ", 66) + "\rjtest: x\n"},
		{time.Second, func() { p.Done() }, ""},
		{time.Second, func() { p.Add(1, 1) }, ""},
	} {
		got := drawn(step.after, step.change)
		if strings.TrimRight(got, " ") != strings.TrimRight(step.want, " ") {
			t.Errorf("drawn is %q, want %q", got, step.want)
		}
	}
}

// TestProgressWidth: the line is as wide as the terminal at most, and says what matters
// most down to the narrowest.
func TestProgressWidth(t *testing.T) {
	env, _, _ := testEnv()
	now := time.Unix(0, 0)
	p := newProgress(env, func() time.Time { return now })
	p.files, p.ofFiles, p.bytes, p.ofBytes, p.known, p.rate = 120, 1404, 3<<30, 12<<30, true, 10<<20
	p.name = "Fotos/2025/Sommer in Ligurien/日本語のとても長い名前/DSC01234.ARW"
	for width, want := range map[int]string{
		120: " 25% [#####               ] 120/1404 files, 3 GiB of 12 GiB, 10 MiB/s, 15m21s left  ...本語のとても長い名前/DSC01234.ARW",
		90:  " 25% [#####               ] 120/1404 files, 3 GiB of 12 GiB, 10 MiB/s, 15m21s left",
		79:  " 25% 120/1404 files, 3 GiB of 12 GiB, 10 MiB/s, 15m21s left  ...前/DSC01234.ARW",
		50:  " 25% 120/1404 files, 3 GiB, 10 MiB/s, 15m21s left",
		39:  " 25% 120/1404 files, 3 GiB, 15m21s left",
		29:  " 25% 3 GiB, 15m21s left",
		12:  " 25% 3 GiB",
		5:   " 25% ",
		0:   "",
	} {
		got := p.line(width)
		if columnsOf(got) > width {
			t.Errorf("in %d columns, the line takes %d: %q", width, columnsOf(got), got)
		}
		if got != want {
			t.Errorf("in %d columns, the line is\n%q, want\n%q", width, got, want)
		}
	}
}

// TestProgressTurns: of two programs on one screen, one has the line at a time, and the
// one that prepares leaves it to the other.
func TestProgressTurns(t *testing.T) {
	now := time.Unix(0, 0)
	file := filepath.Join(t.TempDir(), "line")
	program := func() (*Progress, func() string) {
		env, _, stderr := testEnv()
		p := newProgress(env, func() time.Time { return now })
		env.progress, p.turn.file = p, file
		return p, func() string {
			p.Add(1, 1<<20)
			env.screen.Lock() // its timer may hide the line
			defer env.screen.Unlock()
			defer stderr.Reset()
			return strings.TrimSpace(stderr.String())
		}
	}
	hash, drawHash := program()
	put, drawPut := program()
	hash.Prepares("hashing")
	if now = now.Add(drawEvery); !strings.HasPrefix(drawHash(), "hashing 1 file") {
		t.Error("who is alone does not draw")
	}
	if now = now.Add(drawEvery); drawPut() != "" {
		t.Error("two have the line at once")
	}
	now = now.Add(yieldTurn)
	if drawHash() != "" {
		t.Error("who prepares keeps the line for itself")
	}
	if now = now.Add(drawEvery); drawPut() == "" {
		t.Error("who was left the line does not take it")
	}
	if now = now.Add(yieldFor); drawHash() != "" {
		t.Error("who prepares takes the line away")
	}
	put.leave() // as when there is nothing to do for a moment
	if now = now.Add(drawEvery); drawHash() == "" {
		t.Error("nobody has the line")
	}
	hash.Done()
	put.Done()
}
