//go:build linux

package mount

import (
	"context"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	accountTTL     = time.Minute
	accountTimeout = 10 * time.Second
	// noLimit is the free space that is told of an account without a limit: 1 PiB,
	// more than any program asks for and less than any counts wrong.
	noLimit    = 1 << 50
	statfsUnit = 4096
	nameLength = 255
)

// statfs tells how much space the account has, as far as is known: who cannot reach
// the service gets the last answer.
func (f *fileSystem) statfs(out *fuse.StatfsOut) {
	f.mu.Lock()
	account, old := f.account, time.Since(f.asked) > accountTTL && f.away == nil
	if old {
		f.asked = time.Now() // one asks, the others take the old answer
	}
	f.mu.Unlock()
	if old {
		timeout := min(accountTimeout, f.o.Timeout)
		ctx, cancel := context.WithTimeoutCause(f.ctx, timeout, noAnswer(timeout))
		defer cancel()
		now, err := f.service.Account(ctx)
		f.noteSilence(err)
		if err == nil {
			f.mu.Lock()
			f.account, account = now, now
			f.mu.Unlock()
		}
	}
	usage := max(account.Usage, 0)
	free := int64(noLimit)
	if account.Capacity >= 0 && account.Username != "" {
		free = max(account.Capacity-usage, 0)
	}
	free = max(free-f.pending(), 0)
	out.Bsize, out.Frsize, out.NameLen = statfsUnit, statfsUnit, nameLength
	out.Blocks = uint64(usage+free) / statfsUnit
	out.Bfree = uint64(free) / statfsUnit
	out.Bavail = out.Bfree
}

// pending returns how many bytes wait to be uploaded.
func (f *fileSystem) pending() int64 {
	jobs := f.uploads.list()
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	total := int64(0)
	for _, j := range jobs {
		if j.entry.local != nil {
			total += j.entry.local.size.Load()
		}
	}
	return total
}
