package tcp

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// recorder is a connection that keeps what a client writes first, and ends.
type recorder struct {
	net.Conn
	b bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error)      { return r.b.Write(p) }
func (r *recorder) Read([]byte) (int, error)         { return 0, io.EOF }
func (r *recorder) SetDeadline(time.Time) error      { return nil }
func (r *recorder) SetReadDeadline(time.Time) error  { return nil }
func (r *recorder) SetWriteDeadline(time.Time) error { return nil }
func (r *recorder) Close() error                     { return nil }

// helloOf returns what a client sends first.
func helloOf(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	var r recorder
	if err := tls.Client(&r, c).Handshake(); err == nil {
		t.Fatal("a handshake with nobody")
	}
	return r.b.Bytes()
}

// clients are configurations that differ in what they say.
func clients() map[string]*tls.Config {
	return map[string]*tls.Config{
		"usual":     {ServerName: "db.example.com"},
		"upper":     {ServerName: "DB.Example.com"},
		"1.2":       {ServerName: "db.example.com", MaxVersion: tls.VersionTLS12},
		"1.3":       {ServerName: "db.example.com", MinVersion: tls.VersionTLS13},
		"alpn":      {ServerName: "db.example.com", NextProtos: []string{"postgresql", "h2", strings.Repeat("x", 200)}},
		"curve":     {ServerName: "db.example.com", CurvePreferences: []tls.CurveID{tls.X25519}},
		"hybrid":    {ServerName: "db.example.com", CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}},
		"one suite": {ServerName: "db.example.com", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
	}
}

// inOne reads a hello that is there at once.
func inOne(b []byte) (*hello, error) {
	h := &hello{raw: b}
	return h, h.next()
}

// TestNamesOfClients: what crypto/tls asks for is what is found, however it comes.
func TestNamesOfClients(t *testing.T) {
	for name, c := range clients() {
		t.Run(name, func(t *testing.T) {
			c.InsecureSkipVerify = true
			raw := helloOf(t, c)
			for size := 1; size <= 64; size *= 4 { // bytes that come at once
				h := &hello{}
				for at := 0; at < len(raw); at += size {
					h.raw = append(h.raw, raw[at:min(at+size, len(raw))]...)
					err := h.next()
					if whole := len(h.raw) == len(raw); whole && err != nil || !whole && !errors.Is(err, errShort) {
						t.Fatalf("%d of %d bytes: %v", len(h.raw), len(raw), err)
					}
				}
				if h.name != "db.example.com" {
					t.Errorf("found %q", h.name)
				}
			}
			for _, size := range []int{1, 3, 7, 500} { // bytes of a record
				h, err := inOne(fragment(raw, size))
				if err != nil || h.name != "db.example.com" {
					t.Errorf("in records of %d: %q, %v", size, h.name, err)
				}
			}
		})
	}
}

// fragment writes the message of one record in smaller ones (RFC 8446 section 5.1).
func fragment(raw []byte, size int) []byte {
	var out []byte
	for m := raw[recordHead:]; len(m) > 0; m = m[min(size, len(m)):] {
		n := min(size, len(m))
		out = append(append(out, typeHandshake, 3, 1, byte(n>>8), byte(n)), m[:n]...)
	}
	return out
}

func TestNoName(t *testing.T) {
	for name, c := range map[string]*tls.Config{
		"none":    {InsecureSkipVerify: true},
		"address": {ServerName: "192.0.2.1", InsecureSkipVerify: true},
	} {
		if h, err := inOne(helloOf(t, c)); err != nil || h.name != "" {
			t.Errorf("%s: %q, %v", name, h.name, err)
		}
	}
}

// message writes a ClientHello with these extensions.
func message(extensions string) []byte {
	body := "\x03\x03" + strings.Repeat("r", 32) + "\x00" + "\x00\x02\x13\x01" + "\x01\x00" + vector(extensions)
	m := "\x01\x00" + vector(body)
	return []byte("\x16\x03\x01" + vector(m))
}

func vector(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }

func extension(kind byte, data string) string { return "\x00" + string(kind) + vector(data) }

func serverNames(all ...string) string {
	var list string
	for _, n := range all {
		list += "\x00" + vector(n)
	}
	return extension(0, vector(list))
}

// TestStrictHello: what two readers might understand in two ways is refused.
func TestStrictHello(t *testing.T) {
	if h, err := inOne(message(serverNames("a.example"))); err != nil || h.name != "a.example" {
		t.Fatalf("a sound one: %q, %v", h.name, err)
	}
	for name, raw := range map[string][]byte{
		"two names":              message(serverNames("a.example", "b.example")),
		"two extensions":         message(serverNames("a.example") + serverNames("b.example")),
		"two of another":         message(extension(43, "x") + extension(43, "y")),
		"empty list":             message(extension(0, vector(""))),
		"empty name":             message(serverNames("")),
		"nothing in it":          message(extension(0, "")),
		"trailing byte":          message(extension(0, vector("\x00"+vector("a.example"))+"x")),
		"final dot":              message(serverNames("a.example.")),
		"NUL":                    message(serverNames("a\x00.example")),
		"space":                  message(serverNames("a b.example")),
		"wildcard":               message(serverNames("*.example")),
		"long label":             message(serverNames(strings.Repeat("a", 64) + ".example")),
		"long name":              message(serverNames(strings.Repeat("a.", 130) + "example")),
		"another message":        []byte("\x16\x03\x01" + vector("\x02\x00\x00\x00")),
		"empty record":           []byte("\x16\x03\x01\x00\x00"),
		"long record":            []byte("\x16\x03\x01\x40\x01"),
		"long message":           []byte("\x16\x03\x01" + vector("\x01\x00\x40\x00")),
		"another record between": append(message(serverNames("a.example"))[:20:20], "\x15\x03\x01\x00\x02\x01\x00"...),
	} {
		if name == "another record between" {
			raw = append(fragment(message(serverNames("a.example")), 20)[:25:25], "\x15\x03\x01\x00\x02\x01\x00"...)
		}
		if h, err := inOne(raw); err == nil || errors.Is(err, errShort) || errors.Is(err, errNotTLS) {
			t.Errorf("%s: %q, %v", name, h.name, err)
		}
	}
}

// TestNotTLS: other protocols are told apart by what they begin with.
func TestNotTLS(t *testing.T) {
	for _, s := range []string{"GET / HTTP/1.1\r\n", "\x00\x00\x00\x08\x04\xd2\x16\x2f", "PING\r\n", "\x16\x02\x00", "SSH-2.0-x"} {
		if _, err := inOne([]byte(s)); !errors.Is(err, errNotTLS) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestHelloIsBounded in bytes, however short its records are.
func TestHelloIsBounded(t *testing.T) {
	h := &hello{}
	m := []byte{typeClientHello, 0, 0x3f, 0}
	for range maxHello {
		b := byte(0)
		if len(h.body) < len(m) {
			b = m[len(h.body)]
		}
		h.raw = append(h.raw, typeHandshake, 3, 1, 0, 1, b)
		if err := h.next(); !errors.Is(err, errShort) {
			if len(h.raw) > maxRecords+recordHead+1 {
				t.Errorf("refused after %d bytes", len(h.raw))
			}
			return
		}
	}
	t.Errorf("%d bytes were taken", len(h.raw))
}

// FuzzHello: crypto/tls's server and the parser find the same name, or the one of
// them that refuses does it for all to see; and nothing depends on how bytes come.
func FuzzHello(f *testing.F) {
	for _, c := range clients() {
		c.InsecureSkipVerify = true
		f.Add(helloOf(f, c), uint16(7))
	}
	f.Add(message(serverNames("a.example")), uint16(1))
	f.Add(fragment(message(serverNames("a.example")+extension(16, "x")), 5), uint16(3))
	f.Fuzz(func(t *testing.T, raw []byte, step uint16) {
		whole, err := inOne(bytes.Clone(raw))
		if len(raw) < maxHello { // beyond, the bound depends on what came at once
			h, last := &hello{}, errShort
			for at := 0; at < len(raw) && errors.Is(last, errShort); at += int(step) + 1 {
				h.raw = append(h.raw, raw[at:min(at+int(step)+1, len(raw))]...)
				last = h.next()
			}
			if len(raw) > 0 && (h.name != whole.name || (last == nil) != (err == nil)) {
				t.Errorf("at once %q, %v; in pieces of %d %q, %v", whole.name, err, step+1, h.name, last)
			}
		}
		if err != nil {
			return
		}
		if got, said := serverSees(raw); said && !strings.EqualFold(got, whole.name) && net.ParseIP(got) == nil {
			t.Errorf("crypto/tls sees %q, we see %q", got, whole.name)
		}
	})
}

// serverSees returns the name that crypto/tls finds in a hello.
func serverSees(raw []byte) (name string, said bool) {
	s := tls.Server(&given{b: raw}, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name, said = h.ServerName, true
		return nil, io.EOF
	}})
	_ = s.Handshake()
	return name, said
}

// given is a connection on which bytes have come.
type given struct {
	recorder
	b []byte
}

func (g *given) Read(p []byte) (int, error) {
	if len(g.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, g.b)
	g.b = g.b[n:]
	return n, nil
}
