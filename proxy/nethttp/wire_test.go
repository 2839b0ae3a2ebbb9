package nethttp_test

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy/trial/loopback"
)

// TestWire has what this engine makes of a request in its own way: a query may have
// octets beyond ASCII, and what the client says of trailers goes no further.
func TestWire(t *testing.T) {
	heads := make(chan string, 1)
	g := startGateway(t, nil, loopback.Raw(t, loopback.Listen(t), func(_ int, c net.Conn, r *bufio.Reader) {
		h, err := loopback.ReadHead(r)
		if err != nil {
			return
		}
		heads <- h
		_, _ = c.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
	}))
	r := loopback.NewRequest(t, "GET", g.URL+"/", nil)
	r.URL.RawQuery = "x=\xc3\xa9"
	r.Header.Set("TE", "trailers")
	if resp, _ := loopback.Do(t, newClient(t, nil), r); resp.StatusCode != http.StatusNoContent {
		t.Errorf("got %s", resp.Status)
	}
	head := loopback.Await(t, "the head", heads)
	if !strings.HasPrefix(head, "GET /?x=\xc3\xa9 HTTP/1.1\r\n") || strings.Contains(strings.ToLower(head), "\r\nte:") {
		t.Errorf("the instance got %q", head)
	}
}
