// Package config reads the settings that people have written down for all programs: the
// profile, the server, the service.
//
// Flags take precedence over the environment, and the environment over the file. The
// package holds no secrets: those are in the token store of package auth.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"jottatools/lib/local"
)

// Settings are what holds for one run.
type Settings struct {
	Profile  string // of the token store; empty: the default one
	Endpoint string // server of the user's own; empty: the service
	Service  string // brand that jlogin logs in at by browser; empty: none is named
	// UploadHosts are more hosts that the server may have content sent to, with commas
	// in between.
	UploadHosts string
}

// file is config.toml. Settings of a profile take precedence over common ones.
type file struct {
	Profile  string `toml:"profile"`
	Endpoint string `toml:"endpoint"`
	Service  string `toml:"service"`

	UploadHosts []string `toml:"upload_hosts"`

	Profiles map[string]struct {
		Endpoint string `toml:"endpoint"`
		Service  string `toml:"service"`

		UploadHosts []string `toml:"upload_hosts"`
	} `toml:"profiles"`
}

// Load returns the settings for a profile; empty means the one that the environment
// names, or else the file. A file that is not there is no error; one that makes no
// sense is, and the error says where.
func Load(profile string) (Settings, error) { return load(profile, os.Getenv) }

func load(profile string, getenv func(string) string) (Settings, error) {
	path := Path(getenv)
	var f file
	data, err := read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Settings{}, err
	}
	if err := parse(data, &f); err != nil {
		return Settings{}, fmt.Errorf("%s: %w", path, err)
	}
	s := Settings{Profile: cmp.Or(profile, getenv("JOTTA_PROFILE"), f.Profile)}
	own := f.Profiles[s.Profile]
	s.Endpoint = cmp.Or(getenv("JOTTA_ENDPOINT"), own.Endpoint, f.Endpoint)
	s.Service = cmp.Or(own.Service, f.Service)
	s.UploadHosts = cmp.Or(getenv("JOTTA_UPLOAD_HOSTS"), strings.Join(own.UploadHosts, ","), strings.Join(f.UploadHosts, ","))
	return s, nil
}

// maxConfig is the largest file that is read, in bytes.
const maxConfig = 1 << 20

func read(path string) ([]byte, error) {
	f, _, err := local.OpenRegular(path) // a FIFO would be waited for
	if errors.Is(err, local.ErrNotRegular) {
		return nil, fmt.Errorf("%w; write the settings to a file there, or remove it", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if len(data) > maxConfig {
		return nil, fmt.Errorf("%s has more than %d bytes: it is no configuration", path, maxConfig)
	}
	return data, err
}

// parse reads the file, and refuses what it does not know: it is a slip of the pen.
func parse(data []byte, f *file) error {
	d := toml.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(f)
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown) && len(unknown.Errors) > 0:
		row, _ := unknown.Errors[0].Position()
		return fmt.Errorf("line %d: there is no setting of this name; there are profile, endpoint, service, upload_hosts and [profiles.NAME] with the last three", row)
	case errors.As(err, &wrong):
		row, _ := wrong.Position()
		return fmt.Errorf("line %d: %w", row, err)
	}
	return err
}

// Path returns where the file is, whether or not it is there.
func Path(getenv func(string) string) string {
	dir := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // as the XDG specification has it
		home := getenv("HOME")
		if home == "" {
			home = getenv("USERPROFILE")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "jottatools", "config.toml")
}
