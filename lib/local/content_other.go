//go:build !linux

package local

import "io/fs"

func openContent(path string, ino uint64) (Content, fs.FileInfo, error) { return openListed(path, ino) }
