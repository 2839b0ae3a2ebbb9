package tickets

import (
	"crypto/tls"
	"slices"
	"time"
)

// Use has the sessions of a configuration sealed and opened by the keys.
func (k *Keys) Use(c *tls.Config) {
	(&handshakes{keys: k}).hook(c)
}

// For returns what a configuration is for the connection of a client. It is the same
// for one of TLS 1.3.
func (k *Keys) For(hello *tls.ClientHelloInfo, c *tls.Config) *tls.Config {
	if slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		return c
	}
	c = c.Clone()
	(&handshakes{keys: k, one: true}).hook(c)
	return c
}

// handshakes are those of TLS 1.3, or one of a version before.
type handshakes struct {
	keys *Keys
	// one says that it is one: then begun is when the session was that it resumes.
	// In TLS 1.3 each ticket has a secret of its own, and its time begins with it.
	one   bool
	begun time.Time
}

func (h *handshakes) hook(c *tls.Config) { c.WrapSession, c.UnwrapSession = h.wrap, h.unwrap }

func (h *handshakes) wrap(about tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
	text, err := session.Bytes()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	begun := now
	if h.one && about.DidResume {
		begun = h.begun
	}
	return h.keys.Seal(now, about.ServerName, begun, text)
}

// unwrap returns nil for what is no ticket of ours: then the handshake is a full one.
func (h *handshakes) unwrap(ticket []byte, about tls.ConnectionState) (*tls.SessionState, error) {
	text, begun, ok := h.keys.Open(time.Now(), about.ServerName, ticket)
	if !ok {
		return nil, nil //nolint:nilnil // as crypto/tls wants it
	}
	session, err := tls.ParseSessionState(text)
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // of another version of Go, perhaps
	}
	if h.one {
		h.begun = begun
	}
	return session, nil
}
