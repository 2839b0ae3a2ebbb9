package http1_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http1"
)

// handed is a listener that gets its connections from a channel, until it is
// closed.
type handed chan net.Conn

// Accept implements net.Listener.
func (h handed) Accept() (net.Conn, error) {
	if c, ok := <-h; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (handed) Close() error { return nil }

// Addr implements net.Listener.
func (handed) Addr() net.Addr { return &net.TCPAddr{} }

// TestDateIsTheTimeOfTheAnswer has a server to which nobody comes for an hour,
// twice. The field is at most as old as the ticker that writes it is slow.
func TestDateIsTheTimeOfTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := http1.New(bare{}, http1.Options{Listener: &proxy.Listener{Name: "test"}})
		ln, served := make(handed), make(chan error)
		go func() { served <- s.Serve(ln) }()
		for range 2 {
			time.Sleep(time.Hour) // of the bubble's
			client, end := net.Pipe()
			ln <- end
			if _, err := io.WriteString(client, "hello\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				t.Fatal(err)
			}
			at, err := http.ParseTime(resp.Header.Get("Date"))
			if age := time.Since(at); err != nil || age < 0 || age > time.Second {
				t.Errorf("answered at %v with Date %q, %v", time.Now().UTC(), resp.Header.Get("Date"), err)
			}
			resp.Body.Close()
			client.Close()
		}
		s.Close()
		close(ln)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
