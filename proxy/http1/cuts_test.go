package http1_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// TestCuts has clients and instances that break off anywhere, over raw sockets,
// with requests pipelined. Every answer names its request: nobody may get
// another one's, whole or in part, and nothing may stay in flight.
func TestCuts(t *testing.T) {
	addr := loopback.Raw(t, sniffing{loopback.Listen(t)}, func(n int, c net.Conn, r *bufio.Reader) {
		dice := rand.New(rand.NewPCG(7, uint64(n)))
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			id := req.Header.Get("X-Id")
			if dice.IntN(8) == 0 {
				return // in the middle of the request, maybe
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			answer := answerTo(id, dice)
			if dice.IntN(8) == 0 {
				answer = answer[:dice.IntN(len(answer))]
				_, _ = io.WriteString(c, answer)
				return
			}
			for len(answer) > 0 {
				k := 1 + dice.IntN(len(answer))
				if _, err := io.WriteString(c, answer[:k]); err != nil {
					return
				}
				answer = answer[k:]
			}
		}
	})
	g := startGateway(t, ours, func(r *proxy.Route, _ *options) { r.IdleTimeout = 2 * time.Second }, addr, addr)
	var clients sync.WaitGroup
	for i := range 12 {
		clients.Go(func() {
			dice := rand.New(rand.NewPCG(8, uint64(i)))
			for k := range 25 {
				cutClient(t, g, dice, fmt.Sprintf("%d-%d", i, k))
			}
		})
	}
	clients.Wait()
	g.WaitIdle()
}

// answerTo repeats the id, in one framing or another.
func answerTo(id string, dice *rand.Rand) string {
	body := strings.Repeat(id+";", 1+dice.IntN(3000))
	if dice.IntN(2) == 0 {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Id: %s\r\nContent-Length: %d\r\n\r\n%s", id, len(body), body)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\nX-Id: %s\r\nTransfer-Encoding: chunked\r\n\r\n", id)
	for len(body) > 0 {
		n := 1 + dice.IntN(len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// cutClient sends a few requests on one connection, and cuts it now and then.
func cutClient(t *testing.T, g *gateway, dice *rand.Rand, name string) {
	c, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(loopback.Patience))
	n := 1 + dice.IntN(4)
	var b strings.Builder
	for k := range n {
		id := name + "-" + strconv.Itoa(k)
		body := strings.Repeat("b", dice.IntN(50_000))
		switch dice.IntN(3) {
		case 0:
			fmt.Fprintf(&b, "GET / HTTP/1.1\r\nHost: x\r\nX-Id: %s\r\n\r\n", id)
		case 1:
			fmt.Fprintf(&b, "PUT / HTTP/1.1\r\nHost: x\r\nX-Id: %s\r\nContent-Length: %d\r\n\r\n%s", id, len(body), body)
		default:
			fmt.Fprintf(&b, "POST / HTTP/1.1\r\nHost: x\r\nX-Id: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s.\r\n0\r\n\r\n", id, len(body)+1, body)
		}
	}
	raw := b.String()
	if dice.IntN(4) == 0 {
		raw = raw[:dice.IntN(len(raw))]
	}
	var writer sync.WaitGroup
	defer writer.Wait()
	writer.Go(func() {
		_, _ = io.WriteString(c, raw)
		if len(raw) < b.Len() {
			c.Close()
		}
	})
	r := bufio.NewReader(c)
	for k := range n {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			break
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		id := name + "-" + strconv.Itoa(k)
		if resp.StatusCode == 200 {
			if resp.Header.Get("X-Id") != id || strings.Trim(strings.ReplaceAll(string(got), id+";", ""), id) != "" {
				t.Errorf("request %s got the answer to %q, %.80q", id, resp.Header.Get("X-Id"), got)
			}
		}
		if err != nil || resp.Close {
			break
		}
	}
	c.Close()
}
