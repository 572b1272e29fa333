package jserve

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

var errNoFaults = &failure{status: http.StatusForbidden, text: "Faults cannot be changed here; start jserve with --allow-faults"}

// faults answers /_jserve/faults: GET shows what goes wrong on purpose, and POST
// changes it. The body of a POST is the new rules, none if it is empty. In the
// query, seed, latency and rate change those; the rate and the latency stay as
// they are when left out. It is for tests: one account breaks the server for all.
func (c *call) faults() error {
	if !c.cfg.AllowFaults {
		return errNoFaults
	}
	if c.r.Method == http.MethodPost {
		if err := c.changeFaults(); err != nil {
			return err
		}
	}
	return c.answerJSON(http.StatusOK, c.trouble.show())
}

func (c *call) changeFaults() error {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxForm))
	if err != nil {
		return err
	}
	rules, err := parseFaults(string(body))
	if err != nil {
		return invalid("%v", err)
	}
	q := c.r.URL.Query()
	now := c.trouble.show()
	seed, latency, rate := now.Seed, time.Duration(now.LatencyMS)*time.Millisecond, now.rate
	if v := q.Get("seed"); v != "" {
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			return invalid("seed %q is not a number", v)
		}
	}
	if v := q.Get("latency"); v != "" {
		if latency, err = time.ParseDuration(v); err != nil || latency < 0 {
			return invalid("latency %q is not a duration", v)
		}
	}
	if v := q.Get("rate"); v != "" {
		if rate, err = ParseRate(v); err != nil {
			return invalid("%v", err)
		}
	}
	c.trouble.setRules(rules, seed)
	c.trouble.setPace(latency, rate)
	return nil
}

// shownTrouble is what GET /_jserve/faults answers.
type shownTrouble struct {
	Seed      uint64      `json:"seed"`
	LatencyMS int64       `json:"latency_ms"`
	Rate      string      `json:"rate"` // bytes a second; 0 means no limit
	Rules     []shownRule `json:"rules"`
	Hits      []hit       `json:"hits"` // the last ones, oldest first
	rate      Rate
}

type shownRule struct {
	Rule     string `json:"rule"`
	Seen     int64  `json:"seen"`     // requests of its kind
	Injected int64  `json:"injected"` // of those, how many it hit
}

func (t *trouble) show() shownTrouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := shownTrouble{
		Seed: t.seed, LatencyMS: t.latency.Milliseconds(), Rate: t.rate.String(), rate: t.rate,
		Rules: make([]shownRule, 0, len(t.rules)), Hits: append([]hit{}, t.hits...),
	}
	for _, r := range t.rules {
		s.Rules = append(s.Rules, shownRule{r.text, r.seen, r.injected})
	}
	return s
}
