//go:build e2e

package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// HTTP/2 reaches the same routes, in the clear by prior knowledge.
func TestHTTP2InTheClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	client := http.Client{Timeout: harness.Patience, Transport: &http.Transport{Protocols: &protocols}}
	defer client.CloseIdleConnections()
	for n := range 3 {
		response, err := client.Post(w.gateway.URL("/orders/1"), "text/plain", strings.NewReader("four"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		saw, err := harness.ParseEcho(body)
		if err != nil || response.ProtoMajor != 2 || saw.BodyBytes != 4 {
			t.Errorf("request %d: %s, %d bytes arrived, %v", n, response.Proto, saw.BodyBytes, err)
		}
	}
}
