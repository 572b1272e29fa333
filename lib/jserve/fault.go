package jserve

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// effect is what a rule does to a request.
type effect string

// The effects. docs/jserve.md says what each is good for.
const (
	effectStatus  effect = "status"     // written as the number alone
	effectExpired effect = "expired"    // 401, as for an expired token
	effectFull    effect = "full"       // 460, as for a full account
	effectLocked  effect = "locked"     // 403, as for a locked account
	effectCut     effect = "cut"        // the connection ends after n bytes of bodies, in whichever direction
	effectCutIn   effect = "cut-in"     // … of the request's body
	effectExpire  effect = "expired-in" // 401 after n bytes of the request's body, which are kept
	effectCutOut  effect = "cut-out"    // … of the answer's body; 0 also takes its header away
	effectShort   effect = "short"      // the answer lacks the last n bytes of those announced
	effectMD5     effect = "md5"        // the digests in the answer are wrong
	effectCount   effect = "count"      // the number of files in a liststream is too small
	effectTrashCp effect = "trash-copy" // a copy onto a trashed file stays in the trash (docs/protocol.md, section 7.6)
	effectDelay   effect = "delay"      // the request waits
)

// maxRules bounds what each request is compared with.
const maxRules = 100

// faultRule makes some requests of one kind go wrong.
type faultRule struct {
	text   string // as it was given
	kind   string // of request, or "*"
	effect effect
	status int           // of effectStatus
	bytes  int64         // of the effects that count some
	delay  time.Duration // of effectDelay

	chance     float64 // of being hit; 0 means that every decides
	every      int64   // hits each n-th request of the kind; 1 means all
	times      int64   // hits at most so often; 0 means always
	retryAfter int     // seconds for the header; below 0: none
}

// parseFaults reads rules: KIND:EFFECT[:OPTION…], separated by commas or line
// ends. docs/jserve.md has the grammar.
func parseFaults(text string) ([]faultRule, error) {
	var rules []faultRule
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		rule, err := parseFault(part)
		if err != nil {
			return nil, fmt.Errorf("fault rule %q: %w", part, err)
		}
		if rules = append(rules, rule); len(rules) > maxRules {
			return nil, fmt.Errorf("more than %d fault rules", maxRules)
		}
	}
	return rules, nil
}

func parseFault(text string) (faultRule, error) {
	r := faultRule{text: text, every: 1, retryAfter: -1}
	fields := strings.Split(text, ":")
	if len(fields) < 2 {
		return r, fmt.Errorf("write KIND:EFFECT, such as allocate:503:p=0.1")
	}
	r.kind = fields[0]
	if r.kind != "*" && !slices.Contains(faultKinds, r.kind) {
		return r, fmt.Errorf("unknown kind of request %q; there are * and %s", r.kind, strings.Join(faultKinds, " "))
	}
	if err := r.parseEffect(fields[1]); err != nil {
		return r, err
	}
	for _, option := range fields[2:] {
		if err := r.parseOption(option); err != nil {
			return r, err
		}
	}
	if r.chance > 0 && r.every > 1 {
		return r, fmt.Errorf("give p or every, not both")
	}
	if r.retryAfter >= 0 && r.effect != effectStatus {
		return r, fmt.Errorf("retry-after goes with a status only")
	}
	return r, nil
}

func (r *faultRule) parseEffect(text string) error {
	name, value, hasValue := strings.Cut(text, "=")
	r.effect = effect(name)
	var err error
	switch r.effect {
	case effectExpired, effectFull, effectLocked, effectMD5, effectCount, effectTrashCp:
		if hasValue {
			return fmt.Errorf("%s takes no value", name)
		}
	case effectCut, effectCutIn, effectExpire, effectCutOut, effectShort:
		var ok bool
		if r.bytes, ok = parseOffset(value); !ok {
			return fmt.Errorf("%s needs a number of bytes, such as %s=1000", name, name)
		}
	case effectDelay:
		if r.delay, err = time.ParseDuration(value); err != nil || r.delay < 0 {
			return fmt.Errorf("delay needs a duration, such as delay=2s")
		}
	default:
		r.effect = effectStatus
		if r.status, err = strconv.Atoi(text); err != nil || r.status < 400 || r.status > 599 {
			return fmt.Errorf("unknown effect %q; there are statuses from 400 to 599, expired, expired-in=N, full, locked, cut=N, cut-in=N, cut-out=N, short=N, md5, count, trash-copy, delay=D", text)
		}
	}
	return nil
}

func (r *faultRule) parseOption(text string) error {
	name, value, _ := strings.Cut(text, "=")
	n, err := strconv.ParseInt(value, 10, 32)
	switch name {
	case "p":
		r.chance, err = strconv.ParseFloat(value, 64)
		if err != nil || !(r.chance > 0 && r.chance <= 1) {
			return fmt.Errorf("p must be above 0 and at most 1, not %q", value)
		}
	case "every":
		if r.every = n; err != nil || n < 1 {
			return fmt.Errorf("every must be a number from 1, not %q", value)
		}
	case "times":
		if r.times = n; err != nil || n < 1 {
			return fmt.Errorf("times must be a number from 1, not %q", value)
		}
	case "retry-after":
		if r.retryAfter = int(n); err != nil || n < 0 {
			return fmt.Errorf("retry-after must be a number of seconds, not %q", value)
		}
	default:
		return fmt.Errorf("unknown option %q; there are p, every, times, retry-after", name)
	}
	return nil
}

// activeRule is a rule with what it has done.
type activeRule struct {
	faultRule
	dice           *rand.Rand
	seen, injected int64
}

// hit is one fault that was injected.
type hit struct {
	Time    time.Time `json:"time"`
	Rule    string    `json:"rule"`
	Kind    string    `json:"kind"`
	Request int64     `json:"request"` // the rule's n-th of that kind
	Seed    uint64    `json:"seed"`
	Method  string    `json:"method"`
	Path    string    `json:"path"`
}

// keptHits is how many hits are kept for queries.
const keptHits = 100

// trouble is what the server does wrong on purpose. It is safe for concurrent use.
type trouble struct {
	mu      sync.Mutex
	latency time.Duration // guarded by mu, as all
	rate    Rate
	all     *pacer // for all connections together; nil without a rate of that kind
	seed    uint64
	rules   []*activeRule
	hits    []hit // the last keptHits
}

// setRules replaces the rules and starts their counts and dice afresh.
func (t *trouble) setRules(rules []faultRule, seed uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seed, t.rules, t.hits = seed, nil, nil
	for i, r := range rules {
		// Each rule has dice of its own. So what a rule does to its n-th request
		// follows from the seed, whatever else is going on.
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %s", i, r.text)
		t.rules = append(t.rules, &activeRule{faultRule: r, dice: rand.New(rand.NewPCG(seed, h.Sum64()))})
	}
}

// setPace replaces latency and rate.
func (t *trouble) setPace(latency time.Duration, rate Rate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latency, t.rate, t.all = latency, rate, nil
	if rate.Bytes > 0 && !rate.Each {
		t.all = &pacer{rate: rate.Bytes}
	}
}

// pace returns what a request has to wait, and what its bytes have to wait for.
func (t *trouble) pace() (time.Duration, *pacer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rate.Bytes > 0 && t.rate.Each {
		// A connection carries one request at a time.
		return t.latency, &pacer{rate: t.rate.Bytes}
	}
	return t.latency, t.all
}

// quiet tells that there are no rules, so that nobody has to find out the kind of a request.
func (t *trouble) quiet() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.rules) == 0
}

// strike returns the rule that hits a request, or nil. Every rule for the kind
// counts the request; the first that hits is the one.
func (t *trouble) strike(kind string, r *http.Request, now time.Time) (*faultRule, hit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var struck *faultRule
	var h hit
	for _, rule := range t.rules {
		if rule.kind != "*" && rule.kind != kind {
			continue
		}
		rule.seen++
		hits := rule.seen%rule.every == 0
		if rule.chance > 0 {
			hits = rule.dice.Float64() < rule.chance
		}
		if !hits || struck != nil || rule.times > 0 && rule.injected >= rule.times {
			continue
		}
		rule.injected++
		struck = &rule.faultRule
		h = hit{Time: now.UTC(), Rule: rule.text, Kind: kind, Request: rule.seen, Seed: t.seed, Method: r.Method, Path: loggable(r)}
		if len(t.hits) == keptHits {
			t.hits = t.hits[1:]
		}
		t.hits = append(t.hits, h)
	}
	return struck, h
}

// CheckFaults tells whether text is rules that Config.Faults takes.
func CheckFaults(text string) error {
	_, err := parseFaults(text)
	return err
}
