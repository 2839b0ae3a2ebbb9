package nethttp

import (
	"bytes"
	"net/http"
	"unsafe"

	"github.com/lictor/lictor/proxy"
)

// lend lends a string's bytes for reading. The request that owns the string
// outlives the exchange.
func lend(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // read-only by the contract of Request
}

// readRequest fills in what the client asked. It reports false when there are
// too many fields.
func (w *work) readRequest(r *http.Request) bool {
	q := &w.x.Request
	q.Method = lend(r.Method)
	q.Verb = proxy.MethodOf(q.Method)
	q.Target = lend(r.RequestURI)
	q.Path, q.Query, q.HasQuery = splitTarget(q.Target)
	q.Host = lend(r.Host)
	q.Protocol = proxy.Protocol(r.ProtoMajor*10 + r.ProtoMinor) //nolint:gosec // 1.x, 2 or 3
	q.Length, q.Body = r.ContentLength, nil
	if hasBody(r) {
		q.Body = &w.b
	}

	f := &q.Fields
	f.Reset(nil)
	if r.Host != "" {
		f.Foreign("Host", r.Host)
	}
	if !take(f, r.Header) || !takeAnnounced(f, r.Trailer) {
		return false
	}
	if opensWebSocket(r) {
		websocket(q)
		return true // HTTP/2 nominates nothing
	}
	q.WebSocket = q.Verb == proxy.MethodGet && q.Protocol == proxy.HTTP11 &&
		f.HasToken(proxy.UpgradeField, "websocket") && f.HasToken(proxy.Connection, "upgrade")
	f.DropNominated()
	return true
}

// hasBody reports whether a body follows the head. In HTTP/2 net/http makes a reader
// for a request without one, too, and only the length tells.
func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

// forgetRequest drops what is net/http's.
func (w *work) forgetRequest() {
	q := &w.x.Request
	q.Method, q.Target, q.Path, q.Query, q.Host, q.Body = nil, nil, nil, nil, nil, nil
}

// splitTarget takes a request target (RFC 9112 section 3.2) apart and decodes
// nothing. Scheme and authority of the absolute form are cut off. What is no
// path, as the authority form, comes back whole for the pipeline to refuse, and
// so does an absolute form with another scheme than HTTP's or with user
// information (RFC 9110 section 4.2.4).
func splitTarget(t []byte) (path, query []byte, has bool) {
	path, query, has = bytes.Cut(t, []byte{'?'})
	if len(path) == 0 || path[0] == '/' {
		return path, query, has
	}
	scheme, rest, absolute := bytes.Cut(path, []byte("://"))
	if !absolute || !(bytes.EqualFold(scheme, []byte("http")) || bytes.EqualFold(scheme, []byte("https"))) {
		return path, query, has
	}
	slash := bytes.IndexByte(rest, '/')
	if slash < 0 {
		slash = len(rest)
	}
	if bytes.IndexByte(rest[:slash], '@') >= 0 {
		return path, query, has
	}
	if rest = rest[slash:]; len(rest) == 0 {
		rest = []byte{'/'}
	}
	return rest, query, has
}
