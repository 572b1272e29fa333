package job

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Folders are where jobs keep what they need on this machine.
type Folders struct {
	State string // locks, reports and memories, in its folder jobs
	Cache string // hash caches
	Data  string // the store of --local
}

// FindFolders returns the folders of the user, as the XDG base directory specification
// has them. Getenv looks up variables of the environment, as os.Getenv does.
func FindFolders(getenv func(string) string) (Folders, error) {
	var f Folders
	for _, folder := range []struct {
		to             *string
		variable, home string
	}{
		{&f.State, "XDG_STATE_HOME", ".local/state"},
		{&f.Cache, "XDG_CACHE_HOME", ".cache"},
		{&f.Data, "XDG_DATA_HOME", ".local/share"},
	} {
		dir := getenv(folder.variable)
		if !filepath.IsAbs(dir) { // a relative one does not count, says the specification
			home := getenv("HOME")
			if home == "" {
				return f, fmt.Errorf("HOME is not set; set it, or %s", folder.variable)
			}
			dir = filepath.Join(home, folder.home)
		}
		*folder.to = filepath.Join(dir, "jottatools")
	}
	return f, nil
}

// Jobs returns the folder of locks, reports and memories.
func (f Folders) Jobs() string { return filepath.Join(f.State, "jobs") }

// Lock returns the file that a run of the job called key locks. It holds the number of
// the process that has the lock, or had it last.
func (f Folders) Lock(key string) string { return filepath.Join(f.Jobs(), key+".lock") }

// Report returns the file with the report of the last run of a job.
func (f Folders) Report(key string) string { return filepath.Join(f.Jobs(), key+reportSuffix) }

// Memory returns the file with the [State] of a job.
func (f Folders) Memory(key string) string { return filepath.Join(f.Jobs(), key+".state.json") }

// History returns the file with a line for each of the last runs of a job.
func (f Folders) History(key string) string { return filepath.Join(f.Jobs(), key+".history.ndjson") }

// Run returns the folder for what a run of a job needs while it lasts.
func (f Folders) Run(key string) string { return filepath.Join(f.Jobs(), key+".run") }

// HashCache returns the file with the hash cache of a job.
func (f Folders) HashCache(key string) string { return filepath.Join(f.Cache, key+".cache.zst") }

const reportSuffix = ".report.json"

// Reports returns the files with reports of all jobs, in the order of their keys.
func (f Folders) Reports() ([]string, error) {
	entries, err := os.ReadDir(f.Jobs())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), reportSuffix) {
			names = append(names, filepath.Join(f.Jobs(), e.Name()))
		}
	}
	return names, err
}

// KeyOf returns the key of the job that a file returned by Reports belongs to.
func KeyOf(report string) string {
	return strings.TrimSuffix(filepath.Base(report), reportSuffix)
}
