package jserve

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"

	"jottatools/lib/jserve/store"
)

// failure is an error as the protocol shows it (docs/protocol.md, section 11).
type failure struct {
	status    int
	exception string // class name without package; empty if the service names none
	text      string
	bare      bool // no XML or JSON, as the service answers a % in a name
	ours      bool // not the client's doing: whoever runs the server must hear of it
}

func (f *failure) Error() string { return fmt.Sprintf("%d %s: %s", f.status, f.exception, f.text) }

// Statuses that are not in net/http (docs/protocol.md, sections 8.2 and 12).
const (
	statusIncomplete = 420
	statusCorrupt    = 421
	statusQuota      = 460
)

// Failures that carry no detail.
var (
	errBadCredentials = &failure{status: http.StatusUnauthorized, exception: "BadCredentialsException", text: "Bad credentials"}
	errNotFound       = &failure{status: http.StatusNotFound, text: "Not Found"}
	errPercent        = &failure{status: http.StatusBadRequest, text: "Bad Request", bare: true}
	errNoCommand      = &failure{status: http.StatusInternalServerError, text: "POST Request is missing multipart content or don't dont have any command parameters"}
	errNoMD5          = &failure{status: http.StatusBadRequest, text: "Upload without md5 no longer supported. Use header JMd5."}
	errNoUserInURL    = &failure{status: http.StatusBadRequest, exception: "UsernameNotFoundException", text: "Username not found in url!"}
)

func invalid(format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, exception: "InvalidArgumentException", text: fmt.Sprintf(format, args...)}
}

// kinds maps the store's errors to statuses and exceptions.
var kinds = []struct {
	err       error
	status    int
	exception string
}{
	{store.ErrNoPath, http.StatusNotFound, "NoSuchPathException"},
	{store.ErrNoFile, http.StatusNotFound, "NoSuchFileException"},
	{store.ErrNoContent, http.StatusNotFound, "NoSuchFileException"},
	{store.ErrNoMountPoint, http.StatusNotFound, "NoSuchMountPointException"},
	{store.ErrNoUpload, http.StatusNotFound, "NoSuchUploadException"},
	{store.ErrConflict, http.StatusConflict, "UniqueFileException"},
	{store.ErrInvalid, http.StatusBadRequest, "InvalidArgumentException"},
	{store.ErrForbidden, http.StatusForbidden, "AccessDeniedException"},
	{store.ErrQuota, statusQuota, "QuotaExceededException"},
	{store.ErrIncomplete, statusIncomplete, "IncompleteUploadOpenApiException"},
	{store.ErrCorrupt, statusCorrupt, "CorruptUploadOpenApiException"},
	{store.ErrRange, http.StatusRequestedRangeNotSatisfiable, "RequestedRangeNotSatisfiedException"},
	{store.ErrBroken, http.StatusBadRequest, ""},            // nobody is there to read it
	{syscall.ENOSPC, statusQuota, "QuotaExceededException"}, // for the client it makes no difference whose disk is full
}

// asFailure puts an error into the protocol's words.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			text := strings.TrimPrefix(err.Error(), k.err.Error()+": ")
			if k.err == syscall.ENOSPC {
				text = "no space left on the server"
			}
			return &failure{status: k.status, exception: k.exception, text: text}
		}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &failure{status: http.StatusRequestEntityTooLarge, text: "Request body too large"}
	}
	// The cause is in the log; it may name files of this machine.
	return &failure{status: http.StatusInternalServerError, text: "Internal server error", ours: true}
}

// message is the exception with its package, and the text.
func (f *failure) message() string {
	switch f.exception {
	case "":
		return f.text
	case "BadCredentialsException":
		return "org.springframework.security.authentication." + f.exception + ": " + f.text
	case "UsernameNotFoundException":
		return "org.springframework.security.core.userdetails." + f.exception + ": " + f.text
	case "NoSuchMountPointException": // recorded without a text
		return "no.jotta.backup.errors." + f.exception
	case "IncompleteUploadOpenApiException", "CorruptUploadOpenApiException":
		return "no.jotta.openapi.errors." + f.exception + ": " + f.text
	}
	return "no.jotta.backup.errors." + f.exception + ": " + f.text
}

// reason is the HTTP reason phrase.
func reason(status int) string {
	switch status {
	case statusIncomplete:
		return "Incomplete Upload"
	case statusCorrupt:
		return "Corrupt Upload"
	case statusQuota:
		return "Quota Exceeded"
	}
	return http.StatusText(status)
}

// newXID makes a trace number of 12 digits.
func newXID() string { return fmt.Sprintf("%012d", rand.Int64N(1e12)) }

// fail writes an error answer.
func (c *call) fail(st style, err error) {
	f := asFailure(err)
	c.stats.failed(f.status)
	xid := newXID()
	if f.status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", `Basic realm="jottacloud"`)
	}
	if f == errGuessing {
		c.w.Header().Set("Retry-After", "1") // when the next guess is forgiven
	}
	if f.bare || st == stylePlain {
		c.answer(f.status, "text/plain; charset=utf-8", []byte(f.text+"\n"))
		return
	}
	if st == styleJSON {
		body, err := json.Marshal(struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
			Cause   string `json:"cause"`
			ErrorID string `json:"error_id"`
			XID     string `json:"x-id"`
		}{f.status, f.message(), "", f.exception, xid})
		if err != nil {
			body = []byte("{}") // strings and numbers always encode
		}
		c.answer(f.status, contentJSON, body)
		return
	}
	x := newXML()
	x.open("error")
	x.leaf("code", fmt.Sprint(f.status))
	x.leaf("message", f.message())
	x.leaf("reason", reason(f.status))
	x.leaf("cause", "")
	x.leaf("hostname", c.cfg.Host)
	x.leaf("x-id", xid)
	x.close("error")
	c.answer(f.status, contentXML, x.buf)
}
