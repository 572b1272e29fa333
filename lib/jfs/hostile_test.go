package jfs

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"jottatools/lib/record"
)

// endless is an answer that goes on for ever: a beginning, and then the same text
// again and again.
type endless struct {
	rest, again string
	read        int64
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if e.rest == "" {
			e.rest = e.again
		}
		m := copy(p[n:], e.rest)
		n, e.rest = n+m, e.rest[m:]
	}
	e.read += int64(n)
	return n, nil
}

// TestEndlessAnswers: a server that sends for ever is found out after a bounded
// number of bytes, whatever it sends and whatever was asked for.
func TestEndlessAnswers(t *testing.T) {
	const most = 4 << 20
	for what, text := range map[string][2]string{
		"a string":        {`{"username":"`, "a"},
		"an array":        {`{"username":[`, "1,"},
		"space":           {"", " "},
		"a text":          {`<folder name="x">`, "a"},
		"a path":          {`<liststream><file><path>/Archive/x`, "a"},
		"a name":          {`<`, "a"},
		"an attribute":    {`<folder name="`, "a"},
		"many attributes": {`<folder `, `a="b" `},
		"a comment":       {`<folder name="x"><!-- `, "- "},
		"a declaration":   {`<!DOCTYPE x [`, `<!ENTITY a "b">`},
		"an instruction":  {`<?xml `, "a"},
		"what is inside":  {`<folder name="x">`, "<a>"},
		"an entity":       {`<folder name="x">&`, "a"},
	} {
		for _, e := range endpoints {
			if e.name == "download a part" {
				continue // up to the end, wherever that is
			}
			t.Run(e.name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					body := &endless{rest: text[0], again: text[1]}
					_, c := newFaulty(t, &e, basic{}, func(*http.Request) (*http.Response, error) {
						return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body)}, nil
					})
					err := e.do(t.Context(), c)
					// A command has succeeded when the answer begins as it should; content is
					// what is asked for, and no more.
					begun := slices.Contains([]string{"make folder", "trash", "trash folder", "delete", "delete folder", "download", "download a revision"}, e.name)
					if classed := (*Error)(nil); !begun && !errors.As(err, &classed) {
						t.Errorf("error %v, want one of the service", err)
					}
					if body.read > most {
						t.Errorf("%d bytes were read", body.read)
					}
				})
			})
		}
	}
}

// TestEntities: entities that a document declares are not expanded, however small
// it is and however much they would make.
func TestEntities(t *testing.T) {
	var doc strings.Builder
	doc.WriteString(`<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol0 "lol">`)
	for i := 1; i < 10; i++ {
		n := string(rune('0' + i))
		doc.WriteString(`<!ENTITY lol` + n + ` "` + strings.Repeat("&lol"+string(rune('0'+i-1))+";", 10) + `">`)
	}
	doc.WriteString(`]>`)
	for _, answer := range []string{
		`<liststream><file><path>/Archive/x</path><filename>&lol9;</filename></file></liststream>`,
		`<folder name="&lol9;"/>`,
		`<folder name="x"><path>&lol9;</path><files><file name="&lol9;"/></files></folder>`,
		`<error><message>&lol9;</message></error>`,
	} {
		for _, status := range []int{200, 500} {
			c := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				io.WriteString(w, doc.String()+answer)
			})
			_, treeErr := lines(c.ListTree(t.Context(), faultPath))
			_, _, listErr := c.List(t.Context(), faultPath)
			for _, err := range []error{treeErr, listErr} {
				var e *Error
				if !errors.As(err, &e) || e.Class == record.ClassNotFound || len(err.Error()) > 1000 {
					t.Errorf("%d %s: error %.1000v", status, answer, err)
				}
			}
		}
	}
}

// TestEndlessNothing: what is between the entries of a listing of any length has an
// end, too, however small its pieces are.
func TestEndlessNothing(t *testing.T) {
	const most = 2 << 20
	all := func(r io.Reader) error { return parseAll(r, []string{"Jotta"}, func(Entry) bool { return true }) }
	found := func(r io.Reader) error { return parseFound(r, func(Info) bool { return true }) }
	tree := func(r io.Reader) error { return parseTree(r, nil, func(Entry, error) bool { return true }) }
	node := func(r io.Reader) error { _, err := parseNode(r, func(Entry) {}); return err }
	for _, test := range []struct {
		begin, again string
		parse        func(io.Reader) error
	}{
		{"<filedirlist>", "<x/>", all},
		{"<filedirlist>", "<folders/>", all},
		{"<filedirlist><folders>", "<x/>", all},
		{`<filedirlist><folders><folder name="a"><path>/u/Jotta</path>`, "<files/>", all},
		{`<filedirlist><folders><folder name="a"><path>/u/Jotta</path><files>`, "<x/>", all},
		{"<searchresult>", "<files/>", found},
		{"<searchresult><files>", "<x/>", found},
		{"<liststream>", "<x/>", tree},
		{"<liststream><file>", "<x/>", tree},
		{"<liststream><file>", "<size>1</size>", tree},
		{`<folder name="a">`, "<size/>", node},
		{`<folder name="a"><files>`, "<x/>", node},
	} {
		body := &endless{rest: test.begin, again: test.again}
		if err := test.parse(io.LimitReader(body, 2*most)); !errors.Is(err, errTokenTooLong) || body.read > most {
			t.Errorf("%s%s…: %v after %d bytes", test.begin, test.again, err, body.read)
		}
	}
}

// TestEndlessListings: an answer that is as it should be but never ends is refused when
// it is longer than it can be, whatever is in it; one that just fits is not.
func TestEndlessListings(t *testing.T) {
	for _, limit := range []*int64{&maxDocument, &maxFolder, &maxListing} {
		was := *limit
		*limit = 3 << 20
		defer func() { *limit = was }()
	}
	const file = `<file name="a"><currentRevision><state>COMPLETED</state><size>1</size></currentRevision></file>`
	for what, test := range map[string]struct {
		begin, again, end string
		parse             func(io.Reader) error
	}{
		"tree": {"<liststream>", "<file><path>/x</path><filename>a</filename></file>", "", func(r io.Reader) error {
			return parseTree(r, nil, func(Entry, error) bool { return true })
		}},
		"tree with the trash": {`<filedirlist><folders><folder name="a"><path>/u/Jotta</path><files>`, file, "</files></folder></folders></filedirlist>", func(r io.Reader) error {
			return parseAll(r, []string{"Jotta", "a"}, func(Entry) bool { return true })
		}},
		"found": {"<searchresult><files>", `<file name="a"><abspath>/u/Jotta/Archive</abspath></file>`, "</files></searchresult>", func(r io.Reader) error {
			return parseFound(r, func(Info) bool { return true })
		}},
		"folder": {`<folder name="a"><files>`, file, "</files></folder>", func(r io.Reader) error {
			_, err := parseNode(r, func(Entry) {})
			return err
		}},
		"account": {"<user><username>u</username><devices>", "<device><name>x</name></device>", "</devices></user>", func(r io.Reader) error {
			_, err := parseAccount(r)
			return err
		}},
	} {
		body := &endless{rest: test.begin, again: test.again}
		if err := test.parse(io.LimitReader(body, 8<<20)); !errors.Is(err, ErrServer) || !strings.Contains(err.Error(), "does not end") || body.read > 4<<20 {
			t.Errorf("%s: %v after %d bytes", what, err, body.read)
		}
		if test.end == "" {
			continue // its counts are in TestParseTree
		}
		whole := test.begin + strings.Repeat(test.again, (3<<20-len(test.begin)-len(test.end))/len(test.again)) + test.end
		if err := test.parse(strings.NewReader(whole)); err != nil {
			t.Errorf("%s of %d bytes: %v", what, len(whole), err)
		}
	}
}
