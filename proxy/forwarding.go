package proxy

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strconv"
)

// This file edits the two heads, each once: the request's on its way to the
// instance, the response's on its way to the client.

// lookalikes are the names that some instances take for a field of ours,
// because they turn "-" into "_" (or know only CGI variables).
var lookalikes = func() (l [][]byte) {
	for _, id := range append(forgeable[:], ClientCertField, ClientCertChain, ViaField, Authorization, Host, ContentLength, TransferEncoding) {
		if n := idTable.lower[id]; bytes.IndexByte([]byte(n), '-') >= 0 {
			l = append(l, bytes.ReplaceAll([]byte(n), []byte{'-'}, []byte{'_'}))
		}
	}
	return l
}()

// ours lists the fields that the gateway itself writes into every request.
var ours = [...]ID{
	ForwardedField, XForwardedFor, XForwardedHost, XForwardedPort, XForwardedProto, XForwardedPrefix, XRequestID, Traceparent,
}

// editRequest makes the received head fit to be forwarded. It runs once per
// exchange, however many endpoints are tried. What is there of X-Forwarded
// fields and of a trace is a trusted peer's word, or a step's.
func (x *Exchange) editRequest() {
	f := &x.Request.Fields
	proto := "http"
	if x.Conn.TLS {
		proto = "https"
	}
	var kept struct{ proto, host, port, prefix, trace []byte }
	kept.proto, kept.host, kept.port = f.Get(XForwardedProto), f.Get(XForwardedHost), f.Get(XForwardedPort)
	kept.prefix, kept.trace = f.Get(XForwardedPrefix), onlyTraceparent(f)
	for _, id := range ours {
		f.Del(id)
	}

	x.addForwardedFor(f)
	if x.Conn.Listener.ReadForwarded {
		x.addForwarded(f, proto)
	}
	if p := x.chain.proto(); p != "" {
		proto = p
	}
	addOr(f, XForwardedProto, kept.proto, proto)
	addOr(f, XForwardedHost, kept.host, lendString(x.Request.Host))
	if len(kept.port) > 0 {
		f.Add(XForwardedPort, kept.port)
	} else {
		f.Close(strconv.AppendUint(f.Open(XForwardedPort), uint64(x.Conn.Listener.Port), 10))
	}
	x.addPrefix(f, kept.prefix)
	f.Add(XRequestID, x.requestID)
	x.addTrace(f, kept.trace)
	f.AddString(ViaField, via(x.Request.Protocol))
}

// addOr adds the field with what was kept of it, else with the value; nothing
// when that is empty.
func addOr(f *Fields, id ID, kept []byte, value string) {
	if len(kept) > 0 {
		f.Add(id, kept)
	} else if value != "" {
		f.AddString(id, value)
	}
}

// via names the protocol that the request came in by (RFC 9110 section 7.6.3).
func via(p Protocol) string {
	switch p {
	case HTTP10:
		return "1.0 lictor"
	case HTTP2:
		return "2.0 lictor"
	case HTTP3:
		return "3.0 lictor"
	default:
		return "1.1 lictor"
	}
}

func dropLookalikes(f *Fields) {
	for i := range f.Len() {
		if f.ID(i) != Other || !f.Live(i) {
			continue
		}
		name := f.Name(i)
		if bytes.IndexByte(name, '_') < 0 {
			continue
		}
		for _, l := range lookalikes {
			if foldUnderscore(name, l) {
				f.Drop(i)
				break
			}
		}
	}
}

// foldUnderscore compares a name with a lower-case one, taking "-" for "_".
func foldUnderscore(name, lower []byte) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if c == '-' {
			c = '_'
		}
		if lowerASCII(c) != lower[i] {
			return false
		}
	}
	return true
}

// addForwardedFor sends the client first and the proxies between after it.
// What stood before the client in the received field is nobody's word.
func (x *Exchange) addForwardedFor(f *Fields) {
	b := f.Open(XForwardedFor)
	for i := x.chain.first; i < x.chain.n; i++ {
		b = append(x.chain.at(i).addr.AppendTo(b), ", "...)
	}
	f.Close(append(b, x.Conn.PeerText()...))
}

// addForwarded does the same in the words of RFC 7239.
func (x *Exchange) addForwarded(f *Fields, proto string) {
	b := f.Open(ForwardedField)
	for i := x.chain.first; i < x.chain.n; i++ {
		h := x.chain.at(i)
		b = appendNode(append(b, "for="...), h.addr)
		if h.proto != "" {
			b = append(append(b, ";proto="...), h.proto...)
		}
		b = append(b, ", "...)
	}
	b = appendNode(append(b, "for="...), x.Conn.Peer.Addr())
	b = append(append(b, ";proto="...), proto...)
	if len(x.Request.Host) > 0 && quotable(x.Request.Host) {
		b = append(append(append(b, `;host="`...), x.Request.Host...), '"')
	}
	f.Close(b)
}

func quotable(s []byte) bool {
	return visible(s) && bytes.IndexByte(s, '"') < 0 && bytes.IndexByte(s, '\\') < 0
}

// appendNode writes an address as RFC 7239 section 6 asks: IPv6 in brackets and
// quotes.
func appendNode(b []byte, a netip.Addr) []byte {
	switch {
	case !a.IsValid():
		return append(b, "unknown"...)
	case a.Is4():
		return a.AppendTo(b)
	}
	return append(a.AppendTo(append(b, `"[`...)), `]"`...)
}

func (x *Exchange) addPrefix(f *Fields, kept []byte) {
	strip := x.Route.StripPrefix
	if len(kept) == 0 && strip == "" {
		return
	}
	b := f.Open(XForwardedPrefix)
	b = append(b, kept...)
	f.Close(append(b, strip...))
}

// addTrace tells the instance of the trace that the request is a part of. kept is a
// trusted peer's word.
func (x *Exchange) addTrace(f *Fields, kept []byte) {
	t := &x.trace
	if kept != nil && t.passes() {
		f.Add(Traceparent, kept)
		return
	}
	if kept == nil {
		f.Del(Tracestate)
	}
	b := f.Open(Traceparent)
	if t.by != nil {
		f.Close(t.appendParent(b))
	} else {
		f.Close(appendTraceparent(b))
	}
}

// appendTraceparent starts a trace (W3C Trace Context section 3.2) that nobody
// has decided to sample.
func appendTraceparent(b []byte) []byte {
	b = appendHex(append(b, "00-"...), rand.Uint64()|1, rand.Uint64()) //nolint:gosec // an id, not a secret
	b = appendHex(append(b, '-'), rand.Uint64()|1)                     //nolint:gosec // an id, not a secret
	return append(b, "-00"...)
}

// onlyTraceparent returns the traceparent that was received, nil when there is
// none that is valid, or more than one (section 3.2).
func onlyTraceparent(f *Fields) []byte {
	i := f.Next(Traceparent, 0)
	if i < 0 || f.Next(Traceparent, i+1) >= 0 || !validTraceparent(f.Value(i)) {
		return nil
	}
	return f.Value(i)
}

// validTraceparent checks the form of a received traceparent (section 3.2.2).
func validTraceparent(v []byte) bool {
	if len(v) < 55 || v[2] != '-' || v[35] != '-' || v[52] != '-' || (len(v) > 55 && (v[55] != '-' || string(v[:2]) == "00")) {
		return false
	}
	if string(v[:2]) == "ff" || len(v) > maxKeptID || !visible(v) {
		return false
	}
	zero := func(s []byte) bool { return len(bytes.Trim(s, "0")) == 0 }
	hex := func(s []byte) bool {
		for _, c := range s {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
		return true
	}
	return hex(v[:2]) && hex(v[3:35]) && hex(v[36:52]) && hex(v[53:55]) && !zero(v[3:35]) && !zero(v[36:52])
}

// editResponse makes a head fit for the client, whoever made it.
func (x *Exchange) editResponse() {
	f := &x.Response.Fields
	f.Del(XRequestID)
	f.Add(XRequestID, x.requestID)
	x.addHSTS(f)
	x.addAltSvc(f)
	if len(x.Verdicts) > 0 {
		x.addLimitFields()
	}
}
