//go:build !linux

package local

import "io/fs"

// OpenContent is OpenRegular.
func (r *Root) OpenContent(path string) (Content, fs.FileInfo, error) {
	return asContent(r.OpenRegular(path))
}
