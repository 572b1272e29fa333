// Package md5lanes computes the MD5 of up to sixteen messages at the same time.
//
// Each step of MD5 needs the one before, so a processor that hashes one message
// spends most of its time waiting. Its vector registers can perform the same step for
// sixteen messages at once. With AVX2 that is five times as fast, as BenchmarkBlocks
// shows; from two messages on it is faster than one after the other. Without AVX2,
// crypto/md5 hashes the messages in turn.
//
// The package knows blocks and states only. Its callers split messages into blocks,
// and end each message with [Pad].
package md5lanes

import (
	"crypto/md5"
	"encoding"
	"encoding/binary"
	"hash"
	"sync"
)

const (
	// Width is how many messages are hashed at once at most.
	Width = 16
	// BlockSize is what MD5 takes at a time, in bytes.
	BlockSize = md5.BlockSize
	// MaxPad is the most that Pad appends, in bytes.
	MaxPad = BlockSize + 8
)

// State is the MD5 of a message so far, between two blocks.
type State [4]uint32

// Initial is the state of a message of which nothing has been read.
var Initial = State{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}

// Sum returns the digest, once the whole message and its padding are in the state.
func (s *State) Sum() (sum [md5.Size]byte) {
	for i, word := range s {
		binary.LittleEndian.PutUint32(sum[4*i:], word)
	}
	return sum
}

// Pad appends what ends a message of length bytes to its last part, which begins
// at a block.
func Pad(last []byte, length int64) []byte {
	last = append(last, 0x80)
	zeros := (BlockSize + 56 - len(last)%BlockSize) % BlockSize
	last = append(last, make([]byte, zeros)...)
	return binary.LittleEndian.AppendUint64(last, uint64(length)<<3)
}

// Blocks adds to each state as many blocks of its message as the shortest of the
// messages has, and returns how many bytes of each these are. There are at most
// Width messages.
func Blocks(states []*State, messages [][]byte) int {
	if len(messages) == 0 {
		return 0
	}
	n := len(messages[0])
	for _, m := range messages[1:] {
		n = min(n, len(m))
	}
	n -= n % BlockSize
	switch {
	case n == 0:
	case Parallel() && len(messages) >= fewest:
		together(states, messages, n)
	default:
		for i, s := range states {
			s.blocks(messages[i][:n])
		}
	}
	return n
}

// fewest is how many messages take less time together than one after the other: the
// lanes take as long for one as for all of them, 2.6 times as long as one message by
// itself on an AMD EPYC (BenchmarkBlocks).
const fewest = 3

// together hashes the messages in the lanes of vector registers. Lanes that are
// left over hash the first message once more, to no end.
func together(states []*State, messages [][]byte, n int) {
	var lanes [4][Width]uint32
	var starts [Width]*byte
	for i := range Width {
		starts[i] = &messages[0][0]
	}
	for i, s := range states {
		starts[i] = &messages[i][0]
		for word := range s {
			lanes[word][i] = s[word]
		}
	}
	blocks16(&lanes, &starts, n)
	for i, s := range states {
		for word := range s {
			s[word] = lanes[word][i]
		}
	}
}

// magic is what the state of a crypto/md5 hash begins with once it is written
// down. That form is kept from one version of Go to the next, and a test notices.
const magic = "md5\x01"

// scalar holds hashes for use, since each is an allocation.
var scalar = sync.Pool{New: func() any { return md5.New() }}

// blocks adds whole blocks to a state, by crypto/md5.
func (s *State) blocks(p []byte) {
	var room [len(magic) + md5.Size + md5.BlockSize + 8]byte
	written := append(room[:0], magic...)
	for _, word := range s {
		written = binary.BigEndian.AppendUint32(written, word)
	}
	h := scalar.Get().(hash.Hash)
	defer scalar.Put(h)
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(room[:]); err != nil {
		panic(err) // a state that we wrote
	}
	h.Write(p)
	written, err := h.(encoding.BinaryAppender).AppendBinary(room[:0])
	if err != nil {
		panic(err)
	}
	for i := range s {
		s[i] = binary.BigEndian.Uint32(written[len(magic)+4*i:])
	}
}
