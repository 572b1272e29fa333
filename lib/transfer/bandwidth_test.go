package transfer

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

func TestParseBandwidth(t *testing.T) {
	day := time.Date(2024, 5, 1, 0, 0, 0, 0, time.Local)
	tests := []struct {
		in   string
		at   string
		want rate.Limit
	}{
		{"512k", "12:00", 512 << 10},
		{"1.5M", "12:00", 3 << 19},
		{"1000", "12:00", 1000},
		{"off", "12:00", rate.Inf},
		{"08:00,512k 23:00,off", "07:59", rate.Inf},
		{"08:00,512k 23:00,off", "08:00", 512 << 10},
		{"08:00,512k 23:00,off", "22:59", 512 << 10},
		{"08:00,512k 23:00,off", "23:00", rate.Inf},
		{"23:00,off 08:00,512k", "00:00", rate.Inf},
		{"12:00,1k", "00:00", 1 << 10},
	}
	for _, test := range tests {
		b, err := ParseBandwidth(test.in)
		if err != nil {
			t.Errorf("ParseBandwidth(%q) = %v", test.in, err)
			continue
		}
		clock, _ := time.Parse("15:04", test.at)
		if got := b.at(day.Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute)); got != test.want {
			t.Errorf("%q at %s is %v, want %v", test.in, test.at, got, test.want)
		}
	}
	for _, bad := range []string{"", " ", "fast", "-1", "0", "8,512k", "08:00", "08:00,", "25:00,1k", "08:00,512k 23:00", "1k 2k", "08:00,1k,2k"} {
		if _, err := ParseBandwidth(bad); err == nil {
			t.Errorf("ParseBandwidth(%q) took it", bad)
		}
	}
}

func TestBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock starts at midnight UTC
		b, err := ParseBandwidth("00:00,64k 00:10,off")
		if err != nil {
			t.Fatal(err)
		}
		b.now = func() time.Time { return time.Now().UTC() }
		start := time.Now()
		for range 64 { // a minute is 64 * 60 KiB
			if err := b.wait(t.Context(), readSize); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 31*time.Second || took > 32*time.Second {
			t.Errorf("2 MiB at 64 KiB a second took %v", took)
		}
		time.Sleep(10 * time.Minute)
		start = time.Now()
		for range 1000 {
			b.wait(t.Context(), readSize)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("without a limit it took %v", took)
		}
	})
	if err := (*Bandwidth)(nil).wait(t.Context(), readSize); err != nil {
		t.Errorf("no limit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b, _ := ParseBandwidth("1")
	b.wait(t.Context(), readSize) // the burst
	if err := b.wait(ctx, readSize); err == nil {
		t.Error("the wait does not end with the context")
	}
}

func FuzzParseBandwidth(f *testing.F) {
	f.Add("08:00,512k 23:00,off")
	f.Add("1.5M")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParseBandwidth(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("ParseBandwidth(%q) = %v", s, err)
			}
			return
		}
		if limit := b.at(time.Now()); limit < 1 {
			t.Fatalf("ParseBandwidth(%q) allows %v", s, limit)
		}
	})
}
