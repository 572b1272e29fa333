package command

import (
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
