package connect

import (
	"encoding/json"
	"testing"

	"jottatools/lib/record"
)

// FuzzParseRenewed: an error that comes of it has a class and a message, and is the same
// once it is passed on.
func FuzzParseRenewed(f *testing.F) {
	for _, s := range []string{
		`{"class":"network","message":"log in at x: the service answered 503","retry":true}`,
		`{"class":"","message":"m"}`, `{"class":"auth"}`, `{"class":1}`, `null`, ``, `{`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e := parseRenewed(b)
		if e == nil {
			return
		}
		if e.Class == "" || e.Message == "" {
			t.Fatalf("%s is read as %+v", b, e)
		}
		text, err := json.Marshal(RenewedAs(&record.Error{Class: e.Class, Message: e.Message, Retry: e.Retry}))
		if err != nil {
			t.Fatal(err)
		}
		again := parseRenewed(text)
		if again == nil || again.Class != e.Class || again.Retry != e.Retry {
			t.Fatalf("%s is read as %+v, and then as %+v", b, e, again)
		}
	})
}
