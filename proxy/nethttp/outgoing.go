package nethttp

import (
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// build makes the request that the transport sends. All text in it is copied.
func (c *call) build() {
	x := c.x
	q := &x.Request
	c.url = urlOf(c.way.host, string(q.Path), string(q.Query), q.HasQuery)
	h := make(http.Header, q.Fields.Len()+4)
	fill(h, &q.Fields, toInstance)
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // else net/http names itself
	}
	if c.many {
		c.buildMux(h)
	} else if q.WebSocket {
		h["Connection"] = []string{"Upgrade"}
		h["Upgrade"] = []string{"websocket"}
	}
	host := x.Route.HostHeader
	if host == "" {
		host = string(q.Host)
	}
	c.req = (&http.Request{
		Method: methodName(q), URL: &c.url, Header: h, Host: host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(c.ctx)
	if q.Body == nil {
		if q.Verb.Idempotent() && !c.many {
			h[replayable] = nil
		}
		return
	}
	c.upload = newUpload(x)
	c.upload.eager = c.many
	c.trace.WroteRequest = c.wrote
	c.req.Body = c.upload
	c.req.ContentLength = q.Length
	if q.Length < 0 {
		c.req.Trailer = c.upload.trailer
	}
}

// replayable is the key by which http.Transport knows a request that it may send
// again; without a value it is not written. GET and the like need none, PUT and
// DELETE do. See call.getConn for how often, and direction.key for the others.
const replayable = "X-Idempotency-Key"

// methodName returns the method as a string, without a copy where it is known.
func methodName(q *proxy.Request) string {
	if q.Verb != proxy.MethodOther {
		return q.Verb.String()
	}
	return string(q.Method)
}

// urlOf returns a URL whose request target is path and query, octet for octet.
// Opaque stands for itself, but not with two slashes in front; then the path has
// to be given in both its forms, and as long as it is in normal form, RawPath is
// what is sent.
func urlOf(host, path, query string, hasQuery bool) url.URL {
	u := url.URL{Scheme: "http", Host: host, Opaque: path, RawQuery: query, ForceQuery: hasQuery}
	if !strings.HasPrefix(path, "//") {
		return u
	}
	if plain, err := url.PathUnescape(path); err == nil {
		u.Opaque, u.Path, u.RawPath = "", plain, path
	}
	return u
}

// names yields the elements of a list of field names, in canonical spelling.
func names(list []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range strings.SplitSeq(string(list), ",") {
			if name = strings.TrimSpace(name); name != "" && !yield(http.CanonicalHeaderKey(name)) {
				return
			}
		}
	}
}
