// Package job keeps the history of a job between its runs, and lets jobs know of each
// other. A job is a local folder, the remote folder that stores it, and the account.
//
// The history of a job is its [State], a small file on this machine. Its [Mark] is the
// part of the State that must outlive the machine, and that other jobs need; it lies in
// the mount point where the job stores. A run begins with [State.Meet], which reads the
// marks of others and makes or renews its own, and ends with [State.End].
//
// The package stores and deletes nothing but marks.
package job

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Key returns the name of a job, which is also that of its files: for people that of
// its folder, and a digest of all that makes it this job. It does not depend on the
// locale. Dest counts in any letter case, as it does on the service. Kind tells jobs of
// the same folders apart, such as a backup and a restore.
func Key(kind, account, source string, dest jfs.Path) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.':
			return r
		}
		return '_'
	}, filepath.Base(source))
	return name[:min(len(name), 40)] + "-" + sum(kind, account, source, record.Fold(string(dest)))
}

// sum returns a short digest of parts.
func sum(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Host returns the name of this machine: JOTTA_HOST, for machines whose host name does
// not last, such as containers, or else the host name.
func Host() (string, error) {
	if host := os.Getenv("JOTTA_HOST"); host != "" {
		return host, nil
	}
	return os.Hostname()
}

// machine returns what tells this machine from others, even from one of the same name.
func machine() string {
	if host := os.Getenv("JOTTA_HOST"); host != "" {
		return host
	}
	if id, err := os.ReadFile("/etc/machine-id"); err == nil && len(strings.TrimSpace(string(id))) >= 32 {
		return strings.TrimSpace(string(id))
	}
	host, _ := os.Hostname()
	return host
}

// Source returns the folder that dir names, as an absolute path. Symbolic links stay as
// they are: a job is the path that somebody gave, wherever it leads today, so that it
// knows its past when it leads elsewhere.
func Source(dir string) (string, error) {
	for _, part := range strings.Split(filepath.ToSlash(dir), "/") {
		if part == ".." { // what is above a link depends on where it leads
			if resolved, err := filepath.EvalSymlinks(dir); err == nil {
				dir = resolved
			}
			break
		}
	}
	return filepath.Abs(dir) // of what the shell calls the working directory
}
