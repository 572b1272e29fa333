//go:build !unix

package chunks

import "io/fs"

func diskUsage(fi fs.FileInfo) int64 { return fi.Size() }
