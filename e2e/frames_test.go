//go:build e2e

package e2e

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/lictor/lictor/e2e/harness"
)

// framed is a client of HTTP/2 that writes its frames by hand.
type framed struct {
	t    *testing.T
	conn net.Conn
	fr   *http2.Framer
	head bytes.Buffer
	enc  *hpack.Encoder
}

// dialFramed says hello; config is nil for a gateway in clear.
func dialFramed(t *testing.T, g *harness.Gateway, config *tls.Config) *framed {
	t.Helper()
	c := g.Dial()
	if config != nil {
		config = config.Clone()
		config.NextProtos = []string{"h2"}
		c = tls.Client(c, config)
	}
	if err := c.SetDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	f := &framed{t: t, conn: c, fr: http2.NewFramer(c, c)}
	f.enc = hpack.NewEncoder(&f.head)
	f.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	if err := f.fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return f
}

// open opens a stream with fields given as names and values.
func (f *framed) open(stream uint32, ends bool, fields ...string) error {
	f.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		if err := f.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			return err
		}
	}
	return f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.head.Bytes(), EndHeaders: true, EndStream: ends})
}

// together has all frames that write writes arrive at the same time.
func (f *framed) together(write func() error) error {
	var all bytes.Buffer
	one := f.fr
	f.fr = http2.NewFramer(&all, nil)
	err := write()
	f.fr = one
	if err != nil {
		return err
	}
	_, err = f.conn.Write(all.Bytes())
	return err
}

// until returns the first frame that is wanted.
func (f *framed) until(what string, want func(http2.Frame) bool) http2.Frame {
	f.t.Helper()
	for {
		frame, err := f.fr.ReadFrame()
		if err != nil {
			f.t.Fatalf("waiting for %s: %v", what, err)
		}
		if want(frame) {
			return frame
		}
	}
}

// webSocket opens one by extended CONNECT (RFC 8441) on stream 1.
func (f *framed) webSocket(path string) {
	f.t.Helper()
	if err := f.open(1, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "x", ":path", path,
		"sec-websocket-version", "13"); err != nil {
		f.t.Fatal(err)
	}
	answer := f.until("the answer", func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameHeaders }).(*http2.MetaHeadersFrame)
	if status := answer.PseudoValue("status"); status != "200" || answer.StreamEnded() {
		f.t.Fatalf("the handshake was answered %s", status)
	}
}

// say sends text through the WebSocket and wants it back.
func (f *framed) say(text string) {
	f.t.Helper()
	if err := f.fr.WriteData(1, false, []byte(text)); err != nil {
		f.t.Fatal(err)
	}
	got := ""
	f.until("the echo", func(frame http2.Frame) bool {
		if d, ok := frame.(*http2.DataFrame); ok {
			got += string(d.Data())
		}
		return len(got) >= len(text)
	})
	if got != text {
		f.t.Fatalf("sent %q, got %q", text, got)
	}
}

// ended waits for the connection's end.
func (f *framed) ended() {
	f.t.Helper()
	for {
		_, err := f.fr.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			f.t.Fatal("the connection goes on for ever")
		}
		if stream := (http2.StreamError{}); err != nil && !errors.As(err, &stream) {
			return
		}
	}
}
