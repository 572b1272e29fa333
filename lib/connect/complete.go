package connect

import (
	"context"
	"os"
	"slices"
	"strings"

	"jottatools/lib/auth"
	"jottatools/lib/command"
	"jottatools/lib/jfs"
)

// RemotePaths returns the completions of the beginning of a remote path, from the service.
// It returns nothing if there is no login or no connection.
func RemotePaths(ctx context.Context, typed string) []string {
	client, err := Client(new(command.Env), 0)
	if err != nil {
		return nil
	}
	return remotePaths(ctx, client, typed)
}

func remotePaths(ctx context.Context, client *jfs.Client, typed string) []string {
	if typed == "" {
		typed = "/"
	}
	if typed[0] != '/' {
		return nil
	}
	dir := typed[:strings.LastIndexByte(typed, '/')+1]
	var found []string
	switch strings.Count(dir, "/") {
	case 1:
		devices, _ := client.Devices(ctx)
		for _, d := range devices {
			found = append(found, string(d.Path)+"/")
		}
	case 2:
		points, _ := client.MountPoints(ctx, jfs.Path(strings.TrimSuffix(dir, "/")))
		found = below(dir, points)
	default:
		if p, err := jfs.ParsePath(dir); err == nil {
			_, entries, _ := client.List(ctx, p)
			found = below(dir, entries)
		}
	}
	slices.Sort(found)
	return found
}

// below returns the paths of entries of a folder that can be reached by them.
func below(dir string, entries []jfs.Entry) []string {
	var found []string
	for _, e := range entries {
		switch {
		case e.Foreign || !e.Live():
		case e.Kind == jfs.KindFile:
			found = append(found, dir+e.Path)
		default:
			found = append(found, dir+e.Path+"/")
		}
	}
	return found
}

// Profiles returns the profiles that have a login.
func Profiles(context.Context, string) []string {
	names, _ := auth.Profiles(auth.StoreDir(os.Getenv))
	return names
}
