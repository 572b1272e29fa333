package record

import (
	"math/rand/v2"
	"testing"
	"time"
)

// checkTime holds what parseUTC says against package time.
func checkTime(t *testing.T, s string) {
	t.Helper()
	got, ok := parseUTC(s)
	if !ok {
		return
	}
	if want, err := time.Parse(time.RFC3339Nano, s); err != nil || !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("parseUTC(%q) = %v; package time says %v, %v", s, got, want, err)
	}
}

func TestParseUTC(t *testing.T) {
	for _, s := range []string{
		"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.123456789Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
		"2024-02-29T00:00:00Z", "2026-04-30T00:00:00Z", "0000-01-01T00:00:00Z",
	} {
		if _, ok := parseUTC(s); !ok {
			t.Errorf("parseUTC(%q) leaves it to package time", s)
		}
		checkTime(t, s)
	}
	for _, s := range []string{
		"", "Z", "2026-01-02T03:04:05", "2026-01-02t03:04:05Z", "2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z", "2026-01-00T03:04:05Z", "2026-01-32T03:04:05Z",
		"2025-02-29T03:04:05Z", "2026-04-31T03:04:05Z", "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05.1234567890Z", "2026-01-02T03:04:05.12x4Z", "2026-01-02T03:04:05,1Z", "2026-01-02T03:04:05+01:00", "2026/01/02T03:04:05Z", "202x-01-02T03:04:05Z",
		"2026-01-02T03:04:/5Z",
	} {
		if got, ok := parseUTC(s); ok {
			t.Errorf("parseUTC(%q) = %v, want it left to package time", s, got)
		}
	}
}

// TestTimes: times of any kind survive.
func TestTimes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		nanosecond := random.Int64N(1e9)
		for range random.IntN(9) {
			nanosecond = nanosecond / 10 * 10
		}
		checkTime(t, time.Unix(random.Int64N(250_000_000_000)-60_000_000_000, nanosecond).UTC().Format(time.RFC3339Nano))
	}
}

func FuzzParseUTC(f *testing.F) {
	f.Add("2026-01-02T03:04:05.123456789Z")
	f.Add("2025-02-29T23:59:59Z")
	f.Fuzz(func(t *testing.T, s string) { checkTime(t, s) })
}

func BenchmarkParseUTC(b *testing.B) {
	const s = "2026-01-02T03:04:05.123456789Z"
	b.Run("parseUTC", func(b *testing.B) {
		for b.Loop() {
			parseUTC(s)
		}
	})
	b.Run("time.Parse", func(b *testing.B) {
		for b.Loop() {
			time.Parse(time.RFC3339Nano, s)
		}
	})
}
