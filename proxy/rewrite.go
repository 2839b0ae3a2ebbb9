package proxy

import (
	"bytes"

	"github.com/lictor/lictor/proxy/router"
)

// Strip takes the route's StripPrefix off the path, once, before the request is
// forwarded at the latest. A path that a step has changed so that it has no such
// prefix stays as it is.
func (x *Exchange) Strip() {
	if x.stripped {
		return
	}
	x.stripped = true
	rest, ok := bytes.CutPrefix(x.Request.Path, stringBytes(x.Route.StripPrefix))
	switch {
	case !ok:
	case len(rest) == 0:
		x.Request.Path = slash
	case rest[0] == '/':
		x.Request.Path = rest
	}
}

var slash = []byte("/")

// SetPath makes path the one that goes upstream, in normal form. It is copied, and
// must not be in the memory of x.Request.Path; x.Space() is. The error is a
// router.PathError: a path that the listener would refuse is refused here, and so is
// one with dot segments, which nobody has asked to have resolved.
func (x *Exchange) SetPath(path []byte) error {
	normal, err := router.Normalize(x.pathOut[:0], path, x.Conn.Listener.Path)
	if err != nil {
		return err
	}
	if router.HasDots(path) {
		return router.HiddenDots
	}
	if &normal[0] == &path[0] {
		normal = append(x.pathOut[:0], path...)
	}
	x.pathOut, x.Request.Path = normal, normal
	return nil
}

// SetQuery makes query the one that goes upstream, nothing at all when it is empty.
// It is copied, and must not be in the memory of x.Request.Query. The log shows what
// the client has sent.
func (x *Exchange) SetQuery(query []byte) {
	if !x.requeried {
		x.requeried, x.receivedQuery = true, x.Request.Query
		x.queryOut = append(x.queryOut[:0], query...)
	} else {
		x.queryOut = append([]byte(nil), query...) // the last one may be in use
	}
	x.Request.Query, x.Request.HasQuery = x.queryOut, len(query) > 0
}

// AppendLoggedQuery appends the query as the client has sent it, without the values
// of secret parameters.
func (x *Exchange) AppendLoggedQuery(b []byte) []byte {
	return x.AppendRedacted(b, x.loggedQuery())
}

// AppendRedacted appends a query without the values of secret parameters.
func (x *Exchange) AppendRedacted(b, query []byte) []byte {
	return appendRedacted(b, query, redaction{extra: x.p.table.Load().SecretParameters}, func(b, s []byte) []byte { return append(b, s...) })
}

// Received is the path as the client has sent it.
func (x *Exchange) Received() []byte { return x.received }

// loggedQuery is the query as the client has sent it, but for tokens.
func (x *Exchange) loggedQuery() []byte {
	if x.requeried {
		return x.receivedQuery
	}
	return x.Request.Query
}
