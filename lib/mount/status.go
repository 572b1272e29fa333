package mount

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The states of a mount, the gravest first.
const (
	StateLogin  = "login"  // the service does not take the login any more
	StateAway   = "away"   // the service does not answer
	StateFull   = "full"   // the account is full, and something waits for space
	StateFailed = "failed" // something is not tried again by itself
	StateOK     = "ok"
)

// Status is what a mount says of itself, as jfuse status --json prints it.
type Status struct {
	Version int       `json:"v"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Account string    `json:"account,omitempty"`
	State   string    `json:"state"` // one of the constants

	Pending      int           `json:"pending"`       // files that wait to be uploaded
	PendingBytes int64         `json:"pending_bytes"` // in them
	SpoolBytes   int64         `json:"spool_bytes"`   // of them, those in the spool; the rest is still at the service
	Uploading    int           `json:"uploading"`     // of them, those under way
	Failed       int           `json:"failed"`        // of them, those that are not tried again by themselves
	Files        []PendingFile `json:"files"`         // of them, the first; those in trouble come first
	Spool        string        `json:"spool"`         // where they are on local disk

	Cache      string `json:"cache"` // where the cache is
	CacheBytes int64  `json:"cache_bytes"`
	CacheLimit int64  `json:"cache_limit"`

	Conflicts     int      `json:"conflicts,omitempty"`      // contents that were stored beside what somebody else had stored meanwhile
	ConflictFiles []string `json:"conflict_files,omitempty"` // the last of them

	LoginError  string    `json:"login_error,omitempty"` // the service does not take the login any more
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
}

// PendingFile is a file that waits to be uploaded.
type PendingFile struct {
	Path       string    `json:"path"`
	Size       int64     `json:"size"`
	SpoolBytes int64     `json:"spool_bytes"`  // of it, those in the spool
	Due        time.Time `json:"due,omitzero"` // when it is tried next
	Tries      int       `json:"tries,omitempty"`
	Error      string    `json:"error,omitempty"`
	Failed     bool      `json:"failed,omitempty"` // it is not tried again by itself
}

// ErrNoMount says that no account is mounted at a folder.
var ErrNoMount = errors.New("there is no mount of jfuse")

// statusRoom is how many bytes of paths and errors a status holds: as JSON they may
// take several times as many, and an extended attribute holds 64 KiB.
const statusRoom = 8 << 10

// ReadStatus asks the mount at dir how it is. The error is ErrNoMount if there is none.
func ReadStatus(dir string) (*Status, error) {
	b, err := readStatus(dir)
	if err != nil {
		return nil, fmt.Errorf("ask the mount at %s: %w", dir, err)
	}
	s, err := parseStatus(b)
	if err != nil {
		return nil, fmt.Errorf("the answer of the mount at %s: %w", dir, err)
	}
	return s, nil
}

// parseStatus reads what a mount says of itself, which may be of another version, or of
// another file system.
func parseStatus(b []byte) (*Status, error) {
	s := new(Status)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, err
	}
	if s.Version != 1 {
		return nil, fmt.Errorf("it has the version %d, and this program reads version 1; use the jfuse that is mounted", s.Version)
	}
	least := min(int64(s.Conflicts), int64(s.Pending), int64(s.Uploading), int64(s.Failed), s.PendingBytes, s.SpoolBytes, s.CacheBytes, s.CacheLimit)
	for _, f := range s.Files {
		least = min(least, f.Size, f.SpoolBytes, int64(f.Tries))
	}
	if least < 0 {
		return nil, errors.New("it has a negative number in it")
	}
	return s, nil
}
