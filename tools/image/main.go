// Image packs trees of files into one container image for several machines, without a
// container engine. Packed again from the same trees, it is the same to the byte.
//
// Usage:
//
//	image -o FILE.tar -version VERSION ARCH=DIR…
//
// FILE.tar is an OCI image layout, such as podman and skopeo read (oci-archive:FILE.tar).
// SOURCE_DATE_EPOCH says when it was made.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("image: ")
	out := flag.String("o", "", "write the image to `FILE`")
	version := flag.String("version", "", "the version of what is in it")
	flag.Parse()
	if *out == "" || flag.NArg() == 0 {
		log.Fatal("usage: image -o FILE.tar -version VERSION ARCH=DIR…")
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		log.Fatalf("SOURCE_DATE_EPOCH: %v", err)
	}
	if err := write(*out, *version, time.Unix(seconds, 0).UTC(), flag.Args()); err != nil {
		log.Fatal(err)
	}
}

// write writes an image for all trees to a file.
func write(name, version string, made time.Time, trees []string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, tree := range trees {
		arch, dir, found := strings.Cut(tree, "=")
		if !found {
			return fmt.Errorf("%s: say ARCH=DIR", tree)
		}
		platform := &v1.Platform{OS: "linux", Architecture: arch}
		if v, arm := strings.CutPrefix(arch, "arm"); arm && v != "64" {
			platform.Architecture, platform.Variant = "arm", "v"+v
		}
		image, err := imageOf(dir, version, made, platform)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	// One image with a name, which may be for several machines.
	named := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index, Descriptor: v1.Descriptor{
		Annotations: map[string]string{"org.opencontainers.image.ref.name": version},
	}})
	work, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if _, err := layout.Write(work, named); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(pack(f, work, made), f.Close())
}

// imageOf returns an image of the tree in dir. Its programs run as nobody in particular.
func imageOf(dir, version string, made time.Time, platform *v1.Platform) (v1.Image, error) {
	var files bytes.Buffer
	if err := pack(&files, dir, made); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: made}, CreatedBy: "scripts/package"}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created = v1.Time{Time: made}
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Config = v1.Config{
		User:       "65532:65532",
		WorkingDir: "/data",
		Env:        []string{"PATH=/usr/bin", "HOME=/data"},
		Entrypoint: []string{"/usr/bin/jotta"},
		Cmd:        []string{"--help"},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "jottatools",
			"org.opencontainers.image.version":  version,
			"org.opencontainers.image.licenses": "MIT",
		},
	}
	return mutate.ConfigFile(image, config)
}

// pack writes what is beneath dir as a tar, in the order of names, all of one time.
func pack(w io.Writer, dir string, made time.Time) error {
	tw := tar.NewWriter(w)
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(name); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		owner := 0
		if relative == "data" {
			owner = 65532
		}
		*h = tar.Header{Typeflag: h.Typeflag, Name: filepath.ToSlash(relative), Linkname: h.Linkname, Size: h.Size, Mode: h.Mode & 0o1777, Uid: owner, Gid: owner, ModTime: made, Format: tar.FormatUSTAR}
		if info.IsDir() {
			h.Name += "/"
		}
		if err := tw.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(tw, f)
		return err
	})
	if err != nil {
		return err
	}
	return tw.Close()
}
