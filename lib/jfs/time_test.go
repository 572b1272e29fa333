package jfs

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	want := time.Date(2024, 5, 1, 8, 11, 12, 0, time.UTC)
	tests := []struct {
		in   string
		want time.Time
		ok   bool
	}{
		{"2024-05-01-T08:11:12Z", want, true},
		{"2024-05-01T08:11:12Z", want, true},
		{"2024-05-01T08:11:12.000Z", want, true},
		{"2024-05-01T08:11:12.250Z", want.Add(250 * time.Millisecond), true},
		{"2024-05-01-T10:11:12+0200", want, true},
		{"2024-05-01-T10:11:12+02:00", want, true},
		{"2024-05-01T08:11:12Z+00:00", want, true},
		{"2024-05-01T08:11:12+00:00", want, true},
		{" 2024-05-01-T08:11:12Z\n", want, true},
		{"0001-01-01-T00:00:00Z", time.Time{}, true},
		{"", time.Time{}, true},
		{"2024-05-01T08:11:12", time.Time{}, false},
		{"2024-05-01-T08:11:12.250000", time.Time{}, false},
		{"1714551072", time.Time{}, false},
		{"never", time.Time{}, false},
		{"+00:00", time.Time{}, false},
		{"-T", time.Time{}, false},
	}
	for _, test := range tests {
		got, err := ParseTime(test.in)
		if !got.Equal(test.want) || (err == nil) != test.ok {
			t.Errorf("ParseTime(%q) = %v, %v, want %v, ok %t", test.in, got, err, test.want, test.ok)
		}
	}
}

func TestFormatTime(t *testing.T) {
	cet := time.FixedZone("", 7200)
	tests := []struct {
		in        time.Time
		jfs, rfc3 string
	}{
		{time.Date(2024, 5, 1, 10, 11, 12, 999_999_999, cet), "2024-05-01-T08:11:12Z", "2024-05-01T08:11:12Z"},
		{time.Unix(-1, 500_000_000), "1969-12-31-T23:59:59Z", "1969-12-31T23:59:59Z"},
		{time.Time{}, "0001-01-01-T00:00:00Z", "0001-01-01T00:00:00Z"},
		{time.Date(30828, 9, 14, 0, 0, 0, 0, time.UTC), "9999-12-31-T23:59:59Z", "9999-12-31T23:59:59Z"},
		{time.Date(-44, 3, 15, 0, 0, 0, 0, time.UTC), "0001-01-01-T00:00:00Z", "0001-01-01T00:00:00Z"},
	}
	for _, test := range tests {
		if got := FormatTime(test.in); got != test.jfs {
			t.Errorf("FormatTime(%v) = %s, want %s", test.in, got, test.jfs)
		}
		if got := formatRFC3339(test.in); got != test.rfc3 {
			t.Errorf("formatRFC3339(%v) = %s, want %s", test.in, got, test.rfc3)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("2024-05-01-T10:11:12+0200")
	f.Add("2024-05-01T08:11:12.123Z+00:00")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(s)
		if err != nil || got.Year() < 1 || got.Year() > 9999 {
			return
		}
		again, err := ParseTime(FormatTime(got))
		if err != nil || !again.Equal(got.Truncate(time.Second)) {
			t.Fatalf("ParseTime(%q) = %v, which comes back as %v, %v", s, got, again, err)
		}
	})
}

func TestListTime(t *testing.T) {
	for _, s := range []string{
		"2024-05-01T08:11:12.000Z", "2024-05-01T08:11:12.999Z", "2024-02-29T23:59:59.001Z", "2023-02-29T00:00:00.000Z", "2024-13-01T00:00:00.000Z", "2024-00-01T00:00:00.000Z", "2024-01-00T00:00:00.000Z",
		"2024-01-01T24:00:00.000Z", "2024-01-01T23:60:00.000Z", "2024-01-01T23:59:60.000Z", "0001-01-01T00:00:00.000Z", "0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "2024-05-01 08:11:12.000Z", "2024-05-01T08:11:1x.000Z", "",
	} {
		want, err := time.Parse(time.RFC3339, s)
		if got, ok := listTime(s); ok != (err == nil) || ok && !got.Equal(want) {
			t.Errorf("listTime(%q) = %v, %v; time.Parse has %v, %v", s, got, ok, want, err)
		}
	}
}
