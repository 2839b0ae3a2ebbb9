package proxy

import (
	"strings"
	"testing"
)

// TestPlainUntil puts every byte at every place of texts that are shorter and
// longer than a word.
func TestPlainUntil(t *testing.T) {
	for c := range 256 {
		isPlain := c >= 0x20 && c < 0x7f && c != '"' && c != '\\'
		for length := range 20 {
			for at := range length {
				for _, fill := range []string{" ", "~", "!", "[", "]", "#"} { // the neighbours of what is not
					b := []byte(strings.Repeat(fill, length))
					b[at] = byte(c)
					want := length
					if !isPlain {
						want = at
					}
					for from := range at + 1 {
						if got := plainUntil(b, from); got != want {
							t.Fatalf("%q from %d: %d, want %d", b, from, got, want)
						}
						if got := plainUntil(string(b), from); got != want {
							t.Fatalf("the string %q from %d: %d, want %d", b, from, got, want)
						}
					}
				}
			}
		}
	}
	if plainUntil("", 0) != 0 || plainUntil("\x00", 1) != 1 {
		t.Error("the end is not the end")
	}
}
