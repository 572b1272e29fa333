package jserve

import (
	"encoding/json"
	"testing"
)

// FuzzParseSaid: what a listener sends is a ping, a subscription or refused, and what
// is not JSON is always refused.
func FuzzParseSaid(f *testing.F) {
	for _, s := range []string{`"PING"`, `{"PING":""}`, `{"SUBSCRIBE":{"path":"ALL"}}`, `{"SUBSCRIBE":null}`, `[`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ping, err := parseSaid(text)
		if err == nil && !json.Valid(text) || err != nil && ping {
			t.Fatalf("parseSaid(%q) = %v, %v", text, ping, err)
		}
	})
}

// FuzzParseRate: what is read prints as what is read the same.
func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"0", "500K", "2M/conn", "-1", "9999999999G", "1kk"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRate(s)
		if err != nil {
			return
		}
		if again, err := ParseRate(r.String()); r.Bytes < 0 || err != nil || again != r {
			t.Fatalf("ParseRate(%q) = %v, then %v, %v", s, r, again, err)
		}
	})
}
