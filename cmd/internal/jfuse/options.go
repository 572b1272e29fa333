package jfuse

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/mount"
)

// system are the options of mount(8) that are handed to the system as they are.
var system = []string{"dev", "nodev", "suid", "nosuid", "exec", "noexec", "atime", "noatime", "sync", "dirsync", "nosymfollow"}

// ours are names that mount(8) has for flags.
var ours = map[string]string{"ro": "read-only=true", "rw": "read-only=false"}

// ignored mean something to those who mount, not to what is mounted.
var ignored = []string{"defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "_netdev", "nofail", "default_permissions", "relatime", "norelatime", "fsname", "subtype",
	"async", "diratime", "nodiratime", "strictatime", "nostrictatime", "lazytime", "nolazytime", "iversion", "noiversion", "silent", "loud",
	"mand", "nomand", "symfollow"}

// applyOptions reads what stands after -o, and returns what the system gets of it.
func applyOptions(cmd *command.Command, o *flags) ([]string, error) {
	var given []string
	for list := range slices.Values(o.o) {
		for option := range strings.SplitSeq(list, ",") {
			if option = strings.TrimSpace(option); option == "" {
				continue
			}
			if flag, ok := ours[option]; ok {
				option = flag
			}
			name, value, hasValue := strings.Cut(option, "=")
			flag := cmd.Flags().Lookup(name)
			switch {
			case slices.Contains(ignored, name), strings.HasPrefix(name, "x-"), strings.HasPrefix(name, "comment"):
			case option == "remount":
				return nil, command.Usagef("-o remount: a mount of jfuse keeps its options; unmount it, and mount it with others")
			case option == "nosymfollow" && os.Geteuid() != 0:
				return nil, command.Usagef("-o nosymfollow: only root can mount so; leave it out")
			case slices.Contains(system, option):
				given = append(given, option)
			case option == "allow_other":
				o.AllowOther = true
			case option == "nonempty":
				o.nonEmpty = true
			case option == "debug":
				o.Debug = true
			case flag == nil || name == "options" || name == "daemon":
				return nil, command.Usagef("-o %s: there is no such option", option)
			default:
				if !hasValue {
					value = "true"
				}
				if err := flag.Value.Set(value); err != nil {
					return nil, command.Usagef("-o %s: %v", option, err)
				}
			}
		}
	}
	return given, nil
}

// choices reads the flags that have few values.
func (o *flags) choices() error {
	umask, err := strconv.ParseUint(o.umask, 8, 32)
	if err != nil || umask > 0o777 {
		return command.Usagef("--umask %s is not an octal number such as 022", o.umask)
	}
	o.Umask = uint32(umask)
	o.Symlinks = mount.Symlinks(o.follow)
	switch o.Symlinks {
	case mount.SymlinksRefuse, mount.SymlinksUpload, mount.SymlinksLinks:
	default:
		return command.Usagef("--symlinks knows refuse, upload and links, not %q", o.follow)
	}
	switch o.fsync {
	case "service", "local":
		o.FsyncLocal = o.fsync == "local"
	default:
		return command.Usagef("--fsync knows service and local, not %q", o.fsync)
	}
	switch o.chmod {
	case "ignore", "refuse":
		o.RefuseChmod = o.chmod == "refuse"
	default:
		return command.Usagef("--chmod knows ignore and refuse, not %q", o.chmod)
	}
	return nil
}

// accountDir returns the name of the folders of an account.
func accountDir(endpoint, profile string) string {
	name := sha256.Sum256([]byte(endpoint + "\n" + profile + "\n" + os.Getenv("JOTTACLOUD_USERNAME")))
	return "jfuse-" + hex.EncodeToString(name[:6])
}

// findDirs completes the folders of spool and cache: one of each for a login, so
// that the next mount with it finds them, wherever it is mounted.
func (o *flags) findDirs(env *command.Env) error {
	settings, err := connect.Settings("")
	if err != nil {
		return err
	}
	account := accountDir(settings.Endpoint, settings.Profile)
	for _, d := range []struct {
		dir      *string
		variable string
		home     string
	}{{&o.SpoolDir, "XDG_STATE_HOME", ".local/state"}, {&o.CacheDir, "XDG_CACHE_HOME", ".cache"}} {
		var err error
		if *d.dir == "" {
			top := os.Getenv(d.variable)
			if top == "" {
				home, err := os.UserHomeDir()
				if err != nil {
					return fmt.Errorf("find a place for files; set %s or HOME: %w", d.variable, err)
				}
				top = filepath.Join(home, d.home)
			}
			*d.dir = filepath.Join(top, "jottatools", account)
			if d.dir == &o.SpoolDir {
				tellOfOther(env, *d.dir)
			}
		}
		if *d.dir, err = filepath.Abs(*d.dir); err != nil {
			return err
		}
	}
	return nil
}

// tellOfOther says so if the first mount that uses a spool leaves another one with
// files in it that the environment alone would have led to: config.toml has named
// a profile or a server since.
func tellOfOther(env *command.Env, spool string) {
	other := filepath.Join(filepath.Dir(spool), accountDir(os.Getenv("JOTTA_ENDPOINT"), os.Getenv("JOTTA_PROFILE")))
	left, _ := filepath.Glob(filepath.Join(other, "*.data"))
	if _, err := os.Stat(spool); other != spool && len(left) > 0 && errors.Is(err, fs.ErrNotExist) {
		env.Errorf("%s still has files to upload, from before config.toml named this profile or server; a mount with --spool-dir %s goes on with them", other, other)
	}
}
