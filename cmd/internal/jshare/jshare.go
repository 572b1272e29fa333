// Package jshare gives public links to files: it uploads them, shares them and prints the
// link.
//
// Usage:
//
//	jshare [--to REMOTE] [--replace] [--direct] [--qr] FILE…
//	jshare --remote REMOTE…
//	jshare --unshare REMOTE…
//	jshare --list
//
// On a terminal it prints links, in a pipe records.
package jshare

import (
	"context"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/digest"
	"jottatools/lib/jfs"
	"jottatools/lib/record"
	"jottatools/lib/share"
	"jottatools/lib/transfer"
)

const long = `Jshare uploads each FILE, makes it public, and prints its link. The link needs
no login and does not expire. It leads to a web page; with --direct it leads to
the file itself, for curl and similar programs.

Files go to /Jotta/Archive/Shared, or to the folder given with --to. (The service
also has a place called /Jotta/Shared, but it is for things that others share
with you, and you cannot store files there.) If the service already has a file
with the same MD5 and size, jshare does not send it. If the folder has another
file of the same name, jshare leaves it alone, because people with its link
would get the new file; with --replace it replaces the file.

With --remote, jshare shares files and folders that are already on the service;
a folder is downloaded as a ZIP. --unshare makes REMOTE private again, and its
link stops working. --list shows the shared files; the service does not list
shared folders.`

const example = `  jshare holiday.mp4
  jshare --qr --to /Jotta/Archive/for-anna *.jpg
  jshare --direct backup.tar.zst | jq -r '.link // empty'
  jshare --remote /Jotta/Archive/nas/Pictures/2025
  jshare --unshare /Jotta/Archive/Shared/holiday.mp4`

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jshare", "give public links to files")
	cmd.Online = true
	cmd.Long, cmd.Example, cmd.Args = long, example, "[FILE… | REMOTE…]"
	var o options
	f := cmd.Flags()
	f.StringVar(&o.to, "to", string(share.Dest), "upload into the folder `REMOTE`")
	f.BoolVar(&o.Replace, "replace", false, "replace other files of the same name")
	f.BoolVar(&o.remote, "remote", false, "share files and folders that are already on the service")
	f.BoolVar(&o.unshare, "unshare", false, "make shared files and folders private again")
	f.BoolVar(&o.list, "list", false, "list the shared files")
	f.BoolVar(&o.web, "web", false, "link to the web page (the default)")
	f.BoolVar(&o.Direct, "direct", false, "link to the file itself")
	f.BoolVar(&o.qr, "qr", false, "on a terminal, also show each link as a QR code")
	command.JobsVar(f, &o.jobs, 6, "upload at most `N` files at once")
	command.ParseVar(f, &o.bandwidth, transfer.ParseBandwidth, "bwlimit", "send at most `RATE` bytes a second: 512k, or a timetable")
	command.TPSVar(f, &o.tps)
	command.TimeoutVar(f, &o.timeout)
	cmd.CompleteFlag("to", connect.RemotePaths)
	return cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o) })
}

type options struct {
	share.Options
	to                        string
	remote, unshare, list, qr bool
	web                       bool
	jobs                      int
	tps                       float64
	timeout                   time.Duration
	bandwidth                 *transfer.Bandwidth
	paths                     []jfs.Path // of --remote and --unshare
}

// check refuses what makes no sense, and reads what has to be read.
func (o *options) check(env *command.Env) (err error) {
	modes := 0
	for _, mode := range []bool{o.remote, o.unshare, o.list} {
		if mode {
			modes++
		}
	}
	switch {
	case modes > 1:
		return command.Usagef("--remote, --unshare and --list exclude each other")
	case o.list && len(env.Args) > 0:
		return command.Usagef("--list is for the whole account; leave out %s", env.Args[0])
	case !o.list && len(env.Args) == 0:
		return command.Usagef("give the files to share, such as jshare holiday.mp4")
	case o.web && o.Direct:
		return command.Usagef("--web and --direct exclude each other")
	case o.qr && (o.unshare || !env.Watched()):
		return command.Usagef("--qr shows links on a terminal; leave it out here")
	case o.Replace && modes > 0:
		return command.Usagef("--replace is for files that are uploaded")
	}
	if o.To, err = jfs.ParsePath(o.to); err != nil {
		return command.Usagef("--to: %v", err)
	}
	switch o.To.MountPoint() {
	case "/Jotta/Shared", "/Jotta/Trash", "/Jotta/Links", "/Jotta/Latest":
		return command.Usagef("--to: the service takes no files in %s; give an ordinary folder, such as %s", o.To.MountPoint(), share.Dest)
	}
	if !o.remote && !o.unshare {
		return nil
	}
	for _, arg := range env.Args {
		p, err := jfs.ParsePath(arg)
		if err != nil {
			return command.Usagef("%v", err)
		}
		if p.Depth() < 3 {
			return command.Usagef("%s is a mount point, which cannot be shared; name a file or folder in it", p)
		}
		o.paths = append(o.paths, p)
	}
	return nil
}

func run(ctx context.Context, env *command.Env, o options) error {
	if err := o.check(env); err != nil {
		return err
	}
	client, err := connect.Within(env, o.tps, o.timeout)
	if err != nil {
		return err
	}
	if _, err := client.Customer(ctx); err != nil {
		return err
	}
	var linked []*record.Record
	if o.qr {
		o.Linked = func(r *record.Record) { linked = append(linked, r) }
	}
	switch {
	case o.list:
		err = env.Source(func(out *record.Writer) error { return share.List(ctx, out, client, o.Options) })
	case o.remote:
		err = env.Source(func(out *record.Writer) error { return share.Remote(ctx, o.paths, out, client, o.Options) })
	case o.unshare:
		err = env.Source(func(out *record.Writer) error { return share.Stop(ctx, o.paths, out, client) })
	default:
		err = o.upload(ctx, env, client)
	}
	for _, r := range linked {
		env.Printf("\n%s", r.Path)
		env.PrintQR(r.Link)
	}
	return err
}

// upload is the pipe of jshare: jhash and jput with something at either end.
func (o *options) upload(ctx context.Context, env *command.Env, client *jfs.Client) error {
	progress := env.Progress()
	return env.Chain(
		func(out *record.Writer) error { return share.Files(env.Args, out) },
		func(in *record.Reader, out *record.Writer) error {
			return digest.Records(ctx, out, in, digest.Options{Warn: env.Errorf, Info: env.Infof})
		},
		func(in *record.Reader, out *record.Writer) error { return share.Place(ctx, in, out, client, o.Options) },
		func(in *record.Reader, out *record.Writer) error {
			return transfer.Upload(ctx, in, out, client, transfer.UploadOptions{
				Jobs: o.jobs, Bandwidth: o.bandwidth, Expect: progress.Expect, Progress: progress.Add, NoMore: progress.ExpectNoMore,
			})
		},
		func(in *record.Reader, out *record.Writer) error { return share.Links(ctx, in, out, client, o.Options) },
	)
}
