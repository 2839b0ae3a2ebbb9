package http1_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/lictor/lictor/proxy/trial/loopback"
)

// A body that turns out to be broken ends the wait for an answer that will never
// come, whichever of the two happens first. The route's timeout is as long as the
// test's loopback.Patience, so a wake-up that is lost shows.
func TestBrokenBodyEndsTheWait(t *testing.T) {
	t.Parallel()
	conformance(t, func(t *testing.T, e engine) {
		addr := loopback.Instance(t, sniffing{loopback.Listen(t)}, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the gateway breaks it off
		})
		g := startGateway(t, e, nil, addr)
		for range 300 {
			c := g.dial()
			c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n")
			if resp, body := c.response(http.MethodPost); resp.StatusCode != http.StatusBadRequest {
				t.Fatalf("%s: %s", resp.Status, body)
			}
			c.Close()
		}
	})
}
