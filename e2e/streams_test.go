//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// tunnel is an instance's side of a WebSocket: it accepts the handshake and from
// then on sends back what it gets, until it gets nothing more.
func tunnel(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		http.Error(w, "no handshake", http.StatusBadRequest)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", accept(r.Header.Get("Sec-WebSocket-Key")))
	_, _ = io.Copy(conn, buffered) // ends with the tunnel, whichever way it does
}

// accept answers a handshake's key (RFC 6455, section 4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// openTunnel does the client's handshake and returns the tunnel.
func openTunnel(t *testing.T, g *harness.Gateway, path string) (net.Conn, *bufio.Reader) {
	t.Helper()
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	conn := g.Dial()
	_, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Key: "+key+"\r\nSec-WebSocket-Version: 13\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-Websocket-Accept") != accept(key) ||
		!strings.EqualFold(response.Header.Get("Upgrade"), "websocket") {
		t.Fatalf("handshake answered %d %v", response.StatusCode, response.Header)
	}
	return conn, reader
}

// say sends bytes through the tunnel and wants them back.
func say(t *testing.T, conn net.Conn, reader *bufio.Reader, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(reader, got); err != nil || string(got) != text {
		t.Fatalf("sent %q, got %q, %v", text, got, err)
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	w.orders[0].Handle("/orders/ws", tunnel)
	conn, reader := openTunnel(t, w.gateway, "/orders/ws")
	say(t, conn, reader, "\x81\x85\x01\x02\x03\x04ignef") // a masked text frame; to the tunnel, bytes
	say(t, conn, reader, strings.Repeat("long ", 100_000))

	// A tunnel outlives a reload, and a catalog in which its instance is critical.
	w.gateway.WritePolicies(strings.ReplaceAll(ordersRoute, "/orders", "/elsewhere"))
	w.gateway.Reload()
	say(t, conn, reader, "after the reload")
	w.consul.Report(w.orders[0], "critical")
	harness.Within(t, harness.Patience, "the instance is out",
		refused(w.gateway, "/elsewhere", http.StatusServiceUnavailable, "no-healthy-instance"))
	say(t, conn, reader, "after the instance turned critical")

	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}

func TestOtherUpgradesStayHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	a := w.gateway.Raw("GET /orders/1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: something\r\n\r\n")
	if a.Status != http.StatusOK {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	if saw := a.Echo(t); saw.Header.Get("Upgrade") != "" {
		t.Errorf("Upgrade: %q went upstream", saw.Header.Get("Upgrade"))
	}
}

// A body reaches the instance while it is being sent.
func TestRequestBodyStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	arrived := make(chan string, 8)
	w.orders[0].Handle("/orders/upload", func(rw http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			arrived <- lines.Text()
		}
		if err := lines.Err(); err != nil {
			arrived <- err.Error()
		}
		rw.WriteHeader(http.StatusNoContent)
	})
	body, pipe := io.Pipe()
	answered := make(chan harness.Answer, 1)
	go func() {
		a, err := w.gateway.Try(http.MethodPut, "/orders/upload", body)
		if err != nil {
			a.Body = []byte(err.Error())
		}
		answered <- a
	}()
	for n := range 5 {
		want := fmt.Sprintf("part %d", n)
		if _, err := io.WriteString(pipe, want+"\n"); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-arrived:
			if got != want {
				t.Fatalf("%q arrived, want %q", got, want)
			}
		case a := <-answered:
			t.Fatalf("answered before the body was sent: %d %s", a.Status, a.Body)
		case <-t.Context().Done():
			t.Fatal("nothing arrived")
		}
	}
	if err := pipe.Close(); err != nil {
		t.Fatal(err)
	}
	if a := <-answered; a.Status != http.StatusNoContent {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
}

// A body that ends too early does not look like a whole one.
func TestTruncatedAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	w.orders[0].Handle("/orders/half", func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
		_ = conn.Close()
	})
	response, err := http.Get(w.gateway.URL("/orders/half"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("read %q as a whole body", body)
	}
}

// Nobody waits for an answer that nobody reads.
func TestClientGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, ordersRoute)
	arrived, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	w.orders[0].Handle("/orders/slow", func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.gateway.URL("/orders/slow"), nil)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		failed <- err
	}()
	wait(t, "the request arrives", arrived)
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the client's error: %v", err)
	}
	wait(t, "the instance is told that the client is gone", gone)
}

// An idle gateway with requests under way still ends within the drain's time.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 1, harness.Options{Policies: ordersRoute, Config: "drain {\n  timeout = \"300ms\"\n}\n"})
	gate := newGate(t, "/orders/hold", w.orders...)
	gate.hold(t, w.gateway, "/orders/hold", 2)
	if err := w.gateway.Process().Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wait(t, "the gateway ends", w.gateway.Process().Done())
}

func wait(t *testing.T, what string, event <-chan struct{}) {
	t.Helper()
	harness.Within(t, harness.Patience, what, func() error {
		select {
		case <-event:
			return nil
		default:
			return errors.New("not yet")
		}
	})
}
