package jjob

import (
	"path/filepath"
	"strings"

	"jottatools/lib/auth"
	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/jfs"
	"jottatools/lib/job"
)

// Kinds of jobs; a backup and a restore of the same folders are two jobs.
const (
	kindSync    = "sync"
	kindRestore = "restore"
)

// identity is which job it is.
type identity struct {
	source string // the local folder, absolute
	dest   jfs.Path
	key    string // the name of its files
}

// identify returns the job of a local folder and a remote one. Symbolic links in source
// stay. Without a remote folder it is /Jotta/Archive/HOST/SOURCE.
func identify(kind string, ofThisMachine bool, source, remote string) (identity, error) {
	source, err := job.Source(source)
	if err != nil {
		return identity{}, err
	}
	if remote == "" {
		host, err := job.Host()
		if err != nil || host == "" {
			return identity{}, command.Usagef("this machine has no name to make a remote folder of; name one")
		}
		remote = "/Jotta/Archive/" + host + filepath.ToSlash(source)
	}
	dest, err := jfs.ParsePath(remote)
	switch {
	case err != nil:
		return identity{}, command.Usagef("DEST: %v", err)
	case dest.Reserved():
		return identity{}, command.Usagef("DEST: %s is where jobs leave their marks; name another folder", dest)
	}
	account, err := account(ofThisMachine)
	if err != nil {
		return identity{}, err
	}
	return identity{source, dest, job.Key(kind, account, source, dest)}, nil
}

// account returns what tells the account that the environment and the configuration
// choose from others. It asks nobody.
func account(ofThisMachine bool) (string, error) {
	if ofThisMachine {
		return "local", nil
	}
	settings, err := connect.Settings("")
	if err != nil {
		return "", err
	}
	user := ""
	if credentials, err := auth.Find(connect.Login(settings)); err == nil {
		if basic, ok := credentials.(*auth.Basic); ok {
			user = basic.User()
		}
	}
	return strings.Join([]string{settings.Profile, settings.Endpoint, user}, "\x00"), nil
}
