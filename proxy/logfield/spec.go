package logfield

import (
	"fmt"

	"github.com/lictor/lictor/attr"
)

// Kind is where a value comes from.
type Kind uint8

// The kinds of values.
const (
	ClientCert     Kind = iota + 1 // the SHA-256 digest of the client's certificate, in hexadecimal
	JWTClaim                       // Path is the way to the claim
	RequestHeader                  // Header is the field's name in lower case
	ResponseHeader                 // as the client was sent it
	Scheme                         // "https" or "http", as the client speaks it
	Peer                           // the other end of the connection, which may be a proxy
	Listener                       // its name
	SentPath                       // what the instance was sent, without the query
)

// Spec is one field of a line. It is comparable by its text.
type Spec struct {
	// Name is what the field is called in the line.
	Name string
	Kind Kind
	// Header is the name of a field of the message, in lower case.
	Header string
	// Path is the way to a claim, from the outside in.
	Path []string
}

// words are the values that need no name.
var words = []struct {
	text string
	kind Kind
}{
	{"client.cert", ClientCert},
	{"client.peer", Peer},
	{"listener.name", Listener},
	{"request.scheme", Scheme},
	{"upstream.path", SentPath},
}

// String writes where the value comes from, as in a configuration.
func (s Spec) String() string {
	switch s.Kind {
	case JWTClaim:
		return attr.Path("jwt", s.Path)
	case RequestHeader:
		return fmt.Sprintf("request.header[%q]", s.Header)
	case ResponseHeader:
		return fmt.Sprintf("response.header[%q]", s.Header)
	}
	for _, w := range words {
		if w.kind == s.Kind {
			return w.text
		}
	}
	return "unknown"
}
