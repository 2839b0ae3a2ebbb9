//go:build e2e

package e2e

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// Every answer that the gateway makes itself says what it is.
func TestProblems(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, `
route "orders" {
  path_prefix = "/orders"
  methods     = ["GET", "POST"]
  service     = "orders"
  max_body    = "1KiB"
}
route "nobody" {
  path_prefix = "/nobody"
  service     = "nobody"
}
`)
	for _, test := range []struct {
		name, method, path string
		status             int
		kind               string
	}{
		{"no route", "GET", "/nothing", http.StatusNotFound, "no-route"},
		{"the method does not match", "DELETE", "/orders/1", http.StatusMethodNotAllowed, "method-not-allowed"},
		{"a service that is not registered", "GET", "/nobody", http.StatusServiceUnavailable, "service-not-registered"},
	} {
		a := w.gateway.Do(test.method, test.path, nil)
		if a.Status != test.status {
			t.Errorf("%s: status %d, want %d: %s", test.name, a.Status, test.status, a.Body)
			continue
		}
		p := a.Problem(t)
		if p.Type != problemType(test.kind) || p.Status != test.status || p.Title == "" {
			t.Errorf("%s: problem %+v", test.name, p)
		}
		if a.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no X-Request-Id", test.name)
		}
		status := a.Header.Get("Proxy-Status")
		if !strings.HasPrefix(status, "lictor; error=") {
			t.Errorf("%s: Proxy-Status is %q", test.name, status)
		}
		if strings.Contains(status+string(a.Body), "edge-test") {
			t.Errorf("%s: the node's name is told: %s %s", test.name, status, a.Body)
		}
		if test.status == http.StatusMethodNotAllowed {
			allow := a.Header.Get("Allow")
			if !strings.Contains(allow, "GET") || !strings.Contains(allow, "POST") || strings.Contains(allow, "DELETE") {
				t.Errorf("Allow is %q", allow)
			}
		}
	}
	if a := w.gateway.Do(http.MethodPost, "/orders", strings.NewReader(strings.Repeat("x", 1025))); a.Status != http.StatusRequestEntityTooLarge || a.Problem(t).Type != problemType("body-too-large") {
		t.Errorf("a body that is too large: %d %s", a.Status, a.Body)
	}
	if a := w.gateway.Do(http.MethodHead, "/orders/1", nil); a.Status != http.StatusOK || len(a.Body) != 0 {
		t.Errorf("HEAD on a route for GET: %d with %d bytes", a.Status, len(a.Body))
	}
	if a := w.gateway.Do(http.MethodHead, "/nothing", nil); a.Status != http.StatusNotFound || len(a.Body) != 0 {
		t.Errorf("HEAD without a route: %d with %d bytes", a.Status, len(a.Body))
	}
}

// A request that two parsers could read in two ways reaches nobody.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	before := w.orders[0].Served()
	for _, test := range []struct {
		name, text string
		status     int
	}{
		{"two lengths", "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400},
		{"a list of lengths", "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\nxx", 400},
		{"a signed length", "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\nxx", 400},
		{"an unknown coding", "POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
		{"a bad chunk size", "POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 400},
		{"no host", "GET /orders HTTP/1.1\r\n\r\n", 400},
		{"two hosts", "GET /orders HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
		{"a space before the colon", "GET /orders HTTP/1.1\r\nHost: x\r\nX-A : 1\r\n\r\n", 400},
		{"a control byte", "GET /orders HTTP/1.1\r\nHost: x\r\nX-A: 1\x012\r\n\r\n", 400},
		{"a NUL", "GET /orders HTTP/1.1\r\nHost: x\r\nX-A: 1\x002\r\n\r\n", 400},
		{"both framings", "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"a folded line", "GET /orders HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n 2\r\n\r\n", 400},
		{"a bare line feed", "GET /orders HTTP/1.1\nHost: x\n\n", 400},
		{"user information", "GET http://u:p@x/orders HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"no request at all", "what is this\r\n\r\n", 400},
		{"a head too large", "GET /orders HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 40_000) + "\r\n\r\n", 431},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := w.gateway.Dial()
			if _, err := io.WriteString(conn, test.text); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(conn)
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatalf("reading the answer: %v", err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatalf("reading the body: %v", err)
			}
			if response.StatusCode != test.status {
				t.Errorf("status %d, want %d: %s", response.StatusCode, test.status, body)
			}
			if !strings.Contains(string(body), `"type":"urn:lictor:problem:`) || response.Header.Get("X-Request-Id") == "" {
				t.Errorf("the answer does not say what it is: %v %s", response.Header, body)
			}
			// What follows on the connection could be anybody's.
			if rest, err := io.ReadAll(reader); len(rest) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the connection goes on: %q %v", rest, err)
			}
		})
	}
	// A bad chunk size shows only once the head has been forwarded.
	if after := w.orders[0].Served(); after > before+1 {
		t.Errorf("%d of the requests reached an instance", after-before)
	}
}

func TestPipelinedAndOldRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	conn := w.gateway.Dial()
	_, err := io.WriteString(conn, "GET /orders/1 HTTP/1.1\r\nHost: x\r\nX-Test-Id: 1\r\n\r\n"+
		"POST /orders/2 HTTP/1.1\r\nHost: x\r\nX-Test-Id: 2\r\nContent-Length: 2\r\n\r\nab"+
		"POST /orders/3 HTTP/1.1\r\nHost: x\r\nX-Test-Id: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"+
		"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"+
		"GET /orders/5 HTTP/1.0\r\nX-Test-Id: 5\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for _, want := range []struct {
		status int
		id     string
		bytes  int64
	}{{200, "1", 0}, {200, "2", 2}, {200, "3", 3}, {404, "", 0}, {200, "5", 0}} {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("answer %q: %v", want.id, err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("answer %q: %v", want.id, err)
		}
		if response.StatusCode != want.status || response.Header.Get(harness.IDField) != want.id {
			t.Errorf("status %d, id %q, want %+v", response.StatusCode, response.Header.Get(harness.IDField), want)
		}
		if want.id == "" {
			continue
		}
		if saw, err := harness.ParseEcho(body); err != nil || saw.BodyBytes != want.bytes {
			t.Errorf("answer %q: %d bytes arrived, want %d (%v)", want.id, saw.BodyBytes, want.bytes, err)
		}
	}
	if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
		t.Errorf("after HTTP/1.0 the connection ends; read %q, %v", rest, err)
	}
}
