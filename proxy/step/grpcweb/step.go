package grpcweb

import (
	"bytes"

	"github.com/lictor/lictor/proxy"
)

// Step translates. It implements proxy.ResponseStep.
type Step struct{}

// New returns the step of a block that is enabled.
func New() *Step { return &Step{} }

const (
	native = "application/grpc"
	web    = "application/grpc-web"
	text   = "application/grpc-web-text"
)

// Request makes a call by gRPC-Web one by gRPC. Anything else passes as it is.
func (s *Step) Request(x *proxy.Exchange) bool {
	form := x.GRPCWeb()
	if form == proxy.NoGRPCWeb || x.Request.Verb != proxy.MethodPost {
		return true
	}
	x.KeepDialect()
	q := &x.Request
	kind := q.Fields.Get(proxy.ContentType)[len(web):]
	if form == proxy.GRPCWebText {
		kind = kind[len(text)-len(web):]
		if q.Body != nil {
			q.Body, q.Length = &decoder{src: q.Body}, proxy.Unknown
		}
	}
	to := append(append(x.Space(), native...), kind...)
	q.Fields.Del(proxy.ContentType)
	q.Fields.Add(proxy.ContentType, to)
	return true
}

// Explain implements proxy.Explainer.
func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	v.Step, v.Why = "grpc_web", "it is no call by gRPC-Web"
	if x.GRPCWeb() != proxy.NoGRPCWeb && x.Request.Verb == proxy.MethodPost {
		v.Why = "it makes a call by gRPC-Web one by gRPC"
	}
	return s.Request(x)
}

// Response makes an answer by gRPC one by gRPC-Web, for a client that has called so.
// An answer that is none by gRPC passes as it is.
func (s *Step) Response(x *proxy.Exchange) {
	form := x.GRPCWeb()
	if form == proxy.NoGRPCWeb || x.Request.Verb != proxy.MethodPost || x.Response.Tunnel != nil {
		return
	}
	r := &x.Response
	kind, ok := bytes.CutPrefix(r.Fields.Get(proxy.ContentType), []byte(native))
	if !ok || len(kind) > 0 && kind[0] != '+' && kind[0] != ';' {
		return
	}
	to := web
	if form == proxy.GRPCWebText {
		to = text
	}
	name := append(append(x.Space(), to...), kind...)
	r.Fields.Del(proxy.ContentType)
	r.Fields.Add(proxy.ContentType, name)
	r.Fields.Del(proxy.TrailerField)
	e := &encoder{src: r.Body, text: form == proxy.GRPCWebText}
	if r.Body == nil {
		e.trailer(alone(&r.Fields))
	}
	r.Body, r.Length = e, proxy.Unknown
}

// alone takes what a server of gRPC that has no messages to send puts into the head,
// where it is at once the trailer ("Trailers-Only").
func alone(f *proxy.Fields) []byte {
	var lines []byte
	for _, name := range [...]string{"grpc-status", "grpc-message", "grpc-status-details-bin"} {
		if v, ok := f.Lookup(name); ok {
			lines = appendLine(lines, []byte(name), v)
			f.DelName(name)
		}
	}
	return lines
}
