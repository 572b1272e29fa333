package jserve

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// Kinds of request, as GET /_jserve/stats names them.
var requestKinds = []string{
	"customer", "get_user", "get_device", "get_mountpoint", "get_folder", "stat", "list", "liststream", "trash", "latest", "links",
	"download", "thumb", "share", "unshare", "public",
	"mkdir", "dl", "dldir", "rm", "rmdir", "mv", "mvdir", "cp", "cphash", "create_device", "create_mountpoint",
	"allocate", "upload", "upload_raw", "upload_multipart", "purge_trash", "event_token", "events",
	"discovery", "login_token", "login_page", "token_password", "token_code", "token_refresh", "token_legacy", "register", "userinfo", "logout",
}

// stats counts what the server does. The zero value is ready.
type stats struct {
	bytesIn       atomic.Int64 // request bodies
	bytesOut      atomic.Int64 // answer bodies, as sent (after gzip)
	uploadBytes   atomic.Int64 // file content received
	downloadBytes atomic.Int64 // file content sent
	tokenReuse    atomic.Int64 // refresh tokens shown a second time

	mu       sync.Mutex
	requests map[string]int64 // guarded by mu
	errors   map[string]int64 // guarded by mu; by status
}

// count notes one request.
func (s *stats) count(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests == nil {
		s.requests = make(map[string]int64)
	}
	s.requests[kind]++
}

// failed notes one error answer.
func (s *stats) failed(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.errors == nil {
		s.errors = make(map[string]int64)
	}
	s.errors[strconv.Itoa(status)]++
}

// Stats is what GET /_jserve/stats answers, since the server started.
type Stats struct {
	Requests      map[string]int64 `json:"requests"`       // by kind; all kinds are there from the start
	Errors        map[string]int64 `json:"errors"`         // by HTTP status
	BytesIn       int64            `json:"bytes_in"`       // of request bodies
	BytesOut      int64            `json:"bytes_out"`      // of answer bodies, as sent
	UploadBytes   int64            `json:"upload_bytes"`   // of file content received
	DownloadBytes int64            `json:"download_bytes"` // of file content sent
	TokenReuse    int64            `json:"token_reuse"`    // refresh tokens shown a second time, each the end of a login
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	out := Stats{Requests: make(map[string]int64), Errors: make(map[string]int64)}
	for _, k := range requestKinds {
		out.Requests[k] = 0
	}
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	for k, n := range s.stats.requests {
		out.Requests[k] = n
	}
	for k, n := range s.stats.errors {
		out.Errors[k] = n
	}
	out.BytesIn, out.BytesOut = s.stats.bytesIn.Load(), s.stats.bytesOut.Load()
	out.UploadBytes, out.DownloadBytes = s.stats.uploadBytes.Load(), s.stats.downloadBytes.Load()
	out.TokenReuse = s.stats.tokenReuse.Load()
	return out
}

// showStats answers GET /_jserve/stats. On this machine it needs no password.
func (c *call) showStats() error {
	if err := c.trusted(); err != nil {
		return err
	}
	body, err := json.MarshalIndent(c.Stats(), "", "  ")
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, contentJSON, append(body, '\n'))
	return nil
}
