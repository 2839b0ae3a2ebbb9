package proxy

import "bytes"

// challengePath is where ACME servers ask for tokens (RFC 8555 section 8.3).
var challengePath = []byte("/.well-known/acme-challenge/")

// answerChallenge answers an ACME server that asks whether a domain is ours. It
// reports false for all that nobody is about to ask for: services may have
// certificates of their own to get.
func (x *Exchange) answerChallenge() bool {
	l := x.Conn.Listener
	if l.Challenge == nil || x.Request.Verb != MethodGet {
		return false
	}
	token, ok := bytes.CutPrefix(x.Request.Path, challengePath)
	if !ok {
		return false
	}
	host, ok := AppendHostName(x.Space(), x.Request.Host)
	if !ok {
		return false
	}
	answer, ok := l.Challenge(host, token)
	if !ok {
		return false
	}
	r := &x.Response
	r.Fields.Reset(nil)
	r.Fields.AddString(ContentType, "application/octet-stream")
	r.Status, r.Body, r.Tunnel = 200, nil, nil
	x.send([]byte(answer))
	return true
}
