package catalog

import "fmt"

// Protocol is which HTTP is spoken to an instance.
type Protocol uint8

// The protocols. The zero value says nothing about it: who else knows is asked,
// and when nobody does it is HTTP/1.1.
const (
	AnyProtocol Protocol = iota
	// HTTP1 is HTTP/1.1 (RFC 9112).
	HTTP1
	// HTTP2 is HTTP/2 (RFC 9113), by prior knowledge where there is no TLS.
	HTTP2
	// GRPC is HTTP/2 that carries gRPC.
	GRPC
)

// ParseProtocol reads the words that Consul's service-defaults use, and "http1",
// which some find clearer. ok is false for any other word, "tcp" among them.
func ParseProtocol(word string) (p Protocol, ok bool) {
	switch word {
	case "http", "http1":
		return HTTP1, true
	case "http2":
		return HTTP2, true
	case "grpc":
		return GRPC, true
	}
	return AnyProtocol, false
}

// String returns the word that Consul uses, empty for AnyProtocol.
func (p Protocol) String() string {
	switch p {
	case HTTP1:
		return "http"
	case HTTP2:
		return "http2"
	case GRPC:
		return "grpc"
	default:
		return ""
	}
}

// Multiplexed reports whether one connection carries many requests at a time.
func (p Protocol) Multiplexed() bool { return p >= HTTP2 }

// MarshalText implements encoding.TextMarshaler.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Protocol) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = AnyProtocol
		return nil
	}
	got, ok := ParseProtocol(string(text))
	if !ok {
		return fmt.Errorf("reading a protocol: %q is none", text)
	}
	*p = got
	return nil
}
