package loopback

import "net"

// Nobody returns an address at which nobody listens, and nobody can until the test
// ends: it is the near end of a connection. A port that was given back instead may be
// given to another test at any time.
func Nobody(t TB) string {
	t.Helper()
	ln := Listen(t)
	t.Cleanup(func() { ln.Close() })
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}
