package http1_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/proxy/trial/loopback"
)

// pattern returns n bytes, up to 3 MiB, that differ from their neighbours.
func pattern(n int) []byte { return patterned()[:n:n] }

var patterned = sync.OnceValue(func() []byte {
	b := make([]byte, 3<<20)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
})

// echo answers with the request's method and target in fields, and its body.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Saw", fmt.Sprintf("%s %s %d", r.Method, r.RequestURI, r.ContentLength))
	w.Header().Set("X-Saw-Id", r.Header.Get("X-Request-Id"))
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	_, _ = w.Write(b)
}

func TestBodiesBothWays(t *testing.T) {
	t.Parallel()
	everywhere(t, testBodiesBothWays)
}

func testBodiesBothWays(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, echo))
	c := g.client()
	for _, size := range []int{0, 1, 1000, 32 << 10, 32<<10 + 1, 300_000, 3 << 20} {
		for _, chunked := range []bool{false, true} {
			methods := []string{"POST", "PUT", "PATCH", "DELETE"}
			if size > 32<<10 {
				methods = methods[:2] // one that is kept for another attempt, and one that is not
			}
			for _, method := range methods {
				want := pattern(size)
				var body io.Reader = bytes.NewReader(want)
				length := int64(size)
				if chunked {
					body, length = io.MultiReader(body), -1
				}
				r := loopback.NewRequest(t, method, g.URL+"/a?b=c", body)
				resp, got := loopback.Do(t, c, r)
				if got != string(want) {
					t.Fatalf("%s %d bytes, chunked %v: got %d bytes back, not the same", method, size, chunked, len(got))
				}
				if saw := fmt.Sprintf("%s /a?b=c %d", method, length); size > 0 && resp.Header.Get("X-Saw") != saw {
					t.Errorf("instance saw %q, want %q", resp.Header.Get("X-Saw"), saw)
				}
				if id := resp.Header.Get("X-Request-Id"); id == "" || id != resp.Header.Get("X-Saw-Id") {
					t.Errorf("request id %q, the instance's %q", id, resp.Header.Get("X-Saw-Id"))
				}
			}
		}
	}
}

func TestGetAndHead(t *testing.T) { everywhere(t, testGetAndHead) }

func testGetAndHead(t *testing.T, e engine) {
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		if r.Method != "HEAD" {
			_, _ = io.WriteString(w, "hello")
		}
	}))
	c := g.client()
	resp, body := loopback.Do(t, c, loopback.NewRequest(t, "GET", g.URL+"/", nil))
	if resp.StatusCode != 200 || body != "hello" || resp.ContentLength != 5 {
		t.Errorf("GET: %d %q, length %d", resp.StatusCode, body, resp.ContentLength)
	}
	if ct, ok := resp.Header["Content-Type"]; ok && ct[0] != "text/plain; charset=utf-8" {
		t.Errorf("content type %q was made up", ct)
	}
	resp, body = loopback.Do(t, c, loopback.NewRequest(t, "HEAD", g.URL+"/", nil))
	if resp.StatusCode != 200 || body != "" || resp.ContentLength != 5 {
		t.Errorf("HEAD: %d %q, length %d", resp.StatusCode, body, resp.ContentLength)
	}
}

func TestNoInstance(t *testing.T) { everywhere(t, testNoInstance) }

func testNoInstance(t *testing.T, e engine) {
	g := startGateway(t, e, nil)
	resp, body := loopback.Do(t, g.client(), loopback.NewRequest(t, "GET", g.URL+"/", nil))
	if resp.StatusCode != 503 || !strings.Contains(body, "service-not-registered") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp.Header.Get("Content-Type") != "application/problem+json" || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("fields %v", resp.Header)
	}
}
