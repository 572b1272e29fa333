package jserve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// errCut ends the handling of a request whose connection is cut on purpose.
var errCut = errors.New("connection cut by a fault rule")

// Rate limits bytes of bodies, both directions together.
type Rate struct {
	Bytes int64 // a second; 0 or less means no limit
	Each  bool  // each connection has that much, instead of all together
}

// ParseRate reads a rate such as 500000, 500K or 2M/conn: bytes a second, for
// all connections together or for each.
func ParseRate(text string) (Rate, error) {
	var r Rate
	number, each := strings.CutSuffix(text, "/conn")
	unit := int64(1)
	for i, suffix := range []string{"K", "M", "G"} {
		if rest, ok := strings.CutSuffix(strings.ToUpper(number), suffix); ok {
			number, unit = rest, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > maxSize/unit {
		return r, fmt.Errorf("rate %q is not like 500000, 500K or 2M/conn", text)
	}
	return Rate{Bytes: n * unit, Each: each}, nil
}

// String returns what ParseRate reads.
func (r Rate) String() string {
	if r.Each {
		return strconv.FormatInt(r.Bytes, 10) + "/conn"
	}
	return strconv.FormatInt(r.Bytes, 10)
}

// pacer lets bytes through at a rate. It is safe for concurrent use.
type pacer struct {
	rate int64

	mu   sync.Mutex
	free time.Time // when the line is free again; guarded by mu
}

// piece is how many bytes go at once: those of a twentieth of a second, so that
// a stream flows evenly, and nobody waits longer than that for a small answer.
func (p *pacer) piece() int { return int(min(max(p.rate/20, 1), 256<<10)) }

// wait returns when n more bytes may go.
func (p *pacer) wait(ctx context.Context, n int) error {
	p.mu.Lock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	due := p.free
	p.mu.Unlock()
	timer := time.NewTimer(due.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tamper does to the bodies of one request what a rule and the rate want.
type tamper struct {
	call *call
	rule *faultRule // nil if only the rate matters
	pace *pacer     // nil if only the rule matters

	limited bool  // cut once left is used up
	left    int64 // bytes
	cut     bool  // the connection is to end here
	atEnd   bool  // the connection is to end after the answer
}

func (t *tamper) is(effects ...effect) bool {
	for _, e := range effects {
		if t != nil && t.rule != nil && t.rule.effect == e {
			return true
		}
	}
	return false
}

// allow returns how many of n bytes may pass before the cut.
func (t *tamper) allow(n int) int {
	if !t.limited {
		return n
	}
	return int(min(int64(n), t.left))
}

// read is a Read of the request's body.
func (t *tamper) read(body io.Reader, p []byte) (int, error) {
	if t.is(effectExpire) {
		if t.left == 0 {
			return 0, errBadCredentials
		}
		p = p[:min(int64(len(p)), t.left)]
	}
	if t.is(effectCut, effectCutIn) {
		if t.cut {
			return 0, errCut
		}
		// One byte more than allowed shows whether there is something to cut.
		p = p[:min(int64(len(p)), t.left+1)]
	}
	if t.pace != nil {
		p = p[:min(len(p), t.pace.piece())]
	}
	n, err := body.Read(p)
	if t.is(effectCut, effectCutIn) {
		if int64(n) > t.left {
			n, err, t.cut = int(t.left), errCut, true
		}
	}
	if t.is(effectCut, effectCutIn, effectExpire) {
		t.left -= int64(n)
	}
	if t.pace != nil && n > 0 {
		if werr := t.pace.wait(t.call.r.Context(), n); werr != nil {
			return n, werr
		}
	}
	return n, err
}

// header is called before the header goes out, and tells whether it may.
func (t *tamper) header(h http.Header) bool {
	switch {
	case t.is(effectShort):
		length, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
		if err != nil {
			t.atEnd = true // nothing announced: the end of the body is missing
		} else {
			t.limited, t.left = true, max(0, length-t.rule.bytes)
			t.atEnd = t.rule.bytes > 0
		}
	case t.is(effectCut, effectCutOut):
		t.limited = true
		if t.left == 0 {
			t.cut = true
		}
	}
	return !t.cut
}

// write is a Write of the answer's body.
func (t *tamper) write(w io.Writer, p []byte) (written int, err error) {
	out := t.edit(p)
	if allowed := t.allow(len(out)); allowed < len(out) {
		out, t.cut = out[:allowed], true
	}
	for len(out) > 0 {
		n := len(out)
		if t.pace != nil {
			n = min(n, t.pace.piece())
			if err := t.pace.wait(t.call.r.Context(), n); err != nil {
				return written, err
			}
		}
		t.call.w.extend()
		n, err = w.Write(out[:n])
		written += n
		t.left -= int64(n)
		out = out[n:]
		if err != nil {
			return written, err
		}
	}
	if t.cut {
		return written, errCut
	}
	return written, nil
}

var (
	digestText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`("md5":"|<md5>)[0-9A-Fa-f]`) })
	countText  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`<stats>.*<files>([0-9]+)</files>`) })
)

// edit changes what the answer says, but not its length. The pieces of a listing
// break between elements, so each can be looked at alone.
func (t *tamper) edit(p []byte) []byte {
	switch {
	case t.is(effectMD5):
		return digestText().ReplaceAllFunc(p, func(m []byte) []byte {
			m = bytes.Clone(m)
			if last := &m[len(m)-1]; *last == '0' {
				*last = '1'
			} else {
				*last = '0'
			}
			return m
		})
	case t.is(effectCount):
		at := countText().FindSubmatchIndex(p)
		if at == nil {
			return p
		}
		n, err := strconv.ParseInt(string(p[at[2]:at[3]]), 10, 64)
		if err != nil {
			return p
		}
		if n--; n < 0 {
			n = 1 // there are none, so too few cannot be said
		}
		out := bytes.Clone(p)
		copy(out[at[2]:at[3]], fmt.Sprintf("%0*d", at[3]-at[2], n))
		return out
	}
	return p
}

// disturb finds out what is to go wrong with a request, and does what comes
// before it is handled. The error, if any, is the answer.
func (c *call) disturb() error {
	if strings.HasPrefix(c.r.URL.Path, "/_jserve/") {
		return nil // must stay within reach
	}
	latency, pace := c.trouble.pace()
	if pace != nil {
		c.w.tamper = &tamper{call: c, pace: pace}
	}
	if err := c.pause(latency); err != nil {
		return err
	}
	if c.trouble.quiet() {
		return nil
	}
	rule, h := c.trouble.strike(faultKind(c.r), c.r, c.cfg.Now())
	if rule == nil {
		return nil
	}
	c.cfg.Log.LogAttrs(c.r.Context(), slog.LevelError, "fault injected on purpose", slog.String("rule", h.Rule), slog.String("kind", h.Kind),
		slog.Int64("request", h.Request), slog.Uint64("seed", h.Seed), slog.String("method", h.Method), slog.String("path", h.Path))
	text := "Injected by the rule " + rule.text
	switch rule.effect {
	case effectStatus:
		if rule.retryAfter >= 0 {
			c.w.Header().Set("Retry-After", strconv.Itoa(rule.retryAfter))
		}
		return &failure{status: rule.status, text: text}
	case effectExpired:
		return errBadCredentials
	case effectFull:
		return &failure{status: statusQuota, exception: "QuotaExceededException", text: text}
	case effectLocked:
		return &failure{status: http.StatusForbidden, exception: "AccessDeniedException", text: "The account is locked. " + text}
	case effectDelay:
		return c.pause(rule.delay)
	case effectMD5, effectCount:
		c.r.Header.Del("Accept-Encoding") // what is compressed cannot be changed
	}
	c.w.tamper = &tamper{call: c, rule: rule, pace: pace, left: rule.bytes}
	return nil
}

// pause waits.
func (c *call) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.r.Context().Done():
		return context.Cause(c.r.Context())
	}
}

// sever ends the connection if that is what a rule wants, after what may go has gone.
// A request that failed has not begun its answer yet, and if none of it may go,
// it ends here too: net/http would send a header of its own in place of the
// one kept back.
func (c *call) sever() {
	t := c.w.tamper
	if t.is(effectCut, effectCutOut) && t.left == 0 && !c.w.begun {
		t.cut = true
	}
	if t != nil && (t.cut || t.atEnd) {
		if !t.is(effectCutIn) && c.w.passed {
			_ = c.w.control.Flush() // the client gets exactly the bytes the rule allows
		}
		panic(http.ErrAbortHandler)
	}
}
