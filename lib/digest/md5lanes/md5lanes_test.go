package md5lanes

import (
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"testing"
)

// sums hashes messages of any lengths in lanes, pieces of at most step bytes at a
// time, as a caller would: a message that has ended makes room for the next.
func sums(messages [][]byte, step int) [][md5.Size]byte {
	type lane struct {
		index int
		rest  []byte
		state State
	}
	result := make([][md5.Size]byte, len(messages))
	var lanes []*lane
	next := 0
	for {
		for len(lanes) < Width && next < len(messages) {
			whole := append([]byte(nil), messages[next]...)
			lanes = append(lanes, &lane{index: next, rest: Pad(whole, int64(len(whole))), state: Initial})
			next++
		}
		if len(lanes) == 0 {
			return result
		}
		var states []*State
		var parts [][]byte
		for _, l := range lanes {
			states, parts = append(states, &l.state), append(parts, l.rest[:min(step, len(l.rest))])
		}
		n := Blocks(states, parts)
		var left []*lane
		for _, l := range lanes {
			if l.rest = l.rest[n:]; len(l.rest) == 0 {
				result[l.index] = l.state.Sum()
			} else {
				left = append(left, l)
			}
		}
		lanes = left
	}
}

func check(t *testing.T, messages [][]byte, step int) {
	t.Helper()
	for i, got := range sums(messages, step) {
		if want := md5.Sum(messages[i]); got != want {
			t.Errorf("message %d of %d, %d bytes, in pieces of %d: %x, want %x", i, len(messages), len(messages[i]), step, got, want)
		}
	}
}

// TestLengths: every length around the ends of blocks, in every lane.
func TestLengths(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var messages [][]byte
	for n := range 300 {
		messages = append(messages, randomBytes(random, n))
	}
	for _, step := range []int{64, 128, 1 << 20} {
		check(t, messages, step)
	}
}

// TestLanes: any number of lanes in use, with the messages at any address.
func TestLanes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for n := 1; n <= Width; n++ {
		var messages [][]byte
		for range n {
			messages = append(messages, randomBytes(random, random.IntN(100_000))[random.IntN(32):])
		}
		check(t, messages, 4096)
	}
}

// TestScalar: the way without vector registers, on every platform.
func TestScalar(t *testing.T) {
	message := randomBytes(rand.New(rand.NewPCG(5, 6)), 10_000)
	padded := Pad(append([]byte(nil), message...), int64(len(message)))
	s := Initial
	s.blocks(padded[:64])
	s.blocks(padded[64:])
	if got, want := s.Sum(), md5.Sum(message); got != want {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestPad(t *testing.T) {
	for n := range 200 {
		padded := Pad(make([]byte, n), int64(n))
		if len(padded)%BlockSize != 0 || len(padded)-n > MaxPad || len(padded) < n+9 {
			t.Errorf("%d bytes are padded to %d", n, len(padded))
		}
	}
}

// TestShortest: Blocks takes no more of any message than the shortest has.
func TestShortest(t *testing.T) {
	a, b := Initial, Initial
	if n := Blocks([]*State{&a, &b}, [][]byte{make([]byte, 200), make([]byte, 130)}); n != 128 {
		t.Errorf("took %d bytes, want 128", n)
	}
	if n := Blocks([]*State{&a, &b}, [][]byte{make([]byte, 200), make([]byte, 63)}); n != 0 {
		t.Errorf("took %d bytes, want 0", n)
	}
	if n := Blocks(nil, nil); n != 0 {
		t.Errorf("took %d bytes of nothing", n)
	}
}

// FuzzBlocks holds any messages against crypto/md5.
func FuzzBlocks(f *testing.F) {
	f.Add(uint64(1), 3, 1000, 64)
	f.Add(uint64(2), 40, 70, 128)
	f.Fuzz(func(t *testing.T, seed uint64, count, longest, step int) {
		if count < 0 || count > 50 || longest < 0 || longest > 5000 || step < BlockSize || step > 1<<20 {
			t.Skip()
		}
		random := rand.New(rand.NewPCG(seed, seed))
		var messages [][]byte
		for range count {
			messages = append(messages, randomBytes(random, random.IntN(longest+1)))
		}
		check(t, messages, step)
	})
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// BenchmarkBlocks shows what lanes buy, and from how many messages on.
func BenchmarkBlocks(b *testing.B) {
	const size = 64 << 10
	b.Run("crypto/md5", func(b *testing.B) {
		message := make([]byte, size)
		h := md5.New()
		b.SetBytes(size)
		for b.Loop() {
			h.Write(message)
		}
	})
	for _, n := range []int{1, 2, 3, 4, 8, 16} {
		b.Run(fmt.Sprintf("lanes=%d", n), func(b *testing.B) {
			var states []*State
			var messages [][]byte
			for range n {
				s := Initial
				states, messages = append(states, &s), append(messages, make([]byte, size))
			}
			b.SetBytes(int64(n) * size)
			for b.Loop() {
				Blocks(states, messages)
			}
		})
	}
}
