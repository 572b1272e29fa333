package local

import (
	"encoding/hex"
	"strings"
)

const (
	partPrefix = ".jget-"
	partSuffix = ".part"
	partID     = 8 // bytes
)

// PartName returns the name of a file on its way from the service, which is put
// beside its place until it is whole.
func PartName(id [partID]byte) string { return partPrefix + hex.EncodeToString(id[:]) + partSuffix }

// IsPart reports whether name is that of a file on its way, so that it is not taken
// for a file of the user when it is left behind.
func IsPart(name string) bool {
	id, ok := strings.CutPrefix(name, partPrefix)
	if !ok {
		return false
	}
	id, ok = strings.CutSuffix(id, partSuffix)
	return ok && len(id) == 2*partID && strings.Trim(id, "0123456789abcdef") == ""
}
