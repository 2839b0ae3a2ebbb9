package agent

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// wires are the ways to speak to a gateway in clear: by either engine in HTTP/1.1,
// and in HTTP/2.
var wires = []struct{ engine, protocol string }{{"http1", "HTTP/1.1"}, {"nethttp", "HTTP/1.1"}, {"http1", "HTTP/2.0"}}

// overEachWire runs a test over each of them. The client neither asks for
// compression by itself nor undoes it.
func overEachWire(t *testing.T, text string, test func(t *testing.T, g *gateway, get func(path string, fields ...string) *http.Response)) {
	t.Helper()
	for _, w := range wires {
		t.Run(w.engine+" "+w.protocol, func(t *testing.T) {
			g := start(t, text+fmt.Sprintf("listener \"public\" {\n  address = \"127.0.0.1:0\"\n  engine = %q\n}\n", w.engine)).awaitReady()
			transport := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP1(w.protocol == "HTTP/1.1")
			transport.Protocols.SetUnencryptedHTTP2(w.protocol == "HTTP/2.0")
			t.Cleanup(transport.CloseIdleConnections)
			test(t, g, func(path string, fields ...string) *http.Response {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.address().String()+path, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; i < len(fields); i += 2 {
					r.Header.Set(fields[i], fields[i+1])
				}
				resp, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { resp.Body.Close() })
				if resp.Proto != w.protocol {
					t.Fatalf("the gateway speaks %s", resp.Proto)
				}
				return resp
			})
		})
	}
}

// TestCompressedBodies of lengths that engines treat in their own ways.
func TestCompressedBodies(t *testing.T) {
	line := "All roads lead to Rome, and there the lictors walk before the consul.\n"
	at := instance(t, func(w http.ResponseWriter, r *http.Request) {
		lines, _ := strconv.Atoi(r.URL.Query().Get("lines"))
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", strconv.Itoa(lines*len(line)))
		}
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, strings.Repeat(line, lines))
	})
	text := service("web", at) + route("web", "/", "web") + "defaults {\n  compression {}\n}\n" +
		route("plain", "/plain", "web", "compression {", "  enabled = false", "}")
	overEachWire(t, text, func(t *testing.T, _ *gateway, get func(string, ...string) *http.Response) {
		for _, query := range []string{"lines=20&length", "lines=20", "lines=2000&length", "lines=2000", "lines=20000&length", "lines=20000"} {
			resp := get("/?"+query, "Accept-Encoding", "gzip") // net/http tells the length of what is small
			if resp.Header.Get("Content-Encoding") != "gzip" || resp.ContentLength > 200 || resp.Header.Get("ETag") != `W/"1"` || resp.Header.Get("Vary") != "Accept-Encoding" {
				t.Fatalf("%s: %v", query, resp.Header)
			}
			body, err := gzip.NewReader(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for s := bufio.NewScanner(body); s.Scan(); n++ {
				if s.Text()+"\n" != line {
					t.Fatalf("%s: line %d is %q", query, n, s.Text())
				}
			}
			if want, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(query, "lines="), "&length")); n != want {
				t.Errorf("%s: %d lines", query, n)
			}
			if resp := get("/plain?"+query, "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "" || resp.Header.Get("Vary") != "" {
				t.Errorf("%s: a route that has no compression: %v", query, resp.Header)
			}
		}
	})
}

// TestCompressedEvents: each arrives before the next is sent.
func TestCompressedEvents(t *testing.T) {
	next := make(chan struct{})
	at := instance(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; ; i++ {
			fmt.Fprintf(w, "data: %d\n\n", i)
			http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
	text := service("web", at) + route("web", "/", "web", "compression {", "}")
	overEachWire(t, text, func(t *testing.T, _ *gateway, get func(string, ...string) *http.Response) {
		resp := get("/", "Accept-Encoding", "gzip")
		body, err := gzip.NewReader(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(body)
		for i := range 20 {
			got, err := lines.ReadString('\n')
			if err != nil || got != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("event %d is %q, %v", i, got, err)
			}
			if _, err := lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			next <- struct{}{}
		}
	})
}
