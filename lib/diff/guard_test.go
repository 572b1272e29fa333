package diff

import (
	"strings"
	"testing"
	"time"

	"jottatools/lib/record"
)

// TestGuard tells damage from changes where no cache could.
func TestGuard(t *testing.T) {
	ran := time.Unix(1_700_000_100, 0).UTC()
	before, after := ran.Add(-time.Hour), ran.Add(time.Hour)
	yes := func(string) bool { return true }
	for _, test := range []struct {
		name  string
		guard *Guard
		edit  func(l *record.Record)
		want  string
	}{
		{"nobody guards", nil, nil, "put a changed"},
		{"not written since", &Guard{Since: ran}, nil, "none a changed corrupt"},
		{"written since, and the time put back", &Guard{Since: ran}, func(l *record.Record) { l.CTime = after }, "put a changed"},
		{"written just after the run began", &Guard{Since: ran}, func(l *record.Record) { l.CTime = ran.Add(time.Millisecond) }, "put a changed"},
		{"written just before the run began", &Guard{Since: ran}, func(l *record.Record) { l.CTime = ran.Add(-time.Millisecond) }, "none a changed corrupt"},
		{"written when the run began, and ctimes are whole seconds", &Guard{Since: ran.Add(time.Second / 2)}, func(l *record.Record) { l.CTime = ran }, "put a changed"},
		{"nobody knows since when", &Guard{}, func(l *record.Record) { l.CTime = after }, "none a changed corrupt"},
		{"no time of change", &Guard{Since: ran}, func(l *record.Record) { l.CTime = time.Time{} }, "none a changed corrupt"},
		{"a cache has vouched for it", &Guard{Since: ran}, func(l *record.Record) { l.Fresh = false }, "put a changed"},
		{"a cache has, and it is in doubt", &Guard{Since: ran, Doubt: yes}, func(l *record.Record) { l.Fresh = false }, "none a changed corrupt"},
		{"accepted", &Guard{Since: ran, Accept: yes}, nil, "put a changed"},
		{"another size", &Guard{Since: ran}, func(l *record.Record) { l.Size++ }, "put a changed"},
		{"another time", &Guard{Since: ran}, func(l *record.Record) { l.MTime = l.MTime.Add(time.Second) }, "put a changed"},
		{"the service keeps whole seconds", &Guard{Since: ran}, func(l *record.Record) { l.MTime = l.MTime.Add(time.Millisecond) }, "none a changed corrupt"},
		{"the same content", &Guard{Since: ran, Doubt: yes}, func(l *record.Record) { l.MD5 = strings.Repeat("0", 32) }, "none a same"},
	} {
		l, r := entry("a=x@0"), entry("a=x@0")
		r.MD5 = strings.Repeat("0", 32)
		l.Fresh, l.CTime = true, before
		if test.edit != nil {
			test.edit(l)
		}
		got := ""
		p := &plan{opts: Options{Guard: test.guard}, emit: func(r *record.Record) error {
			got = string(r.Action) + " " + r.Path + " " + string(r.Reason)
			if r.Error != nil {
				got += " " + string(r.Error.Class)
			}
			return nil
		}}
		if err := p.both(l, r); err != nil || got != test.want {
			t.Errorf("%s: %q, %v, want %q", test.name, got, err, test.want)
		}
	}
}
