package proxy

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// forgeable lists the fields that say who the client is or what it asked for.
// What a client sends of them is seen by no step and reaches no instance.
var forgeable = [...]ID{
	ForwardedField, XForwardedFor, XForwardedHost, XForwardedPort, XForwardedProto, XForwardedPrefix, XForwardedServer,
	XRealIP, XOriginalURL, XRewriteURL, ProxyField, XRequestID, Traceparent, Tracestate,
}

// certified are the fields by which a proxy tells whom its client has proven to be
// (RFC 9440 section 2). Unlike forgeable ones a policy may set them.
var certified = [...]ID{ClientCertField, ClientCertChain}

// Of a trusted peer's fields either the X-Forwarded ones are believed or
// Forwarded. A proxy that sets the one kind may let the other kind pass as its
// client forged it, so that kind is removed, with those that nobody reads.
var (
	besideXForwarded = [...]ID{ForwardedField, XForwardedServer, XRealIP, XOriginalURL, XRewriteURL, ProxyField}
	besideForwarded  = [...]ID{
		XForwardedFor, XForwardedHost, XForwardedPort, XForwardedProto, XForwardedPrefix, XForwardedServer,
		XRealIP, XOriginalURL, XRewriteURL, ProxyField,
	}
)

// identify finds out who asks and gives the request its id. Only a trusted peer
// is believed; what an untrusted one claims is removed here, before any step
// could read it.
func (x *Exchange) identify() {
	f := &x.Request.Fields
	x.chain.reset()
	x.Client = x.Conn.Peer.Addr()
	forged := forgeable[:]
	switch {
	case !x.Conn.Trusted:
	case x.Conn.Listener.ReadForwarded:
		x.chain.readForwarded(f)
		forged = besideForwarded[:]
	default:
		x.chain.readXForwardedFor(f)
		forged = besideXForwarded[:]
	}
	if x.chain.n > 0 {
		x.Client = x.chain.client(x.Conn)
	}
	x.keepRequestID(f)
	for _, id := range forged {
		f.Del(id)
	}
	if !x.Conn.Trusted {
		for _, id := range certified {
			f.Del(id)
		}
	}
	dropLookalikes(f)
	x.beginTrace(f)
}

// maxKeptID bounds a request id taken over from a trusted peer, in bytes.
const maxKeptID = 128

func (x *Exchange) keepRequestID(f *Fields) {
	if x.Conn.Trusted {
		if id := f.Get(XRequestID); len(id) > 0 && len(id) <= maxKeptID && visible(id) {
			x.requestID = append(x.idText[:0], id...)
			return
		}
	}
	x.requestID = appendHex(x.idText[:0], rand.Uint64(), rand.Uint64()) //nolint:gosec // an id, not a secret
}

// visible reports whether s is made of visible ASCII only.
func visible(s []byte) bool {
	for _, c := range s {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

func appendHex(b []byte, words ...uint64) []byte {
	for _, w := range words {
		var raw [8]byte
		binary.BigEndian.PutUint64(raw[:], w)
		for _, c := range raw {
			b = append(b, hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return b
}

// forwardChain is the path that a request took through trusted proxies, as the
// one forwarding field tells it, nearest hop last.
type forwardChain struct {
	hops  [16]hop // the last ones; a longer chain loses its far end
	n     int     // hops that are valid, from the right
	first int     // index of the client in hops once client() ran; n when the peer is the client
}

// hop is one sender of a request, as the next one saw it.
type hop struct {
	addr  netip.Addr
	proto string // "http" or "https", empty when nobody said
}

func (c *forwardChain) reset() { c.n, c.first = 0, 0 }

// push prepends a hop, reading from right to left. It reports false when the
// chain must not be read further.
func (c *forwardChain) push(h hop, ok bool) bool {
	if !ok || c.n == len(c.hops) {
		return false
	}
	h.addr = h.addr.Unmap().WithZone("")
	c.hops[len(c.hops)-1-c.n] = h
	c.n++
	return true
}

func (c *forwardChain) at(i int) *hop { return &c.hops[len(c.hops)-c.n+i] }

// proto is how the client reached the first trusted proxy, empty when unknown.
func (c *forwardChain) proto() string {
	if c.first == c.n {
		return ""
	}
	return c.at(c.first).proto
}

// client walks from the nearest hop outwards while the hops are trusted and
// returns the first that is not, or the farthest.
func (c *forwardChain) client(conn *Conn) netip.Addr {
	for i := c.n - 1; i >= 0; i-- {
		if a := c.at(i).addr; i == 0 || !conn.Listener.trusts(a) {
			c.first = i
			return a
		}
	}
	return conn.Peer.Addr()
}
