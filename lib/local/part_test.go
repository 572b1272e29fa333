package local

import "testing"

func TestIsPart(t *testing.T) {
	if name := PartName([8]byte{0, 1, 0xff}); name != ".jget-0001ff0000000000.part" || !IsPart(name) {
		t.Errorf("PartName = %s, IsPart = %t", name, IsPart(name))
	}
	for _, name := range []string{"", ".jget-.part", ".jget-0001ff000000000.part", ".jget-0001ff00000000000.part", ".jget-0001FF0000000000.part",
		".jget-0001ff000000000g.part", ".jget-0001ff0000000000", "jget-0001ff0000000000.part", ".jget-0001ff0000000000.part.txt", ".jget-notes.part"} {
		if IsPart(name) {
			t.Errorf("IsPart(%q)", name)
		}
	}
}
