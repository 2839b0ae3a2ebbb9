package nethttp_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// attacker is a client of HTTP/2 that writes its frames by hand.
type attacker struct {
	t    *testing.T
	conn net.Conn
	fr   *http2.Framer
	head bytes.Buffer
	enc  *hpack.Encoder

	seen chan event // what the server says; closed with the connection
}

// event is a frame of the server's that tests want to know of.
type event struct {
	kind   http2.FrameType
	stream uint32
	code   http2.ErrCode // of RST_STREAM and GOAWAY
	status string        // of HEADERS
	ends   bool          // the stream
	data   string        // of DATA
	offers bool          // extended CONNECT, of SETTINGS
}

// attack connects and says hello, with settings.
func attack(t *testing.T, g *gateway, settings ...http2.Setting) *attacker {
	t.Helper()
	a := dialAttacker(t, g)
	if err := a.fr.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return a
}

// dialAttacker sends the preface alone.
func dialAttacker(t *testing.T, g *gateway) *attacker {
	t.Helper()
	c, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if g.secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	}
	a := &attacker{t: t, conn: c, fr: http2.NewFramer(c, c), seen: make(chan event, 1)}
	a.enc = hpack.NewEncoder(&a.head)
	a.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	a.fr.AllowIllegalWrites = true
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return a
}

// listen reads what comes until the connection ends. Nothing is read before.
func (a *attacker) listen() {
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(a.seen)
		for {
			f, err := a.fr.ReadFrame()
			if err != nil {
				return
			}
			e := event{kind: f.Header().Type, stream: f.Header().StreamID}
			switch f := f.(type) {
			case *http2.RSTStreamFrame:
				e.code = f.ErrCode
			case *http2.GoAwayFrame:
				e.code = f.ErrCode
			case *http2.SettingsFrame:
				v, _ := f.Value(settingEnableConnect)
				e.offers = v == 1
			case *http2.DataFrame:
				e.data, e.ends = string(f.Data()), f.StreamEnded()
			case *http2.MetaHeadersFrame:
				e.status, e.ends = f.PseudoValue("status"), f.StreamEnded()
			}
			a.seen <- e
		}
	})
	a.t.Cleanup(func() {
		a.conn.Close()
		for range a.seen { // nobody else wants them
		}
		reading.Wait()
	})
}

// drain takes all that comes, and returns the code of a GOAWAY.
func (a *attacker) drain() <-chan http2.ErrCode {
	a.listen()
	code := make(chan http2.ErrCode, 1)
	go func() {
		var last http2.ErrCode
		for e := range a.seen {
			if e.kind == http2.FrameGoAway {
				last = e.code
			}
		}
		code <- last
	}()
	return code
}

// until returns the first event of a kind.
func (a *attacker) until(what string, want func(event) bool) event {
	a.t.Helper()
	for {
		e, ok := <-a.seen
		if !ok {
			a.t.Fatalf("the connection ended before %s", what)
		}
		if want(e) {
			return e
		}
	}
}

// block encodes fields, given as names and values.
func (a *attacker) block(fields ...string) []byte {
	a.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		if err := a.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			a.t.Fatal(err)
		}
	}
	return bytes.Clone(a.head.Bytes())
}

// get are the pseudo-fields of a GET.
func get(path string) []string {
	return []string{":method", "GET", ":scheme", "http", ":authority", "x", ":path", path}
}

// headers opens a stream.
func (a *attacker) headers(stream uint32, ends bool, fields ...string) error {
	return a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: a.block(fields...), EndHeaders: true, EndStream: ends})
}
