package jfs

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"jottatools/lib/record"
)

func TestStatusErrors(t *testing.T) {
	const xmlError = `<?xml version="1.0"?><error><code>%d</code><message>%s</message><reason>r</reason><x-id>000417250400</x-id></error>`
	invalid := "no.jotta.backup.errors.InvalidArgumentException: JFS file names may not be longer than 255 characters"
	tests := []struct {
		status  int
		body    string
		kind    error
		class   record.Class
		retry   bool
		message string // part of it
		id      string
	}{
		{400, fmt.Sprintf(xmlError, 400, invalid), ErrNameInvalid, record.ClassNameTooLong, false, "shorten it", "InvalidArgumentException"},
		{400, fmt.Sprintf(xmlError, 400, "x.InvalidArgumentException"), ErrNameInvalid, record.ClassNameInvalid, false, "does not take this name", "InvalidArgumentException"},
		{400, "Bad Request", ErrNameInvalid, record.ClassNameInvalid, false, "(Bad Request)", ""},
		{400, "", ErrNameInvalid, record.ClassNameInvalid, false, "(bad request)", ""},
		{400, fmt.Sprintf(xmlError, 400, "x.y.UsernameNotFoundException: Username not found in url!"), nil, record.ClassInternal, false, "Username not found", "UsernameNotFoundException"},
		{401, sample(t, "error-401-badcredentials.xml"), ErrAuth, record.ClassAuth, false, "check user name and password (Bad credentials)", "BadCredentialsException"},
		{401, sample(t, "constructed-api-error-401.json"), ErrAuth, record.ClassAuth, false, "(Bad credentials)", "BadCredentialsException"},
		{403, "", ErrForbidden, record.ClassForbidden, false, "does not allow", ""},
		{403, fmt.Sprintf(xmlError, 403, "The account is locked"), ErrLocked, record.ClassLocked, false, "locked", ""},
		{404, sample(t, "constructed-error-404-nosuchpath.xml"), ErrNotExist, record.ClassNotFound, false, "Directory /user01/Jotta/Archive/missing", "NoSuchPathException"},
		{404, sample(t, "error-404-nosuchmountpoint-empty-hostname.xml"), ErrNotExist, record.ClassNotFound, false, "NoSuchMountPointException", "NoSuchMountPointException"},
		{409, `{"error_id":"UniqueFileException"}`, ErrExist, record.ClassKindConflict, false, "something else", "UniqueFileException"},
		{416, sample(t, "constructed-error-416.xml"), ErrRange, record.ClassRange, false, "range", "RequestedRangeNotSatisfiedException"},
		{420, sample(t, "constructed-upload-error-420-incomplete.json"), ErrIncomplete, record.ClassIncomplete, true, "part", "IncompleteUploadOpenApiException"},
		{421, sample(t, "constructed-upload-error-421-corrupt.json"), ErrCorrupt, record.ClassCorrupt, true, "MD5", "CorruptUploadOpenApiException"},
		{429, "", ErrRateLimited, record.ClassRateLimited, true, "--tpslimit", ""},
		{460, sample(t, "constructed-api-error-460-quota.json"), ErrQuota, record.ClassQuota, false, "free space", "QuotaExceededException"},
		{500, "<html><body>java.lang.NullPointerException</body>", ErrServer, record.ClassServer, true, "web page", ""},
		{500, `{"message":5,"error_id":"X"}`, ErrServer, record.ClassServer, true, "answered 500", "X"},
		{500, "<error><message>cut", ErrServer, record.ClassServer, true, "cut short", ""},
		{503, strings.Repeat("x", 10_000), ErrServer, record.ClassServer, true, "x…", ""},
		{507, "", ErrQuota, record.ClassQuota, false, "quota", ""},
		{509, "", ErrRateLimited, record.ClassRateLimited, true, "too many", ""},
		{302, "", ErrNetwork, record.ClassNetwork, true, "sign-in page", ""},
		{418, "a\x1b[31m\x00b\xff", nil, record.ClassInternal, false, "418 (a?[31m?b?)", ""},
	}
	for _, test := range tests {
		resp := &http.Response{StatusCode: test.status, Header: http.Header{"Retry-After": {"7"}}, Body: io.NopCloser(strings.NewReader(test.body))}
		err := statusError("list", "/Jotta/Archive/x", resp, "check user name and password")
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("statusError(%d) = %v", test.status, err)
		}
		if e.Class != test.class || e.Retry != test.retry || e.ErrorID != test.id || e.Status != test.status || e.RetryAfter != 7*time.Second {
			t.Errorf("statusError(%d, %.30q) = %+v", test.status, test.body, e)
		}
		if test.kind != nil && !errors.Is(err, test.kind) || errors.Is(err, ErrListing) {
			t.Errorf("statusError(%d) = %v, want %v", test.status, err, test.kind)
		}
		if !strings.Contains(e.Message, test.message) || len(e.Message) > 700 || strings.ContainsFunc(e.Message, unicode.IsControl) {
			t.Errorf("statusError(%d, %.30q) says %q, want %q in it", test.status, test.body, e.Message, test.message)
		}
		if strings.Contains(test.body, "x-id") && e.XID == "" {
			t.Errorf("statusError(%d) has no x-id", test.status)
		}
	}
}

// TestRetryAfter: a wait is a number of seconds or a time of the service's clock,
// which may be an hour ahead of ours.
func TestRetryAfter(t *testing.T) {
	const now = "Fri, 02 Jan 2026 03:04:05 GMT"
	for _, test := range []struct {
		after, date string
		want        time.Duration
	}{
		{"", now, 0}, {"7", now, 7 * time.Second}, {"-7", now, 0}, {"soon", now, 0}, {"99999999999999999999", now, 0},
		{"Fri, 02 Jan 2026 03:04:35 GMT", now, 30 * time.Second},
		{"Fri, 02 Jan 2026 03:04:00 GMT", now, 0},
		{"Fri, 02 Jan 2026 03:04:35 GMT", "", 0}, // that was long ago
		{"Thu, 31 Dec 9999 23:59:59 GMT", now, time.Hour},
		{"Thu, 31 Dec 9999 23:59:59 GMT", "", time.Hour},
		{"Fri, 02 Jan 2026 03:04:35 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", time.Hour},
		{"Fri, 02 Jan 2026 03:04:35 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", time.Hour},
		{"2147483647", now, time.Hour}, {"3600", now, time.Hour}, {"3601", now, time.Hour}, {"3599", now, 3599 * time.Second},
	} {
		resp := &http.Response{Header: http.Header{"Retry-After": {test.after}, "Date": {test.date}}}
		if got := retryAfter(resp); got != test.want {
			t.Errorf("retryAfter(%q) at %q = %v, want %v", test.after, test.date, got, test.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	for want, e := range map[string]*Error{
		"list /Jotta/Archive/x: not found":      {Op: "list", Path: "/Jotta/Archive/x", Message: "not found"},
		"ask for the account: not found":        {Op: "ask for the account", Message: "not found"},
		"not found":                             {Message: "not found"},
		`list "/a/b/\x1b[31m\n\xff": not found`: {Op: "list", Path: "/a/b/\x1b[31m\n\xff", Message: "not found"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("Error() = %s, want %s", got, want)
		}
	}
}

func TestRecordError(t *testing.T) {
	e := &Error{Op: "upload", Path: "/a/b/c", Class: record.ClassQuota, Status: 460, XID: "1", Message: "full"}
	tests := []struct {
		err  error
		want *record.Error
	}{
		{nil, nil},
		{e, &record.Error{Class: record.ClassQuota, HTTP: 460, XID: "1", Message: "upload /a/b/c: full"}},
		{fmt.Errorf("more: %w", e), &record.Error{Class: record.ClassQuota, HTTP: 460, XID: "1", Message: "more: upload /a/b/c: full"}},
		{&record.Error{Class: record.ClassAuth, Message: "m"}, &record.Error{Class: record.ClassAuth, Message: "m"}},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, &record.Error{Class: record.ClassPermission, Message: "open x: permission denied"}},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, &record.Error{Class: record.ClassVanished, Message: "open x: file does not exist"}},
		{errors.New("odd\nnews"), &record.Error{Class: record.ClassInternal, Message: "odd news"}},
	}
	for _, test := range tests {
		got := RecordError(test.err)
		if got == nil || test.want == nil {
			if got != test.want {
				t.Errorf("RecordError(%v) = %+v", test.err, got)
			}
		} else if *got != *test.want {
			t.Errorf("RecordError(%v) = %+v, want %+v", test.err, got, test.want)
		}
	}
}

func TestTransportErrors(t *testing.T) {
	cert := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	tests := []struct {
		err     error
		message string
		retry   bool
	}{
		{&url.Error{Op: "Post", URL: "https://up/x?token=s3cret", Err: io.ErrUnexpectedEOF}, "closed before the answer", true},
		{&url.Error{Op: "Post", URL: "https://up/x?token=s3cret", Err: cert}, "not safe", false},
		{errStalled, "no data for 1m0s", true},
	}
	for _, test := range tests {
		err := transportError(t.Context(), "upload", "/a/b/c", test.err)
		var e *Error
		if !errors.As(err, &e) || e.Class != record.ClassNetwork || e.Retry != test.retry || !strings.Contains(e.Message, test.message) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("transportError(%v) = %v", test.err, err)
		}
	}
}

func FuzzParseErrorBody(f *testing.F) {
	f.Add([]byte(sample(f, "constructed-error-416.xml")))
	f.Add([]byte(sample(f, "constructed-api-error-401.json")))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		e := parseErrorBody(body)
		for _, s := range []string{e.text, e.id, e.xid} {
			if len(s) > 600 || strings.ContainsFunc(s, unicode.IsControl) {
				t.Fatalf("parseErrorBody(%q) = %+v", body, e)
			}
		}
	})
}

// trips is a RoundTripper from a list of answers; the last one stays.
type trips struct {
	answers []func(*http.Request) (*http.Response, error)
	times   []time.Duration // since start, of each request
	start   time.Time
}

func (s *trips) RoundTrip(req *http.Request) (*http.Response, error) {
	s.times = append(s.times, time.Since(s.start))
	answer := s.answers[min(len(s.times), len(s.answers))-1]
	return answer(req)
}

func status(code int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("body"))}
		for i := 0; i+1 < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp, nil
	}
}

func broken(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func TestRetry(t *testing.T) {
	type answers = []func(*http.Request) (*http.Response, error)
	get := func() *http.Request { r, _ := http.NewRequest("GET", "http://h/jfs/u/x", nil); return r }
	post := func(query string, body io.Reader) *http.Request {
		r, _ := http.NewRequest("POST", "http://h/jfs/u/x?"+query, body)
		return r
	}
	tests := []struct {
		name    string
		req     *http.Request
		answers answers
		tries   int
		status  int   // of the final answer
		err     error // or this
	}{
		{"fine", get(), answers{status(200)}, 1, 200, nil},
		{"passes", get(), answers{status(500), status(503), broken(io.ErrUnexpectedEOF), status(429), status(509), status(200)}, 6, 200, nil},
		{"stays", get(), answers{status(502)}, 8, 502, nil},
		{"stays broken", get(), answers{broken(io.ErrUnexpectedEOF)}, 8, 0, io.ErrUnexpectedEOF},
		{"is for good", get(), answers{status(404)}, 1, 404, nil},
		{"is no credentials", get(), answers{broken(&Error{Class: record.ClassAuth})}, 1, 0, ErrAuth},
		{"asks for too much patience", get(), answers{status(503, "Retry-After", "3600")}, 1, 503, nil},
		{"asks for centuries", get(), answers{late(status(503, "Retry-After", "Thu, 31 Dec 9999 23:59:59 GMT"))}, 1, 503, nil},
		{"asks for centuries by a wrong clock", get(), answers{late(status(503, "Retry-After", "Fri, 02 Jan 2026 03:04:05 GMT", "Date", "Mon, 01 Jan 0001 00:00:00 GMT"))}, 1, 503, nil},
		{"command", post("dl=true", nil), answers{status(500), status(200)}, 2, 200, nil},
		{"allocate", post("", strings.NewReader("{}")), answers{status(500), status(200)}, 2, 200, nil},
		{"move", post("mv=%2Fx", nil), answers{status(500), status(200)}, 1, 500, nil},
		{"move folder", post("mvDir=%2Fx", nil), answers{broken(io.EOF), status(200)}, 1, 0, io.EOF},
		{"copy", post("cp=%2Fx", nil), answers{status(500), status(200)}, 1, 500, nil},
		{"upload", post("", struct{ io.Reader }{strings.NewReader("x")}), answers{status(500), status(200)}, 1, 500, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				under := &trips{answers: test.answers, start: time.Now()}
				resp, err := Retry(under, RetryOptions{}).RoundTrip(test.req)
				got := 0
				if resp != nil {
					got = resp.StatusCode
					if text, err := io.ReadAll(resp.Body); string(text) != "body" || err != nil {
						t.Errorf("the answer's body is %q, %v", text, err)
					}
				}
				if len(under.times) != test.tries || got != test.status || !errors.Is(err, test.err) {
					t.Errorf("%d tries end with %d, %v; want %d tries, %d, %v", len(under.times), got, err, test.tries, test.status, test.err)
				}
			})
		})
	}
}

// late gives an answer after a second: the longest time there is, and a second, is less
// than none at all.
func late(answer func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		time.Sleep(time.Second)
		return answer(req)
	}
}

func TestRetryPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		req, _ := http.NewRequest("POST", "http://h/", strings.NewReader("text"))
		var bodies []string
		note := func(code int, header ...string) func(*http.Request) (*http.Response, error) {
			return func(req *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(req.Body)
				bodies = append(bodies, string(body))
				return status(code, header...)(req)
			}
		}
		under := &trips{answers: []func(*http.Request) (*http.Response, error){note(500), note(500), note(503, "Retry-After", "20"), note(200)}, start: time.Now()}
		heard := 0
		if _, err := Retry(under, RetryOptions{Notify: func(error, time.Duration) { heard++ }}).RoundTrip(req); err != nil {
			t.Fatal(err)
		}
		// 250 ms and 500 ms, each give or take half, then what the service asked for.
		first, second, third := under.times[1], under.times[2]-under.times[1], under.times[3]-under.times[2]
		if first < 125*time.Millisecond || first > 375*time.Millisecond || second < 250*time.Millisecond || second > 750*time.Millisecond || third != 20*time.Second {
			t.Errorf("pauses are %v, %v, %v", first, second, third)
		}
		if got := strings.Join(bodies, " "); got != "text text text text" || heard != 3 {
			t.Errorf("sent %q, heard of %d failures", got, heard)
		}
	})
}

func TestRetryEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://h/", nil)
		start := time.Now()
		_, err := Retry(&trips{answers: []func(*http.Request) (*http.Response, error){status(500)}}, RetryOptions{}).RoundTrip(req)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("RoundTrip = %v after %v", err, time.Since(start))
		}
	})
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		under := &trips{answers: []func(*http.Request) (*http.Response, error){status(200)}, start: time.Now()}
		limited := Limit(under, 4)
		for range 5 {
			req, _ := http.NewRequest("GET", "http://h/", nil)
			if _, err := limited.RoundTrip(req); err != nil {
				t.Fatal(err)
			}
		}
		if got := under.times[4]; got != time.Second {
			t.Errorf("the fifth of 4 requests a second came after %v, want 1s", got)
		}
		if Limit(under, 0) != http.RoundTripper(under) {
			t.Error("0 is a limit")
		}
	})
}

// slowBody gives a piece after each pause, until it ends with EOF.
type slowBody struct {
	pauses []time.Duration
	ctx    context.Context // ends a pause, as a connection does
	piece  int             // bytes
}

func (b *slowBody) Read(p []byte) (int, error) {
	if len(b.pauses) == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(b.pauses[0]):
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
	b.pauses = b.pauses[1:]
	return min(b.piece, len(p)), nil
}

func (b *slowBody) Close() error { return nil }

func TestStallGuardAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		pauses []time.Duration
		piece  int
		want   error
	}{
		"slow but alive":       {[]time.Duration{50 * time.Second, 50 * time.Second, 50 * time.Second}, minProgress, nil},
		"stalled":              {[]time.Duration{50 * time.Second, 61 * time.Second}, minProgress, errStalled},
		"a little":             {[]time.Duration{20 * time.Second, 20 * time.Second, 19 * time.Second}, 1, nil},
		"a byte now and again": {[]time.Duration{20 * time.Second, 20 * time.Second, 21 * time.Second}, 1, errStalled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				guard := &stallGuard{timeout: time.Minute, next: &trips{answers: []func(*http.Request) (*http.Response, error){
					func(req *http.Request) (*http.Response, error) {
						return &http.Response{StatusCode: 200, Body: &slowBody{test.pauses, req.Context(), test.piece}}, nil
					},
				}}}
				req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://h/", nil)
				resp, err := guard.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				time.Sleep(time.Hour) // a slow reader is no stall
				if _, err = bufio.NewReader(resp.Body).WriteTo(io.Discard); err != test.want {
					t.Errorf("reading it: %v, want %v", err, test.want)
				}
			})
		})
	}
}

// TestSlowAnswers: an answer that would take for ever is given up after some minutes,
// however evenly it comes, and one over the slowest line is not.
func TestSlowAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		piece   int // a second
		seconds int
		timeout time.Duration // as --timeout
		after   time.Duration // until it is given up; 0: it is not
	}{
		"a modem":              {1 << 10, 24 * 3600, 0, 0},
		"a sixteenth of it":    {64, 24 * 3600, 0, 0},
		"drip by drip":         {50, 1 << 40, 0, 5 * time.Minute},
		"with more patience":   {20, 6 * 3600, time.Hour, 0},
		"drips with patience":  {4, 1 << 40, time.Hour, time.Hour},
		"a byte with patience": {1, 1 << 40, time.Hour, 12 * time.Minute}, // that counts as standing still
		"with less patience":   {500, 1 << 40, 30 * time.Second, 30 * time.Second},
		"a little, but slowly": {20, 290, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := patienceOf(test.timeout)
				guard := &stallGuard{timeout: p.stall, slow: p.slow, next: &trips{answers: []func(*http.Request) (*http.Response, error){
					func(req *http.Request) (*http.Response, error) {
						return &http.Response{StatusCode: 200, Body: &drips{req.Context(), test.piece, test.seconds}}, nil
					},
				}}}
				req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://h/", nil)
				resp, err := guard.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				start := time.Now()
				_, err = io.Copy(io.Discard, resp.Body)
				if (err == nil) != (test.after == 0) || err != nil && (!errors.Is(err, errStalled) || time.Since(start) != test.after) {
					t.Errorf("reading it: %v after %v", err, time.Since(start))
				}
				if e := (*Error)(nil); err != nil && (!errors.As(transportError(req.Context(), "download", "", err), &e) || !e.Retry || e.Class != record.ClassNetwork) {
					t.Errorf("the error is %+v", e)
				}
			})
		})
	}
}

// drips is an answer that gives some bytes a second.
type drips struct {
	ctx            context.Context
	piece, seconds int
}

func (d *drips) Read(p []byte) (int, error) {
	if d.seconds == 0 {
		return 0, io.EOF
	}
	d.seconds--
	select {
	case <-time.After(time.Second):
		return min(d.piece, len(p)), nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func (d *drips) Close() error { return nil }

func TestStallGuardRequest(t *testing.T) {
	for name, test := range map[string]struct {
		pause time.Duration // of the line after each read
		want  error
	}{
		"slow but alive": {50 * time.Second, nil},
		"stalled":        {61 * time.Second, errStalled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				guard := &stallGuard{timeout: time.Minute, next: &trips{answers: []func(*http.Request) (*http.Response, error){
					func(req *http.Request) (*http.Response, error) {
						for {
							if _, err := req.Body.Read(make([]byte, 1)); err == io.EOF {
								break
							}
							select {
							case <-time.After(test.pause):
							case <-req.Context().Done():
								return nil, req.Context().Err()
							}
						}
						time.Sleep(2 * time.Minute) // thinking is another clock's business
						return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
					},
				}}}
				// A bandwidth limit may hold reading up for longer than the timeout.
				body := &slowBody{[]time.Duration{2 * time.Minute, time.Second, time.Second}, t.Context(), 1}
				req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://h/", body)
				resp, err := guard.RoundTrip(req)
				if err != test.want {
					t.Errorf("RoundTrip = %v, want %v", err, test.want)
				}
				if resp != nil {
					resp.Body.Close()
				}
			})
		})
	}
}
