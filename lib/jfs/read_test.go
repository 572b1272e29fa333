package jfs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"jottatools/lib/record"
)

// testUser is the user name in the sample constructed-customer.json.
const testUser = "7f2b1c9d3e4f5a6b7c8d9e0f"

// basic stands for the credentials of package auth, which would be an import in
// the wrong direction.
type basic struct{}

func (basic) Authorize(_ context.Context, req *http.Request) error {
	req.SetBasicAuth("user@example.com", "s3cret")
	return nil
}

// samples are the messages that docs/protocol.md refers to.
const samples = "../../docs/protocol/samples"

func sample(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samples, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// newTestClient returns a client of a server that knows the customer and asks
// handle for the rest. No request is repeated.
func newTestClient(t testing.TB, handle http.HandlerFunc) *Client {
	t.Helper()
	customer := sample(t, "constructed-customer.json")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, password, _ := req.BasicAuth()
		if listens := strings.HasPrefix(req.URL.Path, "/ws/"); listens != (user == "") || !listens && (user != "user@example.com" || password != "s3cret") {
			t.Errorf("%s %s is signed as %q", req.Method, req.URL, user) // what is listened to has its login in the address
		}
		if req.URL.Path == "/account/v1/customer" {
			io.WriteString(w, customer)
			return
		}
		handle(w, req)
	}))
	transport := NewTransport("")
	t.Cleanup(func() {
		closeIdle(transport)
		server.Close()
	})
	c, err := New(Options{Endpoint: server.URL, Credentials: basic{}, Transport: transport, UserAgent: "test/1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answer returns a handler that gives one answer to every request.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func at(s string) time.Time {
	t, err := ParseTime(s)
	if err != nil {
		panic(err)
	}
	return t
}

var ignoreWire = cmpopts.IgnoreUnexported(Entry{})

func TestStatSamples(t *testing.T) {
	tests := []struct {
		sample string
		want   Info
	}{
		{"file-get-2017.xml", Info{
			UUID: "9514e827-9a28-4be6-9824-6e1747dcc72f",
			Entry: Entry{Kind: KindFile, Revision: Revision{
				Number: 1, State: "COMPLETED", Size: 731, MD5: "eca7a00c25df4c9e1f0abe6163ba4510",
				Created: at("2017-05-11T09:02:40Z"), Modified: at("2017-05-11T09:02:40Z"), Updated: at("2017-05-11T09:02:41Z"),
			}},
		}},
		{"file-get-incomplete.xml", Info{
			UUID: "bbf8b8fd-06c4-4413-b785-1a6e7f3ff1d3",
			Entry: Entry{Kind: KindFile, Revision: Revision{
				Number: 1, State: "INCOMPLETE", Size: 73400320, MD5: "f6363afa9eca0def83133049ac5411c8",
				Created: at("2014-06-29T21:47:10Z"), Modified: at("2014-06-25T12:55:02Z"), Updated: at("2015-06-14T17:26:31Z"),
			}},
		}},
		{"folder-get-deleted-2017.xml", Info{Entry: Entry{
			Kind: KindFolder, Revision: Revision{Size: SizeUnknown}, Deleted: at("2017-05-13T18:51:33Z"),
		}}},
		{"mountpoint-get.xml", Info{Entry: Entry{
			Kind: KindMountPoint, Revision: Revision{Size: 149879, Modified: at("2017-05-11T09:02:41Z")},
		}}},
		{"mountpoint-get-empty-modified.xml", Info{Entry: Entry{
			Kind: KindMountPoint, Revision: Revision{Size: 0},
		}}},
		{"user-get-2018.xml", Info{Entry: Entry{Kind: KindAccount, Revision: Revision{Size: SizeUnknown}}}},
	}
	for _, test := range tests {
		t.Run(test.sample, func(t *testing.T) {
			got, err := parseNode(strings.NewReader(sample(t, test.sample)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, ignoreWire); diff != "" {
				t.Errorf("parseNode differs (-want +got):\n%s", diff)
			}
		})
	}
}

// Every sample of a document about an entry can be read, and every one that is cut
// short is refused.
func TestSamplesWholeAndCut(t *testing.T) {
	names, err := filepath.Glob(samples + "/*-get*.xml")
	if err != nil || len(names) < 20 {
		t.Fatalf("samples: %v, %v", names, err)
	}
	for _, path := range names {
		name := filepath.Base(path)
		if name == "file-get-fragment.xml" {
			continue
		}
		text := strings.TrimSpace(sample(t, name))
		if _, err := parseNode(strings.NewReader(text), func(Entry) {}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, cut := range []int{1, 8, len(text) / 2, len(text) - 40} {
			if _, err := parseNode(strings.NewReader(text[:len(text)-cut]), func(Entry) {}); err == nil {
				t.Errorf("%s without its last %d bytes was taken for whole", name, cut)
			}
		}
	}
}

func TestStatHistoryAndShare(t *testing.T) {
	got, err := parseNode(strings.NewReader(sample(t, "file-get-with-history-and-share.xml")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.PublicURI != "bb84f644a11c4d4b9714cae59ac23565" || got.Number != 12 || len(got.Older) != 4 || got.Older[0].Number != 11 {
		t.Errorf("got public %s, revision %d and older %+v", got.PublicURI, got.Number, got.Older)
	}
	if got.MD5 != "d1f13c71b9c128ab97c9e14387697274" {
		t.Errorf("MD5 = %s, want it in lower case", got.MD5)
	}
}

func TestListSample(t *testing.T) {
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		if want := "/jfs/" + testUser + "/Jotta/Archive/Weather/Readings"; req.Method != "GET" || req.RequestURI != want {
			t.Errorf("request is %s %s, want GET %s", req.Method, req.RequestURI, want)
		}
		if got := req.UserAgent(); got != "test/1" {
			t.Errorf("User-Agent is %s", got)
		}
		io.WriteString(w, sample(t, "folder-get-with-corrupt-and-incomplete-files.xml"))
	})
	info, entries, err := c.List(t.Context(), "/Jotta/Archive/Weather/Readings")
	if err != nil || info.Kind != KindFolder || info.Path != "/Jotta/Archive/Weather/Readings" {
		t.Fatalf("List = %+v, %v", info, err)
	}
	type row struct {
		Path, State   string
		Number        int64
		Live, Trashed bool
		Newer         string
	}
	var got []row
	for _, e := range entries {
		r := row{Path: e.Path, State: e.State, Number: e.Number, Live: e.Live(), Trashed: !e.Deleted.IsZero()}
		if e.Newer != nil {
			r.Newer = e.Newer.State
		}
		got = append(got, r)
	}
	want := []row{
		{"fog.py", "COMPLETED", 3, false, true, ""},
		{"fog.py2", "COMPLETED", 3, false, true, ""},
		{"notes.txt2", "COMPLETED", 2, false, true, ""},
		{"_damaged", "CORRUPT", 1, false, false, ""},
		{"_partial", "INCOMPLETE", 1, false, false, ""},
		{"_spoiled", "COMPLETED", 2, true, false, "CORRUPT"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List differs (-want +got):\n%s", diff)
	}
}

func TestListNamesAndDevices(t *testing.T) {
	const body = `<folder name="x"><folders><folder name="100％"/><folder name="a*b"/></folders>` +
		`<files><file name="a‛‛b" uuid="u"/><unknown><file name="no"/></unknown></files></folder>`
	var got []string
	_, err := parseNode(strings.NewReader(body), func(e Entry) {
		name := e.Path
		if e.Foreign {
			name += " (foreign)"
		}
		got = append(got, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"100%", "a*b (foreign)", "a‛‛b"}, got); diff != "" {
		t.Errorf("names differ (-want +got):\n%s", diff)
	}
	got = nil
	_, err = parseNode(strings.NewReader(sample(t, "device-get-with-deleted-mountpoints.xml")), func(e Entry) {
		if e.Deleted.IsZero() {
			got = append(got, e.Path)
		}
	})
	if err != nil || len(got) == 0 || got[0] != "Archive" {
		t.Errorf("mount points = %v, %v", got, err)
	}
	for _, name := range []string{"", "a/b"} {
		if _, err := parseNode(strings.NewReader(`<folder name="x"><files><file name="`+name+`"/></files></folder>`), func(Entry) {}); err == nil {
			t.Errorf("an entry called %q was taken", name)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	long := "<folder name='x'><files>" + strings.Repeat("<!-- -->", maxToken/4) + "</files></folder>"
	tests := []struct {
		name, body, want string
	}{
		{"empty", "", "is empty"},
		{"web page", "<!DOCTYPE html><html><body><p>Sign in</body></html>", "web page"},
		{"cut short", "<folder name='x'><files><file", "cut short"},
		{"other document", "<filedirlist/>", "not about a file or folder"},
		{"endless", long, "more than a megabyte"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newTestClient(t, answer(200, test.body))
			_, _, err := c.List(t.Context(), "/Jotta/Archive/x")
			var e *Error
			if !errors.As(err, &e) || !e.Retry || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "list /Jotta/Archive/x: ") {
				t.Errorf("List = %v, want an error with %q that can be retried", err, test.want)
			}
			if errors.Is(err, ErrNotExist) {
				t.Errorf("List = %v, which reads as an empty folder", err)
			}
		})
	}
}

func TestReadErrorIsPassedOn(t *testing.T) {
	_, err := parseNode(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("<folder name='x'/>"))), nil)
	if !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("parseNode = %v, want %v", err, iotest.ErrTimeout)
	}
}

func TestCustomerIsAskedOnce(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked++
		if asked == 1 {
			w.WriteHeader(500)
			return
		}
		io.WriteString(w, sample(t, "constructed-customer.json"))
	}))
	defer server.Close()
	transport := NewTransport("")
	defer closeIdle(transport)
	c, err := New(Options{Endpoint: server.URL + "/", Credentials: basic{}, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Customer(t.Context()); !errors.Is(err, ErrServer) {
		t.Fatalf("Customer = %v, want ErrServer", err)
	}
	results := make(chan error)
	for range 8 {
		go func() {
			customer, err := c.Customer(t.Context())
			if err == nil && (customer.Username != testUser || customer.Quota != 5368709120 || customer.Usage != 73728) {
				err = errors.New("another customer")
			}
			results <- err
		}()
	}
	for range 8 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if asked != 2 {
		t.Errorf("the service was asked %d times, want 2", asked)
	}
}

func TestOpen(t *testing.T) {
	const text = "hello, world"
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.RawQuery != "mode=bin" || req.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("request is %s with %v", req.RequestURI, req.Header)
		}
		switch {
		case strings.HasSuffix(req.URL.Path, "/whole"):
			io.WriteString(w, text) // knows no ranges
		case strings.HasSuffix(req.URL.Path, "/short"):
			w.Header().Set("Content-Range", "bytes 7-8/12")
			w.WriteHeader(206)
			io.WriteString(w, text[7:9])
		case strings.HasSuffix(req.URL.Path, "/nowhere"):
			w.WriteHeader(206)
			io.WriteString(w, text[7:])
		case strings.HasSuffix(req.URL.Path, "/cut"):
			w.Header().Set("Content-Length", "12")
			io.WriteString(w, text[:5])
		default:
			http.ServeContent(w, req, "", time.Time{}, strings.NewReader(text))
		}
	})
	tests := []struct {
		path           Path
		offset, length int64
		want           string
		err            error
	}{
		{"/Jotta/Archive/f", 0, -1, text, nil},
		{"/Jotta/Archive/f", 7, -1, "world", nil},
		{"/Jotta/Archive/f", 7, 2, "wo", nil},
		{"/Jotta/Archive/f", 7, 0, "", nil},
		{"/Jotta/Archive/f", 0, 5, "hello", nil},
		{"/Jotta/Archive/f", 12, -1, "", ErrRange},
		{"/Jotta/Archive/f", 7, 50, "world", ErrNetwork},
		{"/Jotta/Archive/whole", 0, 5, "hello", nil},
		{"/Jotta/Archive/whole", 7, 5, "", ErrRange},
		{"/Jotta/Archive/short", 7, -1, "", ErrRange},
		{"/Jotta/Archive/short", 7, 5, "wo", ErrNetwork},
		{"/Jotta/Archive/nowhere", 7, -1, "", ErrRange},
		{"/Jotta/Archive/f", -1, -1, "", ErrRange},
		{"/Jotta/Archive/cut", 0, -1, "hello", ErrNetwork},
	}
	for _, test := range tests {
		var got []byte
		body, err := c.Open(t.Context(), test.path, test.offset, test.length)
		if err == nil {
			got, err = io.ReadAll(body)
			body.Close()
		}
		if string(got) != test.want || !errors.Is(err, test.err) {
			t.Errorf("Open(%s, %d, %d) = %q, %v, want %q, %v", test.path, test.offset, test.length, got, err, test.want, test.err)
		}
	}
}

func TestEndpoint(t *testing.T) {
	for _, endpoint := range []string{"127.0.0.1:7070", "ftp://x", "http://", "unix://", "http://x?y", "http://x\x00",
		"http://u:s3cret@x", "http://u:s3cret@x:port", "http://u:s3/cret@x", "http://u:s3cret?@x", "ftp://u:s3cret@x", "http:u:s3cret@x", "u:s3cret@x", "http://u:s3cret@[::1", "http://x?token=s3cret", "http://x#s3cret", "unix://u:s3cret@/run/x", "unix://run/x.sock",
	} {
		_, err := New(Options{Endpoint: endpoint, Credentials: basic{}})
		if err == nil || !strings.HasPrefix(err.Error(), "endpoint ") || strings.Contains(err.Error(), "s3") {
			t.Errorf("New(%q) = %v, want an error about the endpoint", endpoint, err)
		}
	}
	c, err := New(Options{Credentials: basic{}})
	if err != nil || c.jfs != "https://jfs.jottacloud.com" || c.api != "https://api.jottacloud.com" || !c.hosts.secure || !c.hosts.service {
		t.Errorf("New = %+v, %v", c, err)
	}
}

// A redirect is not followed: the credentials would go along.
func TestRedirect(t *testing.T) {
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/elsewhere") {
			t.Errorf("the redirect was followed")
		}
		http.Redirect(w, req, "/elsewhere", http.StatusFound)
	})
	if _, err := c.Stat(t.Context(), "/Jotta/Archive/x"); !errors.Is(err, ErrNetwork) {
		t.Errorf("Stat = %v, want ErrNetwork", err)
	}
}

func TestContextEnd(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		cancel(why)
		<-req.Context().Done()
	})
	if _, err := c.Stat(ctx, "/Jotta/Archive/x"); err != why {
		t.Errorf("Stat = %v, want the context's cause", err)
	}
	if r := RecordError(context.Canceled); r.Class != record.ClassIncomplete || !r.Retry {
		t.Errorf("RecordError = %+v", r)
	}
}

func FuzzParseNode(f *testing.F) {
	for _, name := range []string{"file-get-with-revisions.xml", "folder-get-with-deleted-children.xml", "device-get-jotta-2018.xml", "trash-get.xml"} {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, body string) {
		parseNode(strings.NewReader(body), func(e Entry) {
			if e.Path == "" || strings.Contains(e.Path, "/") || e.Path == "." || e.Path == ".." {
				t.Fatalf("an entry has the path %q", e.Path)
			}
		})
	})
}
