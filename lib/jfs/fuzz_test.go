package jfs

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/record"
)

// xmlElement is any element, as encoding/xml reads it by itself.
type xmlElement struct {
	XMLName  xml.Name
	Text     string       `xml:",chardata"`
	Elements []xmlElement `xml:",any"`
}

// treeElements finds the elements of a streamed listing in a document that was
// read whole: slow, in unbounded memory, and with nothing in common with xmlTree
// but the tokens.
func treeElements(e *xmlElement) (all []treeElement) {
	kinds := map[string]treeKind{"file": fileElement, "folder": folderElement, "stats": countsElement}
	for i := range e.Elements {
		child := &e.Elements[i]
		kind, ok := kinds[child.XMLName.Local]
		if !ok {
			all = append(all, treeElements(child)...)
			continue
		}
		found := treeElement{kind: kind}
		for _, field := range child.Elements {
			if text := found.field(field.XMLName.Local); text != nil {
				*text = field.Text
			}
		}
		all = append(all, found)
	}
	return all
}

// drain reads a treeSource to its end.
func drain(source treeSource, err error) ([]treeElement, error) {
	var all []treeElement
	for err == nil {
		var x treeElement
		if err = source.next(&x); err == nil {
			all = append(all, x)
		}
	}
	return all, err
}

// FuzzTreeAgainstXML holds treeScanner against encoding/xml, read token by token
// and, by itself, whole: it finds the same and refuses the same.
func FuzzTreeAgainstXML(f *testing.F) {
	f.Add(sample(f, "constructed-liststream.xml"))
	f.Add(sample(f, "folder-mode-list.xml"))
	for _, body := range []string{
		"<l/>", "<l><stats><folders>1</folders></stats></l>", "<l><x><file><path>/a</path></file></x><y/></l>", "<l><folder><path>a<!-- -->b<x>c</x>d</path></folder></l>",
		"<l><file><filename><![CDATA[a<b]]></filename><filename>&#x26;&amp;</filename><size> 1 </size></file></l>", "<l><stats/><stats/>", "<l a='1'>&nope;</l>",
		"<l><file><file><path>x</path></file></file></l>", "<n:l xmlns:n='x'><n:file><n:md5>y</n:md5></n:file></n:l>", "<?xml version='1.0' encoding='latin1'?><l></l>", "<l></l><l><",
		"<l>]]></l>", "<l>]]&gt;</l>", "<l><![CDATA[]]]]></l>", "<l>&#xD800;&#0;</l>", "<l><file><path>a\r\nb\rc&#13;\n</path></file></l>", "<l a=\"]]>\" b='<'/>", "<l a/>", "<l a=1/>", "<l a='&lt;'/>",
		"<!DOCTYPE l [<!ENTITY a '>'> <!-- > -->]><l/>", "<!><l/>>", "<!--a--b--><l/>", "<!----><l/>", "<!---><l/>", "<a:b:c/>", "<:a></:a>", "<a:></a:>", "<é><file></file></é>", "<1/>", "<l></m>", "</l>", "<l></l >", "< l/>",
		"<?xml version='1.1'?><l/>", "<?a:b?><l/>", "<?é x?><l/>", "<?1?><l/>", "<??><l/>", "<?xml?><l/>", "<l>\xff</l>", "<l>\uffff</l>", "<l>\x00</l>", "\ufeff<l/>", "<l><folder><path/></folder></l>", "<L><File/></L>", "x", "", "<l><file", "<l></l", "<l><![CDAT[x]]></l>",
		"<l><file><path>" + strings.Repeat("long ", 20_000) + "</path></file></l>", "<l>" + strings.Repeat("<x>", 3000) + "<file><md5>x</md5></file>" + strings.Repeat("</x>", 3000) + "</l>",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		want, wantErr := drain(newXMLTree(strings.NewReader(body)))
		source, err := newTreeScanner(iotest.OneByteReader(strings.NewReader(body)))
		got, gotErr := drain(source, err)
		if errors.Is(gotErr, errTokenTooLong) || errors.Is(wantErr, errTokenTooLong) {
			return // where exactly the limit is does not matter
		}
		if !slices.Equal(got, want) || (gotErr == io.EOF) != (wantErr == io.EOF) {
			t.Fatalf("it ends with %v, encoding/xml with %v; elements (-encoding/xml +got):\n%s", gotErr, wantErr, cmp.Diff(want, got, cmp.AllowUnexported(treeElement{})))
		}
		source, err = newTreeScanner(strings.NewReader(body))
		if again, againErr := drain(source, err); !slices.Equal(got, again) || (gotErr == io.EOF) != (againErr == io.EOF) {
			t.Fatalf("read at once it ends with %v, byte by byte with %v; elements differ:\n%s", againErr, gotErr, cmp.Diff(got, again, cmp.AllowUnexported(treeElement{})))
		}
		var document xmlElement
		d := xml.NewDecoder(strings.NewReader(body))
		d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
		if d.Decode(&document) == nil && gotErr == io.EOF {
			if want := treeElements(&document); !slices.Equal(got, want) {
				t.Fatalf("elements differ from the document's (-document +got):\n%s", cmp.Diff(want, got, cmp.AllowUnexported(treeElement{})))
			}
		}
	})
}

func FuzzParseFound(f *testing.F) {
	for _, name := range []string{"trash-get.xml", "links-searchresult.xml", "latest-searchresult-2016.xml"} {
		f.Add(sample(f, name))
	}
	f.Add("<searchresult><files><file name='a*b'><path>/u/D/M%/．．</path></file></files></searchresult>")
	f.Fuzz(func(t *testing.T, body string) {
		parseFound(strings.NewReader(body), func(info Info) bool {
			checkPath(t, Path(info.Path), info.Foreign)
			return true
		})
	})
}

// checkPath makes sure that a path which is not foreign can be sent.
func checkPath(t *testing.T, p Path, foreign bool) {
	t.Helper()
	if p.Depth() < 1 || strings.Contains(string(p), "//") {
		t.Fatalf("an entry has the path %q", p)
	}
	if foreign {
		return
	}
	if _, err := p.escaped(); err != nil {
		t.Fatalf("an entry has the path %q: %v", p, err)
	}
}

func FuzzParseAll(f *testing.F) {
	f.Add(sample(f, "folder-mode-list.xml"))
	f.Add("<filedirlist><folders><folder name='Archive'><path>/u/Jotta</path><files><file name='a／b'/></files></folder></folders></filedirlist>")
	f.Add("<filedirlist><folders><folder name='Archive'><path>/u/Jotta</path><files><file name='" + strings.Repeat("z", 256) + "'/></files></folder></folders></filedirlist>")
	f.Fuzz(func(t *testing.T, body string) {
		parseAll(strings.NewReader(body), []string{"Jotta", "Archive"}, func(e Entry) bool {
			if e.Path == "" {
				t.Fatal("an entry has no path")
			}
			checkPath(t, Path("/Jotta/Archive").Join(e.Path), e.Foreign)
			return true
		})
	})
}

func FuzzParseAccount(f *testing.F) {
	for _, name := range []string{"user-get-2015.xml", "user-get-2017.xml", "user-get-2018.xml"} {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, body string) {
		account, err := parseAccount(strings.NewReader(body))
		for _, device := range account.Devices {
			if err == nil && device.Path.Depth() != 1 {
				t.Fatalf("a device has the path %q", device.Path)
			}
		}
	})
}

func TestContentRange(t *testing.T) {
	tests := []struct {
		header            string
		first, last, size int64
		ok                bool
	}{
		{"bytes 0-0/1", 0, 0, 1, true},
		{"bytes 5-10/11", 5, 10, 11, true},
		{" bytes 5-10/* ", 5, 10, -1, true},
		{"bytes 9223372036854775806-9223372036854775806/9223372036854775807", math.MaxInt64 - 1, math.MaxInt64 - 1, math.MaxInt64, true},
		{"", 0, 0, 0, false},
		{"bytes */11", 0, 0, 0, false},
		{"bytes 5-10", 0, 0, 0, false},
		{"bytes 5-10/10", 0, 0, 0, false},
		{"bytes 10-5/11", 0, 0, 0, false},
		{"bytes -5/11", 0, 0, 0, false},
		{"bytes 5-/11", 0, 0, 0, false},
		{"bytes +5-10/11", 0, 0, 0, false},
		{"bytes 5-10/-1", 0, 0, 0, false},
		{"bytes=5-10/11", 0, 0, 0, false},
		{"lines 5-10/11", 0, 0, 0, false},
		{"bytes 5-9223372036854775808/*", 0, 0, 0, false},
	}
	for _, test := range tests {
		first, last, size, ok := parseContentRange(test.header)
		if first != test.first || last != test.last || size != test.size || ok != test.ok {
			t.Errorf("parseContentRange(%q) = %d, %d, %d, %t", test.header, first, last, size, ok)
		}
	}
}

// FuzzRange: what an answer says of its part is believed only if it is the part
// that was asked for, and an honest answer always is.
func FuzzRange(f *testing.F) {
	f.Add("bytes 5-10/11", int64(5), int64(6))
	f.Add("bytes 0-10/*", int64(0), int64(-1))
	f.Add("bytes 18446744073709551615-1/2", int64(1), int64(1))
	f.Fuzz(func(t *testing.T, header string, offset, length int64) {
		first, last, size, ok := parseContentRange(header)
		if ok && (first < 0 || last < first || size != -1 && size <= last) {
			t.Fatalf("parseContentRange(%q) = %d, %d, %d", header, first, last, size)
		}
		if offset < 0 || length == 0 || length > math.MaxInt64-offset {
			return
		}
		answer := &http.Response{StatusCode: http.StatusPartialContent, Header: http.Header{"Content-Range": {header}}}
		if isPart(answer, offset, length) && (!ok || first != offset || length < 0 && size >= 0 && last != size-1) {
			t.Fatalf("%q was taken for %d bytes from %d", header, length, offset)
		}
		if length > 0 {
			honest := strings.Replace(formatRange(offset, length), "=", " ", 1) + "/*"
			answer.Header.Set("Content-Range", honest)
			if !isPart(answer, offset, length) {
				t.Fatalf("%q was not taken for %d bytes from %d", honest, length, offset)
			}
		}
	})
}

// FuzzAllocateBody: the request says what was meant, whatever the name.
func FuzzAllocateBody(f *testing.F) {
	f.Add("/Jotta/Archive/dir/hello.txt", int64(11), int64(1714551072), true)
	f.Add("/a b/\"\\/100%\xff\u2028<>&", int64(0), int64(-62135596800), false)
	f.Fuzz(func(t *testing.T, path string, size, seconds int64, mayReplace bool) {
		p, err := ParsePath(path)
		if err != nil {
			return
		}
		body, err := allocateBody(p, Content{Size: size, MD5: hello.MD5, Created: time.Unix(seconds, 0), Modified: time.Unix(seconds, 0)}, mayReplace)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Path, MD5, Created, Modified string
			Bytes                        int64
			Handler                      string `json:"conflict_handler"`
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		wire, _ := p.wire()
		if got.Path != "/jfs"+wire || got.Bytes != size || got.MD5 != hello.MD5 || (got.Handler == "") != mayReplace {
			t.Fatalf("the body is %s for %q", body, p)
		}
		if _, err := time.Parse(time.RFC3339, got.Modified); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzAllocation: no answer sends bytes to nowhere or from beyond the end.
func FuzzAllocation(f *testing.F) {
	for _, name := range []string{"constructed-allocate-response-completed.json", "constructed-allocate-response-incomplete.json"} {
		f.Add([]byte(sample(f, name)))
	}
	f.Add([]byte(`{"state":"INCOMPLETE","upload_url":"http://up.example.com/x","resume_pos":12}`))
	f.Add([]byte(`{"state":"INCOMPLETE","upload_url":"https://up.jottacloud.com@up.example.com/x","resume_pos":1}`))
	c := newHostsClient(f, "")
	f.Fuzz(func(t *testing.T, body []byte) {
		var answer allocateAnswer
		if json.Unmarshal(body, &answer) != nil {
			return
		}
		a, err := c.allocation("/Jotta/Archive/a", hello, &answer)
		switch {
		case err != nil:
		case a.Offset < 0 || a.Offset > hello.Size:
			t.Fatalf("%s: the offset is %d", body, a.Offset)
		case a.Uploaded != (a.State == record.StateCompleted):
			t.Fatalf("%s: %+v", body, a)
		case !a.Uploaded:
			req, err := http.NewRequest(http.MethodPost, a.url, nil)
			if err != nil || req.URL.Scheme != "https" || !strings.HasSuffix("."+strings.ToLower(req.URL.Hostname()), ".jottacloud.com") || req.URL.User != nil {
				t.Fatalf("%s: the address is %q", body, a.url)
			}
		}
	})
}

func FuzzParseDevice(f *testing.F) {
	f.Add("<device><name>nas</name><type>CLI</type><sid>x</sid><size>1</size><modified>2017-05-17-T15:40:27Z</modified></device>")
	f.Add("<device><name>a/b</name></device>")
	f.Add("<device/>")
	f.Fuzz(func(t *testing.T, body string) {
		if device, err := parseDevice(strings.NewReader(body)); err == nil && device.Path.Depth() != 1 {
			t.Fatalf("a device has the path %q", device.Path)
		}
	})
}

// FuzzAnswer: whatever the service answers to whichever request, it ends with a result
// or with an error that has a class, is short, can be shown on a terminal and holds no
// secret.
func FuzzAnswer(f *testing.F) {
	for i := range endpoints {
		f.Add(uint(i), 200, "text/xml", "", "<folder name='x'/>")
		f.Add(uint(i), 500, "", "5", `<error><code>500</code><message>java.lang.X: no</message></error>`)
	}
	f.Add(uint(0), 200, "application/json", "", `{"username":"u","quota":-1,"usage":"7"}`)
	f.Add(uint(0), 401, "", "", `{"code":401,"message":"x","error_id":"y"}`)
	f.Add(uint(4), 200, "", "", "<liststream><file><path>/Archive/x</path><filename>f</filename></file><stats><folders>1</folders><files>1</files></stats></liststream>")
	f.Add(uint(15), 200, "", "", `{"n_bytes":5,"n_files":6}`)
	f.Add(uint(26), 200, "", "", `{"md5":"5eb63bbbe01eeed093cb22bb8f5acdc3","bytes":11}`)
	f.Add(uint(27), 206, "", "bytes 0-10/11", "hello world")
	f.Fuzz(func(t *testing.T, which uint, status int, kind, extra, body string) {
		e := endpoints[which%uint(len(endpoints))]
		if status < 100 || status > 999 || e.name == "events" && status == 200 { // which dials then
			return
		}
		synctest.Test(t, func(t *testing.T) {
			service := &faulty{is: e.is, there: e.there, account: `{"username":"` + testUser + `"}`, happen: func(*http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(body)),
					Header: http.Header{"Content-Type": {kind}, "Retry-After": {extra}, "Content-Range": {extra}, "Location": {extra}},
				}, nil
			}}
			c, err := New(Options{Endpoint: "http://service.example", Credentials: basic{}, Transport: service})
			if err != nil {
				t.Fatal(err)
			}
			err = e.do(t.Context(), c)
			var classed *Error
			switch {
			case err == nil:
			case !errors.As(err, &classed) || classed.Class == "":
				t.Fatalf("%s: the error %v has no class", e.name, err)
			case len(err.Error()) > 2000 || strings.ContainsFunc(err.Error(), unicode.IsControl) || strings.Contains(err.Error(), "opaque") || strings.Contains(err.Error(), "s3cret"):
				t.Fatalf("%s: the error is %.3000q", e.name, err)
			}
		})
	})
}
