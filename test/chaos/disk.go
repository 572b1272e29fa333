package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"jottatools/test/plain"
)

// disk is a file system that is mounted in the tree of the first machine, and is not at
// times. What it holds outlives that, as on a disk that is switched off.
type disk struct {
	able   bool  // this machine lets us mount; if not, nothing is ever there
	tree   *tree // what it holds
	in     *tree // what it is mounted in
	place  place
	parted bool // a person says that it will not come back
	known  bool // the job must remember it, unless its state is lost
	pushed bool // also then
}

// place is where a disk is.
type place int

const (
	elsewhere place = iota // never seen, or given up
	mounted
	away
)

// slot is the folder that the disk is mounted in.
const slot = "disk"

func onDisk(path string) bool {
	return lower(path) == slot || strings.HasPrefix(lower(path), slot+"/")
}

// newDisk makes a disk. It is a tmpfs of its own: what is bound from the same file system
// is no mount to whoever asks for the device.
func newDisk(dir string, in *tree) (*disk, error) {
	platter := filepath.Join(dir, "platter")
	d := &disk{tree: newTree(filepath.Join(platter, "files"), "", maxCompany), in: in}
	if err := os.Mkdir(platter, 0o755); err != nil {
		return nil, err
	}
	if runtime.GOOS == "linux" && os.Geteuid() == 0 {
		d.able = mount("-t", "tmpfs", "-o", "size=256m", "tmpfs", platter) == nil
	}
	if err := d.tree.plant(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func mount(args ...string) error {
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("mount %q: %w: %s", args, err, out)
	}
	return nil
}

func (d *disk) slot() string { return d.in.abs(slot) }

// mount puts the disk into its folder.
func (d *disk) mount() error {
	d.place = mounted
	if !d.able {
		return nil
	}
	return errors.Join(os.MkdirAll(d.slot(), 0o755), mount("--bind", d.tree.dir, d.slot()))
}

// unmount takes it out.
func (d *disk) unmount() error {
	d.place = away
	if !d.able {
		return nil
	}
	if out, err := exec.Command("umount", d.slot()).CombinedOutput(); err != nil {
		return fmt.Errorf("umount %s: %w: %s", d.slot(), err, out)
	}
	return nil
}

// close unmounts all, whatever has failed before.
func (d *disk) close() {
	if !d.able {
		return
	}
	for _, dir := range []string{d.slot(), filepath.Join(d.in.dir+".away", slot), filepath.Dir(d.tree.dir)} {
		exec.Command("umount", "-l", dir).Run() // mostly nothing is mounted there
	}
	d.able = false
}

// disks does something to the disk: it comes, is written to, and goes.
func (w *world) disks(dice *rand.Rand) error {
	d := w.disk
	writes := 1 + dice.IntN(5)
	for range writes {
		what, err := d.tree.edit(dice)
		if err != nil {
			return err
		}
		w.say("  on the disk: %s", what)
	}
	fate := dice.IntN(6)
	switch {
	case d.parted:
		return nil
	case d.place != mounted:
		w.say("  the disk is mounted")
		return d.mount()
	case fate == 0:
		return nil
	case fate == 1:
		w.say("  the disk is unmounted for good")
		d.parted = true
	default:
		w.say("  the disk is unmounted")
	}
	w.blind = true // a run that does not see the disk has no digests of it in its cache
	if err := d.unmount(); err != nil || !d.able {
		return err
	}
	switch {
	case d.parted || fate == 2: // as what mounts disks in /media does
		return os.RemoveAll(d.slot())
	case fate == 3:
		return os.WriteFile(filepath.Join(d.slot(), astray), []byte("written beneath\n"), 0o644)
	}
	return nil
}

// astray is the name of what somebody writes where the disk is missing.
const astray = "written beneath"

// comesBack mounts the disk, unless it is given up.
func (w *world) comesBack() error {
	d := w.disk
	if d.place != away || d.parted {
		return nil
	}
	return d.mount()
}

// ran takes note that a run of the job has seen the disk where it is.
func (d *disk) ran(done bool) {
	switch {
	case d.place == mounted:
		d.known, d.pushed = d.able, d.able && (done || d.pushed)
	case d.parted && done:
		d.place, d.parted, d.known, d.pushed = elsewhere, false, false, false
	}
}

// spared returns an error if a run has deleted, or changed, what is stored of a disk
// that is not there, or says that all is well.
func (d *disk) spared(code int, before, after map[string]plain.Entry) error {
	if d.place != away || !d.known {
		return nil
	}
	had, files := map[string]plain.Entry{}, 0
	for path, e := range before {
		if !onDisk(path) || path == slot+"/"+astray {
			continue
		}
		had[path] = e
		if !e.Dir {
			files++
		}
	}
	if files > 0 && code == 0 {
		return errors.New("the disk is not mounted, and jottasync exits with 0")
	}
	if err := unchanged(had, after); err != nil {
		return fmt.Errorf("the disk is not mounted, and of what was stored of it %w", err)
	}
	return nil
}
