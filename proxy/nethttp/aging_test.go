package nethttp_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// ageing is a way of TLS whose connections are fresh until they are told.
type ageing struct {
	*loopback.Verifying
	old atomic.Bool
}

// Fresh implements proxy.AgingTLS.
func (a *ageing) Fresh(time.Duration) bool { return !a.old.Load() }

// An old connection takes one more request, its last, of any kind.
func TestConnectionsAge(t *testing.T) {
	instance, roots := loopback.Secure(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.RemoteAddr)
	})
	secure := &ageing{Verifying: &loopback.Verifying{Name: "example.com", Roots: roots}}
	g := startGateway(t, func(r *proxy.Route, _ *nethttp.Options, _ *nethttp.ForwarderOptions) { r.UpstreamTLS = secure }, instance.Listener.Addr().String())
	c := newClient(t, nil)
	ask := func(method string) string {
		t.Helper()
		resp, body := loopback.Do(t, c, loopback.NewRequest(t, method, g.URL+"/", strings.NewReader("a body")))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", method, resp.Status)
		}
		return body
	}
	first := ask("GET")
	if again := ask("POST"); again != first {
		t.Errorf("%s and %s are two connections", first, again)
	}
	for _, method := range []string{"GET", "POST"} {
		secure.old.Store(true)
		if last := ask(method); last != first {
			t.Errorf("%s: the last request went by %s instead of %s", method, last, first)
		}
		secure.old.Store(false)
		next := ask(method)
		if next == first {
			t.Errorf("%s: %s goes on although it is old", method, first)
		}
		first = next
	}
}
