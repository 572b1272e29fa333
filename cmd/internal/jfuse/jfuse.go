// Package jfuse mounts the account as a folder.
//
// Usage:
//
//	jfuse [flags] DIR
//	jfuse status [--json] DIR
//
// It stays in the foreground until it is told to stop or somebody unmounts DIR,
// unless --daemon sends it into the background.
package jfuse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/mount"
	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
)

const long = `Jfuse mounts the account at DIR. Devices and mount points are folders there, and
any program can read and write the files in them. Jfuse ends when DIR is
unmounted (fusermount3 -u DIR) or at SIGINT or SIGTERM; a second signal ends it
at once. You can write files anywhere except directly in a device. Jfuse cannot
make mount points.

Jfuse writes files to a spool on local disk, and uploads each one --write-back
after it was closed. A closed file is safe in the spool, even from kill -9 and
power cuts: the next mount continues the upload. Jfuse repeats an upload that
fails. If the service refuses a file for good, jfuse keeps it and reports it.
fsync returns when the service has the file (with --fsync=local, when the disk
has it). "jfuse status DIR" shows the files that are not uploaded yet.

Jfuse keeps file data that was read in a cache on local disk, up to --cache-size,
also for the next mount. It reuses a listing for --dir-ttl, so changes made
elsewhere appear after that time.

Removed files go to the trash (with --hard-delete, they are deleted for good).
DIR/DEVICE/MOUNTPOINT/.trash shows the trash, and FILE@revN is revision N of FILE;
no listing shows either. The service keeps no owners and no permissions: all
files belong to the user who mounts, and chmod and chown change nothing (with
--chmod=refuse, they fail). The service keeps times to the second and ignores
letter case in names. It has no links: --symlinks says how to treat symbolic
links, and hard links cannot be made.

Attributes: user.jotta.md5, .state, .revision and .publicurl. Set the last one to
share the file (setfattr -n user.jotta.publicurl -v 1 FILE).

Options after -o are those of mount(8), or flags without their dashes:
-o allow_other,uid=1000,cache-size=1G. Without -o nonempty, DIR must be empty.
In /etc/fstab, with mount.fuse.jfuse in /sbin:
  jfuse  /media/jotta  fuse.jfuse  _netdev,allow_other,env=/etc/jfuse.env  0  0

Jfuse finds the login in the same way as the other programs. JOTTA_ENDPOINT names
another server.`

const example = `  jfuse ~/jotta
  jfuse --daemon --cache-size 20G --bwlimit "08:00,512k 23:00,off" ~/jotta
  jfuse status ~/jotta
  fusermount3 -u ~/jotta`

// flags are those that are not options of the mount as they are.
type flags struct {
	mount.Options
	daemon, json         bool
	nonEmpty             bool // DIR may hold something
	o                    []string
	logFile              string
	cacheDir, spoolDir   string
	tps                  float64
	chmod, fsync, follow string
	umask                string
	drain                time.Duration
}

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jfuse", "mount the account as a folder")
	cmd.Online = true
	cmd.Long, cmd.Example, cmd.Args = long, example, "DIR | status DIR"
	o := flags{Options: mount.Options{CacheSize: 10 << 30}}
	f := cmd.Flags()
	f.StringArrayVarP(&o.o, "options", "o", nil, "options of mount(8), or flags without dashes: `NAME[=VALUE],…`")
	f.BoolVar(&o.daemon, "daemon", false, "go into the background once mounted")
	f.StringVar(&o.logFile, "log-file", "", "with --daemon, append messages to `FILE`")
	command.SizeVar(f, &o.CacheSize, "cache-size", "keep at most `SIZE` of file data in the cache")
	f.StringVar(&o.cacheDir, "cache-dir", "", "keep the cache in `DIR`, not in $XDG_CACHE_HOME/jottatools")
	f.StringVar(&o.spoolDir, "spool-dir", "", "keep the spool in `DIR`, not in $XDG_STATE_HOME/jottatools")
	f.DurationVar(&o.DirTTL, "dir-ttl", time.Minute, "reuse a listing for `DURATION`")
	f.DurationVar(&o.Timeout, "timeout", time.Minute, "fail with EIO if the service does not answer for `DURATION`")
	f.DurationVar(&o.WriteBack, "write-back", 5*time.Second, "upload a file `DURATION` after it was closed")
	f.DurationVar(&o.drain, "drain", 30*time.Second, "at the end, go on uploading for at most `DURATION`")
	f.StringVar(&o.fsync, "fsync", "service", "fsync waits for `WHAT`: service, or local (the disk)")
	command.JobsVar(f, &o.Jobs, 6, "upload at most `N` files at once")
	command.ParseVar(f, &o.Bandwidth, transfer.ParseBandwidth, "bwlimit", "send at most `RATE` bytes a second: 512k, or a timetable")
	command.TPSVar(f, &o.tps)
	f.BoolVar(&o.ReadOnly, "read-only", false, "change nothing")
	f.BoolVar(&o.HardDelete, "hard-delete", false, "delete for good, not into the trash")
	f.StringVar(&o.follow, "symlinks", "refuse", "handle new symbolic links `HOW`: refuse them, upload their targets (upload), or store them as small files (links)")
	f.StringVar(&o.chmod, "chmod", "ignore", "handle chmod and chown `HOW`: ignore or refuse")
	f.BoolVar(&o.Junk, "junk", false, "accept .DS_Store, ._* and similar files")
	f.StringVar(&o.umask, "umask", "022", "remove the permissions in `MASK`")
	f.Uint32Var(&o.UID, "uid", uint32(max(os.Getuid(), 0)), "make user `N` the owner of everything")
	f.Uint32Var(&o.GID, "gid", uint32(max(os.Getgid(), 0)), "make group `N` the group of everything")
	f.BoolVar(&o.json, "json", false, "with status: print JSON")
	cmd.CompleteValues("fsync", "service", "local")
	cmd.CompleteValues("symlinks", "refuse", "upload", "links")
	cmd.CompleteValues("chmod", "ignore", "refuse")
	return cmd.Main(func(ctx context.Context, env *command.Env) error {
		if len(env.Args) > 0 && env.Args[0] == "status" {
			return status(env, env.Args[1:], o.json)
		}
		system, err := applyOptions(cmd, &o)
		if err != nil {
			return err
		}
		o.System = system
		return run(ctx, env, &o)
	})
}

func run(ctx context.Context, env *command.Env, o *flags) error {
	if len(env.Args) != 1 {
		return command.Usagef("name one folder to mount at")
	}
	if err := o.check(env, env.Args[0]); err != nil {
		return err
	}
	client, err := connect.Client(env, o.tps)
	if err != nil {
		return err
	}
	if o.daemon && !command.Detached() {
		return env.Detach()
	}
	o.Warn, o.Info = env.Errorf, env.Infof
	m, err := mount.Mount(client, o.Options)
	if errors.Is(err, spool.ErrInUse) {
		return command.Exit(command.ExitBusy, fmt.Errorf("%w; unmount that, or give this mount another --spool-dir and --cache-dir", err))
	}
	if err != nil {
		return err
	}
	env.Infof("mounted at %s", o.Dir)
	if err := command.Ready(o.logFile); err != nil {
		return errors.Join(err, m.Close(0))
	}
	select {
	case <-ctx.Done():
	case <-m.Done():
	}
	command.Notify("STOPPING=1")
	return m.Close(o.drain)
}

// check completes the options of the mount.
func (o *flags) check(env *command.Env, dir string) error {
	if err := mount.CheckDir(dir, o.nonEmpty); err != nil {
		return command.Usagef("%v", err)
	}
	var err error
	if o.Dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	o.CacheDir, o.SpoolDir = o.cacheDir, o.spoolDir
	if err := o.findDirs(env); err != nil {
		return err
	}
	switch {
	case o.Timeout <= 0:
		return command.Usagef("--timeout must be more than 0, not %v", o.Timeout)
	case o.DirTTL < 0 || o.WriteBack < 0 || o.drain < 0:
		return command.Usagef("--dir-ttl, --write-back and --drain must not be negative")
	}
	return o.choices()
}

// status prints how the mount at a folder is. The exit code says whether somebody has
// to see to it.
func status(env *command.Env, args []string, asJSON bool) error {
	if len(args) != 1 {
		return command.Usagef("name the folder of one mount: jfuse status DIR")
	}
	s, err := mount.ReadStatus(args[0])
	if errors.Is(err, mount.ErrNoMount) {
		return command.Usagef("%v", err)
	}
	if err != nil {
		return err
	}
	if asJSON {
		err = env.PrintJSON(s, "  ")
	} else {
		printStatus(env, s)
	}
	switch {
	case s.LoginError != "":
		err = errors.Join(err, command.Exit(command.ExitAuth, errors.New(s.LoginError)))
	case s.State == mount.StateAway:
		err = errors.Join(err, command.Exit(command.ExitTemporary, errors.New("the service does not answer")))
	case s.State == mount.StateFull:
		err = errors.Join(err, command.Exit(command.ExitPartial, errors.New("the account is full; what waits is stored once there is space")))
	case s.Failed > 0:
		err = errors.Join(err, command.Exit(command.ExitPartial, fmt.Errorf("%s cannot be uploaded", record.Count(int64(s.Failed), "file", "files"))))
	}
	return err
}

func printStatus(env *command.Env, s *mount.Status) {
	size := command.FormatSize
	env.Printf("mounted      since %s, process %d", record.LocalTime(s.Since), s.PID)
	env.Printf("state        %s", s.State)
	here := ""
	if s.SpoolBytes < s.PendingBytes {
		here = fmt.Sprintf(", %s of them changed here", size(s.SpoolBytes))
	}
	env.Printf("to upload    %s, %s%s; %d under way, %d refused", record.Count(int64(s.Pending), "file", "files"), size(s.PendingBytes), here, s.Uploading, s.Failed)
	for _, f := range s.Files {
		env.Printf("             %10s  %s%s", size(f.Size), f.Path, trouble(f))
	}
	if s.Conflicts > 0 {
		env.Printf("conflicts    %d; what was written here is beside what somebody else stored:", s.Conflicts)
		for _, name := range s.ConflictFiles {
			env.Printf("             %s", name)
		}
	}
	env.Printf("cache        %s of %s", size(s.CacheBytes), size(s.CacheLimit))
	if s.LastError != "" {
		env.Printf("last error   %s  %s", record.LocalTime(s.LastErrorAt), s.LastError)
	}
}

func trouble(f mount.PendingFile) string {
	if f.Error == "" {
		return ""
	}
	return ": " + f.Error
}
