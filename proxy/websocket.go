package proxy

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 says so; nothing is secured by it
	"encoding/base64"
	"errors"

	"github.com/lictor/lictor/proxy/upstream"
)

// The fields of a handshake of HTTP/1.1 (RFC 6455 section 4).
const (
	WebSocketKeyName    = "Sec-WebSocket-Key"
	WebSocketAcceptName = "Sec-WebSocket-Accept"
)

var (
	errNoHandshake = errors.New("switching to a WebSocket without knowing the key")
	errNoWebSocket = errors.New("an answer to the handshake that is neither a refusal nor a WebSocket")
)

// NewWebSocketKey returns a key for a client that has none: the handshake of HTTP/2
// (RFC 8441) knows no keys, and the instance's does.
func NewWebSocketKey() string {
	var key [16]byte
	_, _ = rand.Read(key[:]) // it never fails
	return base64.StdEncoding.EncodeToString(key[:])
}

// ownHandshake says that the handshake with the instance is ours, and not the
// client's.
func (x *Exchange) ownHandshake() bool {
	return x.Request.WebSocket && x.Request.Protocol >= HTTP2
}

// handshaken reports whether the instance has agreed to what it was asked. Whose key
// it is, looks: the client if it sent one, else we (RFC 6455 section 4.1).
func (x *Exchange) handshaken() bool {
	if !x.ownHandshake() {
		return true
	}
	key, _ := x.Request.Fields.Lookup(WebSocketKeyName)
	got, _ := x.Response.Fields.Lookup(WebSocketAcceptName)
	sum := sha1.Sum([]byte(string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // likewise
	return string(got) == base64.StdEncoding.EncodeToString(sum[:])
}

// notOpened answers for an instance that says 200 to a handshake: in HTTP/2 that
// would open a WebSocket (RFC 8441 section 5). It reports false when there is nothing
// of the kind.
func (x *Exchange) notOpened() bool {
	if !x.ownHandshake() || x.Response.Status < 200 || x.Response.Status > 299 {
		return false
	}
	x.report(upstream.Success, x.UpstreamEnd) // it did what it was asked in its own way
	x.done(false)
	x.Answer(InstanceBroke, "", errNoWebSocket)
	return true
}
