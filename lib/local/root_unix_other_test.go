//go:build unix && !linux

package local

import "testing"

func ways(t *testing.T, test func(*testing.T)) { t.Run("part by part", test) }
