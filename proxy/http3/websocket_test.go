package http3_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy/trial/loopback"
)

// TestWebSocket opens one by an extended CONNECT (RFC 9220).
func TestWebSocket(t *testing.T) {
	heads := make(chan string, 1)
	g := startGateway(t, nil, loopback.Raw(t, loopback.Listen(t), func(_ int, c net.Conn, r *bufio.Reader) {
		head, err := loopback.ReadHead(r)
		if err != nil {
			return
		}
		heads <- head
		_, key, _ := strings.Cut(head, "Sec-WebSocket-Key: ")
		key, _, _ = strings.Cut(key, "\r")
		sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n"); err == nil {
			_, _ = io.Copy(c, r)
		}
	}))
	v := dial(t, g.addr)
	s, err := v.http.OpenRequestStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := newRequest(t, "CONNECT", g.url+"/chat", nil)
	r.Proto = "websocket"
	r.Header.Set("Sec-WebSocket-Version", "13")
	if err := s.SendRequestHeader(r); err != nil {
		t.Fatal(err)
	}
	resp, err := s.ReadResponse()
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	if head := await(t, "the handshake", heads); !strings.HasPrefix(head, "GET /chat HTTP/1.1\r\n") || !strings.Contains(head, "Upgrade: websocket\r\n") {
		t.Errorf("the instance got %q", head)
	}
	for _, text := range []string{"one", "two"} {
		if _, err := io.WriteString(s, text); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(text))
		if _, err := io.ReadFull(s, got); err != nil || string(got) != text {
			t.Fatalf("%q came back as %q, %v", text, got, err)
		}
	}
	s.CancelWrite(0)
	s.CancelRead(0)
	_ = v.quic.CloseWithError(0, "")
}
