package nethttp

import (
	"bytes"
	"net"
	"testing"
)

// prompt is a connection to a client who answers within the write.
type prompt struct {
	net.Conn
	in     bytes.Buffer
	answer func()
}

func (c *prompt) Read(p []byte) (int, error) { return c.in.Read(p) }

func (c *prompt) Write(p []byte) (int, error) {
	c.answer()
	return len(p), nil
}

// TestPromptTakings: a client that tells that it has taken a piece before the one who has
// written it comes to note that has wasted nothing.
func TestPromptTakings(t *testing.T) {
	c := &prompt{}
	w := watch(c, 1, 0, func(f frame) { t.Errorf("%+v is too much", f) })
	read := func() {
		if _, err := w.Read(make([]byte, 1<<10)); err != nil {
			t.Error(err)
		}
	}
	c.in.Write(clientPreface)
	read()
	taken := []byte{0, 0, 4, frameWindowUpdate, 0, 0, 0, 0, 1, 0, 0, 40, 0}
	c.answer = func() {
		c.in.Write(taken)
		c.in.Write(taken)
		read()
	}
	piece := append([]byte{0, 40, 0, frameData, 0, 0, 0, 0, 1}, make([]byte, 40<<8)...)
	for range 10 {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
}
