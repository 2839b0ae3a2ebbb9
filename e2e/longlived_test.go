//go:build e2e

package e2e

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// events is an instance that sends one for each word that it is told, until it is
// told no more.
func events(words <-chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		for {
			select {
			case word, more := <-words:
				if !more {
					return
				}
				fmt.Fprintf(w, "data: %s\n\n", word)
				if http.NewResponseController(w).Flush() != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	}
}

// event reads one.
func event(t *testing.T, r *bufio.Reader, word string) {
	t.Helper()
	for _, want := range []string{"data: " + word + "\n", "\n"} {
		if line, err := r.ReadString('\n'); err != nil || line != want {
			t.Fatalf("got %q, %v, want %q", line, err, want)
		}
	}
}

// An event reaches the client when it is sent, not when the answer ends: each one
// here is sent only once the client has the one before. So it is by both engines and
// versions of HTTP, compressed or not, and whatever a reload does to the route.
func TestServerSentEvents(t *testing.T) {
	t.Parallel()
	policies := strings.Replace(ordersRoute, "}", "  compression {\n  }\n}", 1)
	for _, engine := range []string{"http1", "nethttp"} {
		for _, version := range []int{1, 2} {
			for _, encoding := range []string{"", "gzip"} {
				t.Run(fmt.Sprintf("%s/HTTP%d/%s", engine, version, encoding), func(t *testing.T) {
					t.Parallel()
					orders, g := newStatic(t, `engine = "`+engine+`"`, policies)
					words := make(chan string)
					orders.Handle("/orders/events", events(words))
					protocols := new(http.Protocols)
					protocols.SetHTTP1(version == 1)
					protocols.SetUnencryptedHTTP2(version == 2)
					transport := &http.Transport{Protocols: protocols, DisableCompression: true}
					defer transport.CloseIdleConnections()
					request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL("/orders/events"), nil)
					if err != nil {
						t.Fatal(err)
					}
					if encoding != "" {
						request.Header.Set("Accept-Encoding", encoding)
					}
					response, err := transport.RoundTrip(request)
					if err != nil {
						t.Fatal(err)
					}
					defer response.Body.Close()
					if got := response.Header.Get("Content-Encoding"); got != encoding || response.ProtoMajor != version {
						t.Fatalf("%s, Content-Encoding %q", response.Proto, got)
					}
					var reader *bufio.Reader
					for n := range 5 {
						words <- fmt.Sprint(n)
						if reader == nil { // gzip has a head of its own
							reader = decoded(t, response.Body, encoding)
						}
						event(t, reader, fmt.Sprint(n))
					}
					g.WritePolicies(strings.ReplaceAll(ordersRoute, "/orders", "/elsewhere"))
					g.Reload()
					words <- "after the reload"
					event(t, reader, "after the reload")
					close(words)
					if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
						t.Errorf("after the last event: %q, %v", rest, err)
					}
				})
			}
		}
	}
}

func decoded(t *testing.T, r io.Reader, encoding string) *bufio.Reader {
	t.Helper()
	if encoding == "" {
		return bufio.NewReader(r)
	}
	plain, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(plain)
}

// A drain carries on what is open, and the gateway ends with the last of it.
func TestDrainWaitsForStreams(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"http1", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			orders, g := newStatic(t, `engine = "`+engine+`"`, ordersRoute)
			words := make(chan string)
			orders.Handle("/orders/events", events(words))
			orders.Handle("/orders/ws", tunnel)
			conn, reader := openTunnel(t, g, "/orders/ws")
			say(t, conn, reader, "before")
			response, err := http.Get(g.URL("/orders/events"))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			stream := bufio.NewReader(response.Body)

			if err := g.Process().Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			harness.Within(t, harness.Patience, "nobody else may come", func() error {
				c, err := net.Dial("tcp", g.Public)
				if err != nil {
					return nil
				}
				_ = c.Close()
				return fmt.Errorf("connected")
			})
			words <- "while it drains"
			event(t, stream, "while it drains")
			say(t, conn, reader, "while it drains")
			close(words)
			if rest, err := io.ReadAll(stream); err != nil || len(rest) > 0 {
				t.Errorf("after the last event: %q, %v", rest, err)
			}
			say(t, conn, reader, "still")
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			wait(t, "the gateway ends", g.Process().Done())
			if code := g.Process().ExitCode(); code != 0 {
				t.Errorf("it ended with %d", code)
			}
		})
	}
}
