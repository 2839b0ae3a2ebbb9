//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// strict is a client that asks again for nothing: whatever becomes of a request that
// it has sent on an open connection is the gateway's doing.
type strict struct {
	address string
	fresh   bool // a connection for each request
	post    bool
	conn    net.Conn
	r       *bufio.Reader
}

func (s *strict) one(n int) error {
	if s.conn == nil {
		conn, err := net.DialTimeout("tcp", s.address, harness.Patience)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		s.conn, s.r = conn, bufio.NewReader(conn)
	}
	_ = s.conn.SetDeadline(time.Now().Add(harness.Patience))
	head, body := "GET /orders/%d HTTP/1.1\r\nHost: x\r\n%s\r\n", ""
	if s.post {
		head, body = "POST /orders/%d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n%s\r\n", "hello"
	}
	more := ""
	if s.fresh {
		more = "Connection: close\r\n"
	}
	if _, err := fmt.Fprintf(s.conn, head+body, n, more); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	resp, err := http.ReadResponse(s.r, nil)
	if err != nil {
		return fmt.Errorf("reading the head: %w", err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	if resp.Close {
		s.conn.Close()
		s.conn = nil
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// pressure is load of clients that ask again for nothing: strict ones and one of
// HTTP/2, or others.
type pressure struct {
	ctx      context.Context // of the load
	cancel   context.CancelFunc
	all      sync.WaitGroup
	sent     atomic.Int64
	mu       sync.Mutex
	failures []string
}

// newPressure returns one without clients yet, that ends with the test.
func newPressure(t *testing.T) *pressure {
	p := &pressure{}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	t.Cleanup(func() { p.finish() })
	return p
}

// run adds a client, which asks again and again until something fails.
func (p *pressure) run(name string, one func(n int) error) {
	p.all.Go(func() {
		for n := 0; p.ctx.Err() == nil; n++ {
			p.sent.Add(1)
			if err := one(n); err != nil {
				p.mu.Lock()
				p.failures = append(p.failures, fmt.Sprintf("%s, request %d: %v", name, n, err))
				p.mu.Unlock()
				return
			}
		}
	})
}

func press(t *testing.T, address string) *pressure {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	p := newPressure(t)
	for i := range 12 {
		s := &strict{address: address, fresh: i%3 == 0, post: i%2 == 0}
		p.run(fmt.Sprintf("client %d", i), s.one)
	}
	h2 := &http.Client{Transport: transport, Timeout: harness.Patience}
	p.run("HTTP/2", func(n int) error {
		resp, err := h2.Get(fmt.Sprintf("http://%s/orders/%d", address, n))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
	return p
}

// finish ends the load and returns what failed of it, and how much there was.
func (p *pressure) finish() (failures []string, sent int64) {
	p.cancel()
	p.all.Wait()
	return p.failures, p.sent.Load()
}

// more waits until so many requests have been sent from now on.
func (p *pressure) more(t *testing.T, n int64) {
	t.Helper()
	from := p.sent.Load()
	harness.Within(t, 2*harness.Patience, fmt.Sprintf("%d more requests", n), func() error {
		if got := p.sent.Load() - from; got < n {
			return fmt.Errorf("%d", got)
		}
		return nil
	})
}
