package jfs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"jottatools/lib/auth"
	"jottatools/lib/record"
)

// The kinds of errors, for errors.Is.
var (
	ErrNotExist    = errors.New("no such file or folder")
	ErrExist       = errors.New("something else has this name") // or is a folder where a file is meant, or the reverse
	ErrAuth        = errors.New("not logged in")
	ErrForbidden   = errors.New("not allowed")
	ErrQuota       = errors.New("quota exceeded")
	ErrLocked      = errors.New("the account is locked")
	ErrNameInvalid = errors.New("the service does not take this name") // too long ones included
	ErrCorrupt     = errors.New("the content arrived damaged")
	ErrIncomplete  = errors.New("the content is not complete")
	ErrRange       = errors.New("the requested range is not in the file")
	ErrRateLimited = errors.New("too many requests")
	ErrServer      = errors.New("the service is in trouble")
	ErrNetwork     = errors.New("the service cannot be reached")
	ErrListing     = errors.New("the listing is not what it says it is") // a tree listing that may lack entries
)

// kinds gives the kind of each class that has one.
var kinds = map[record.Class]error{
	record.ClassNotFound:     ErrNotExist,
	record.ClassKindConflict: ErrExist,
	record.ClassAuth:         ErrAuth,
	record.ClassForbidden:    ErrForbidden,
	record.ClassQuota:        ErrQuota,
	record.ClassLocked:       ErrLocked,
	record.ClassNameInvalid:  ErrNameInvalid,
	record.ClassNameTooLong:  ErrNameInvalid,
	record.ClassCorrupt:      ErrCorrupt,
	record.ClassIncomplete:   ErrIncomplete,
	record.ClassRange:        ErrRange,
	record.ClassRateLimited:  ErrRateLimited,
	record.ClassServer:       ErrServer,
	record.ClassNetwork:      ErrNetwork,
}

// Error says why a request came to nothing. It never holds credentials or an
// upload address.
type Error struct {
	Op         string        // what was attempted, such as "upload"
	Path       Path          // of what; may be empty
	Class      record.Class  // what kind of failure; errors.Is knows its Err… variable
	Status     int           // HTTP status of the answer; 0 if there was none
	ErrorID    string        // bare name of the service's exception, if it gave one
	XID        string        // the service's id of this error; its support asks for it
	Message    string        // the cause and, where there is something to do, what
	Retry      bool          // trying again later can help
	RetryAfter time.Duration // how long the service asked to wait; 0 if it did not
	Err        error         // the cause below, if any, such as a net.Error
}

// Error returns act, object and cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Path != "" {
		if e.Op != "" {
			b.WriteByte(' ')
		}
		b.WriteString(printable(string(e.Path)))
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	return b.String()
}

// Is makes errors.Is find the kind.
func (e *Error) Is(target error) bool { return kinds[e.Class] == target }

// Unwrap returns the cause below.
func (e *Error) Unwrap() error { return e.Err }

// Record returns the error as it travels in a record.
func (e *Error) Record() *record.Error {
	return &record.Error{Class: e.Class, Message: oneLine(e.Error()), HTTP: e.Status, Retry: e.Retry, XID: e.XID}
}

// RecordError returns err as it travels in a record. Errors that are not an
// [*Error] are sorted too: those of the disk, and a context's end.
func RecordError(err error) *record.Error {
	var e *Error
	var r *record.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return &record.Error{Class: e.Class, Message: oneLine(err.Error()), HTTP: e.Status, Retry: e.Retry, XID: e.XID}
	case errors.As(err, &r):
		return r
	}
	class, retry := record.ClassInternal, false
	switch {
	case errors.Is(err, fs.ErrPermission):
		class = record.ClassPermission
	case errors.Is(err, fs.ErrNotExist):
		class = record.ClassVanished
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		class, retry = record.ClassIncomplete, true
	}
	return &record.Error{Class: class, Message: oneLine(err.Error()), Retry: retry}
}

// errStalled is the cause of a transfer that was cut off for standing still.
var errStalled error = &stallError{"no data for " + stallTimeout.String()}

// transportError returns the error of a request that got no answer. The
// context's own end is passed on as it is.
func transportError(ctx context.Context, op string, p Path, err error) error {
	var ours *Error
	if errors.As(err, &ours) {
		return atPath(op, p, ours)
	}
	// A url.Error shows the address, which may hold an upload token.
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if ctx.Err() != nil && !errors.Is(err, errStalled) {
		return context.Cause(ctx)
	}
	e := &Error{Op: op, Path: p, Class: record.ClassNetwork, Message: clip(oneLine(err.Error()), maxSaid), Retry: true, Err: err}
	var cert *tls.CertificateVerificationError
	var dial *net.OpError
	var plain tls.RecordHeaderError
	switch {
	case auth.WantsTLS(err.Error()):
		e.Retry, e.Message = false, messageWantsTLS
	case errors.As(err, &cert):
		e.Retry = false
		e.Message += "; the connection is not safe: check this computer's clock and certificates, and who is in between"
	case errors.As(err, &plain), errors.Is(err, http.ErrSchemeMismatch):
		e.Message = "the answer is not encrypted: is there a sign-in page or a proxy in between? check JOTTA_ENDPOINT, too"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Message = "the connection was closed before the answer was complete"
	case errors.As(err, &dial) && dial.Op == "dial":
		e.Message += "; check the network and JOTTA_ENDPOINT, then run it again"
	}
	return e
}

// messageWantsTLS is what to say of a port that was sent HTTP and speaks TLS.
const messageWantsTLS = "the server speaks TLS here, and was asked without; write https:// in place of http:// in JOTTA_ENDPOINT"

// maxSaid is how much of what a server says goes into a message, in bytes: an error
// about a malformed answer may quote all of it.
const maxSaid = 500

// maxErrorBody bounds how much of an error's body is read, in bytes.
const maxErrorBody = 64 << 10

// statusError returns the error that an answer with a failing status is; refused
// is what to say when it refuses the credentials. It reads the body but does not
// close it.
func statusError(op string, p Path, resp *http.Response, refused string) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	answer := parseErrorBody(body)
	e := &Error{
		Op: op, Path: p, Status: resp.StatusCode,
		ErrorID: answer.id, XID: answer.xid,
		RetryAfter: retryAfter(resp),
	}
	e.classify(answer, refused)
	return e
}

// classify sets class, message and retry by the status (docs/protocol.md,
// sections 11 and 12).
func (e *Error) classify(a errorBody, refused string) {
	said := a.text
	if said == "" {
		said = strings.ToLower(http.StatusText(e.Status))
	}
	if said == "" {
		said = "no reason given"
	}
	because := func(cause string) string { return cause + " (" + said + ")" }
	switch s := e.Status; {
	case s == http.StatusBadRequest && a.wantsTLS:
		e.Class, e.Message = record.ClassNetwork, messageWantsTLS
	case s == http.StatusBadRequest && strings.Contains(a.text, "255"):
		e.Class, e.Message = record.ClassNameTooLong, because("a name has more than 255 characters; shorten it")
	case s == http.StatusBadRequest && (a.id == "InvalidArgumentException" || !a.parsed):
		// A bare 400 is how the service refuses a percent sign in a name.
		e.Class, e.Message = record.ClassNameInvalid, because("the service does not take this name")
	case s == http.StatusUnauthorized:
		e.Class, e.Message = record.ClassAuth, because(refused)
	case s == http.StatusForbidden && strings.Contains(strings.ToLower(a.id+a.text), "lock"):
		e.Class, e.Message = record.ClassLocked, because("the account is locked; see the web interface for the reason")
	case s == http.StatusForbidden:
		e.Class, e.Message = record.ClassForbidden, because("the service does not allow this")
	case s == http.StatusNotFound || s == http.StatusGone:
		e.Class, e.Message = record.ClassNotFound, because("not found")
	case s == http.StatusConflict:
		e.Class, e.Message = record.ClassKindConflict, because("something else has this name")
	case s == http.StatusRequestedRangeNotSatisfiable:
		e.Class, e.Message = record.ClassRange, because("the requested range is not in the file")
	case s == 420:
		e.Class, e.Message, e.Retry = record.ClassIncomplete, because("a part was stored, the rest is missing"), true
	case s == 421:
		e.Class, e.Message, e.Retry = record.ClassCorrupt, because("the content does not have the MD5 that was announced"), true
	case s == http.StatusTooManyRequests, s == 509:
		e.Class, e.Message, e.Retry = record.ClassRateLimited, because("too many requests; lower --jobs or set --tpslimit"), true
	case s == 460, s == http.StatusInsufficientStorage:
		e.Class, e.Message = record.ClassQuota, because("quota exceeded; free space or raise it, then run the command again")
	case s >= 500:
		e.Class, e.Message, e.Retry = record.ClassServer, because("the service answered "+itoa(s)), true
	case s >= 300 && s < 400:
		e.Class, e.Message, e.Retry = record.ClassNetwork, "the answer leads elsewhere: a sign-in page of this network?", true
	default:
		e.Class, e.Message = record.ClassInternal, because("the service refused the request with status "+itoa(s))
	}
}

// errorBody is what the body of a failing answer says.
type errorBody struct {
	parsed   bool   // it was the service's own XML or JSON
	text     string // the message in one line
	id       string // bare exception name
	xid      string
	wantsTLS bool // it is that of a port that wants TLS
}

// parseErrorBody reads the XML of section 11.1, the JSON of 11.2, and makes the
// best of anything else.
func parseErrorBody(body []byte) errorBody {
	trimmed := strings.TrimSpace(strings.TrimPrefix(string(body), "\ufeff"))
	var message, id, xid string
	parsed := false
	switch {
	case strings.HasPrefix(trimmed, "{"):
		var e struct {
			Message any    `json:"message"`
			ErrorID string `json:"error_id"`
			XID     any    `json:"x-id"`
		}
		if json.Unmarshal([]byte(trimmed), &e) == nil {
			message, _ = e.Message.(string)
			xid, _ = e.XID.(string)
			id, parsed = e.ErrorID, true
		}
	case strings.HasPrefix(trimmed, "<"):
		var e struct {
			XMLName xml.Name
			Message string `xml:"message"`
			Reason  string `xml:"reason"`
			XID     string `xml:"x-id"`
		}
		if xml.Unmarshal([]byte(trimmed), &e) == nil && e.XMLName.Local == "error" {
			message, xid, parsed = e.Message, e.XID, true
			if message == "" {
				message = e.Reason
			}
		}
	}
	if !parsed {
		if strings.HasPrefix(trimmed, "<") {
			return errorBody{text: "a web page, or the answer was cut short", wantsTLS: auth.WantsTLS(trimmed)}
		}
		return errorBody{text: clip(oneLine(trimmed), 200), wantsTLS: auth.WantsTLS(trimmed)}
	}
	// The message is "java.package.SomeException: text" or just the class name.
	class, text, found := strings.Cut(message, ": ")
	if !strings.Contains(class, " ") && strings.Contains(class, "Exception") {
		if id == "" {
			id = class[strings.LastIndexByte(class, '.')+1:]
		}
		if found {
			message = text
		} else {
			message = id
		}
	}
	return errorBody{
		parsed: true,
		text:   clip(oneLine(message), maxSaid),
		id:     clip(oneLine(id), 100),
		xid:    clip(oneLine(xid), 100),
	}
}

// maxRetryAfter bounds what a Retry-After header may ask for: a date can be centuries
// off, or the service's clock wrong.
const maxRetryAfter = time.Hour

// retryAfter returns what the Retry-After header asks for, 0 if nothing, and no more
// than maxRetryAfter. It may hold seconds or a date.
func retryAfter(resp *http.Response) time.Duration {
	return min(askedFor(resp), maxRetryAfter)
}

func askedFor(resp *http.Response) time.Duration {
	h := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if h == "" {
		return 0
	}
	if s, err := strconv.ParseUint(h, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil {
		now := time.Now()
		if its, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			now = its // one of the two clocks may be wrong
		}
		return max(0, t.Sub(now))
	}
	return 0
}

// oneLine makes text that came from elsewhere fit for a terminal and a record:
// white space runs become one space, control characters and damaged UTF-8 go.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// clip shortens s to at most n bytes, not cutting a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// printable returns a path as it is if a terminal can take it, else quoted.
func printable(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

func quoted(s string) string { return strconv.Quote(clip(s, 300)) }

func itoa[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }
