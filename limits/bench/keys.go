package main

import (
	"fmt"
	"strings"
)

const keySize = 14 // such as client-0000042

// keys are names of clients, as text and as bytes. They lie in one piece, so that
// to find one costs next to nothing.
type keys struct {
	joined string
	bytes  []byte
	// fresh has every text allocated anew, as an address in a request is, so that
	// whoever keeps it pays for it.
	fresh bool
}

func newKeys(n int) *keys {
	var b strings.Builder
	b.Grow(n * keySize)
	for i := range n {
		fmt.Fprintf(&b, "client-%07d", i)
	}
	return &keys{joined: b.String(), bytes: []byte(b.String())}
}

func (k *keys) count() int { return len(k.bytes) / keySize }

func (k *keys) text(i int) string {
	s := k.joined[i*keySize : (i+1)*keySize]
	if k.fresh {
		return strings.Clone(s)
	}
	return s
}

func (k *keys) slice(i int) []byte { return k.bytes[i*keySize : (i+1)*keySize] }
