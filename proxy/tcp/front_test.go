package tcp

import (
	"errors"
	"net"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// TestFrontOutlastsItsListener: who has been let in before the listener was closed is
// handed on, however long the ClientHello takes, and only then is there nobody any
// more.
func TestFrontOutlastsItsListener(t *testing.T) {
	_, e, route := world(t)
	route("a.example")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := e.NewFront(ln, ListenerOptions{Listener: &proxy.Listener{Name: "l"}})
	t.Cleanup(func() { f.Close() })
	raw := message(serverNames("elsewhere.example"))
	slow, quick := dial(t, ln.Addr()), dial(t, ln.Addr())
	if _, err := slow.Write(raw[:20]); err != nil {
		t.Fatal(err)
	}
	if _, err := quick.Write(raw); err != nil { // connected last: both have been let in
		t.Fatal(err)
	}
	c, err := f.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()

	ln.Close()
	if _, err := slow.Write(raw[20:]); err != nil {
		t.Fatal(err)
	}
	if c, err = f.Accept(); err != nil {
		t.Fatalf("who was let in before is turned away: %v", err)
	}
	got := make([]byte, len(raw))
	if n, err := c.Read(got); err != nil || string(got[:n]) != string(raw) {
		t.Errorf("it said %q, %v", got[:n], err)
	}
	c.Close()
	if _, err := f.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("in the end: %v", err)
	}
}
