package jfs

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"jottatools/lib/record"
)

// nameVectors are computed from the rules in docs/protocol.md, section 13.2.
type nameVectors struct {
	LocalToWire []struct {
		Comment string
		Local   hexBytes `json:"local_hex"`
		Wire    string
		URL     string
		Back    hexBytes `json:"back_hex"`
	} `json:"local_to_wire"`
	WireToLocal []struct {
		Comment   string
		Wire      string
		Decoded   hexBytes `json:"decoded_hex"`
		Local     hexBytes `json:"local_hex"`
		LeadsBack bool     `json:"leads_back"`
	} `json:"wire_to_local"`
	Encode []struct {
		Comment string
		Raw     hexBytes `json:"raw_hex"`
		Wire    string
	}
}

type hexBytes string

func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = hexBytes(b)
	return err
}

func readVectors(t testing.TB) nameVectors {
	t.Helper()
	data, err := os.ReadFile(samples + "/name-encoding-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v nameVectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.LocalToWire) < 50 || len(v.WireToLocal) < 25 || len(v.Encode) < 12 {
		t.Fatalf("vectors are missing")
	}
	return v
}

func TestNameVectors(t *testing.T) {
	v := readVectors(t)
	for _, x := range v.LocalToWire {
		wire, err := WireName(string(x.Local))
		if wire != x.Wire || err != nil {
			t.Errorf("%s: WireName(%q) = %q, %v, want %q", x.Comment, x.Local, wire, err, x.Wire)
		}
		if back := LocalName(wire); back != string(x.Back) {
			t.Errorf("%s: LocalName(%q) = %q, want %q", x.Comment, wire, back, x.Back)
		}
		var b strings.Builder
		escape(&b, wire)
		if b.String() != x.URL {
			t.Errorf("%s: escape(%q) = %s, want %s", x.Comment, wire, b.String(), x.URL)
		}
	}
	for _, x := range v.WireToLocal {
		if got := serviceNames.decode(x.Wire); got != string(x.Decoded) {
			t.Errorf("%s: decode(%q) = %q, want %q", x.Comment, x.Wire, got, x.Decoded)
		}
		local, foreign, err := fromWire(x.Wire)
		if local != string(x.Local) || foreign == x.LeadsBack || err != nil {
			t.Errorf("%s: fromWire(%q) = %q, foreign %t, %v, want %q, %t", x.Comment, x.Wire, local, foreign, err, x.Local, !x.LeadsBack)
		}
	}
	for _, x := range v.Encode {
		if got := serviceNames.encode(string(x.Raw)); got != x.Wire {
			t.Errorf("%s: encode(%q) = %q, want %q", x.Comment, x.Raw, got, x.Wire)
		}
		if got := serviceNames.decode(x.Wire); got != string(x.Raw) {
			t.Errorf("%s: decode(%q) = %q, want %q", x.Comment, x.Wire, got, x.Raw)
		}
	}
}

func TestWireNameRefuses(t *testing.T) {
	long := strings.Repeat("å", 255)
	tests := []struct {
		local string
		class record.Class // empty: fine
	}{
		{strings.Repeat("a", 254), ""},
		{strings.Repeat("a", 255), ""},
		{strings.Repeat("a", 256), record.ClassNameTooLong},
		{long, ""},
		{long + "å", record.ClassNameTooLong},
		{strings.Repeat("*", 255), ""},
		{strings.Repeat("*", 256), record.ClassNameTooLong},
		{strings.Repeat("\xff", 85), ""},                          // three characters each
		{strings.Repeat("\xff", 86), record.ClassNameTooLong},     //
		{strings.Repeat("☃", 254) + "‛", record.ClassNameTooLong}, // the quote doubles
		{"", record.ClassNameInvalid},
		{".", record.ClassNameInvalid},
		{"..", record.ClassNameInvalid},
		{"a/b", record.ClassNameInvalid},
		{"a\x00b", record.ClassNameInvalid},
		{"a\uFFFEb", record.ClassNameInvalid},
		{"\uFFFF", record.ClassNameInvalid},
		{"\U0001FFFE\uFFFD\uFDD0", ""},
		{"...", ""},
	}
	for _, test := range tests {
		_, err := WireName(test.local)
		var e *Error
		switch {
		case test.class == "" && err != nil:
			t.Errorf("WireName(%.20q…) = %v, want no error", test.local, err)
		case test.class != "" && (!errors.As(err, &e) || e.Class != test.class || !errors.Is(err, ErrNameInvalid)):
			t.Errorf("WireName(%.20q…) = %v, want class %s", test.local, err, test.class)
		}
	}
}

func FuzzNames(f *testing.F) {
	v := readVectors(f)
	for _, x := range v.LocalToWire {
		f.Add(string(x.Local))
	}
	for _, x := range v.WireToLocal {
		f.Add(x.Wire)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if wire, err := WireName(name); err == nil {
			if !utf8.ValidString(wire) || strings.ContainsAny(wire, "\x00\x01\x1f\x7f/\"*:<>?|%") || wire == "." || wire == ".." || utf8.RuneCountInString(wire) > maxName {
				t.Fatalf("WireName(%q) = %q, which the service does not take", name, wire)
			}
			local := LocalName(wire)
			if local != name && !strings.ContainsRune(name, quote) {
				t.Fatalf("LocalName(WireName(%q)) = %q", name, local)
			}
			if again, err := WireName(local); again != wire || err != nil {
				t.Fatalf("WireName(%q) = %q, %v; it was the local name of %q", local, again, err, wire)
			}
		}
		if name == "" {
			return
		}
		if local := LocalName(name); local == "" || local == "." || local == ".." || strings.ContainsAny(local, "/\x00") && !strings.ContainsAny(name, "/\x00") {
			t.Fatalf("LocalName(%q) = %q, which is no name of a file", name, local)
		}
	})
}

func BenchmarkNames(b *testing.B) {
	for name, local := range map[string]string{"plain": "IMG_20240501_101112.jpg", "mapped": "Hva nå? 100% \"blåbær\".txt"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				wire, err := WireName(local)
				if err != nil || LocalName(wire) != local {
					b.Fatal(wire, err)
				}
			}
		})
	}
}
