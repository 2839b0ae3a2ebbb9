package compress

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lictor/lictor/proxy"
)

// Step compresses a route's answers. It implements proxy.ResponseStep.
type Step struct {
	offered []Coding
	types   types
	least   int64
	level   Level
	most    int64
	open    atomic.Int64 // bodies that have an encoder
	pools   [codings]sync.Pool
}

// New returns the step of a route.
func New(s *Spec) *Step {
	return &Step{offered: s.Algorithms, types: newTypes(s.Types), least: s.MinLength, level: s.Level, most: int64(s.MaxConcurrent)}
}

// Request implements proxy.Step. There is nothing to do before there is an answer.
func (s *Step) Request(*proxy.Exchange) bool { return true }

// Explain implements proxy.Explainer.
func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	var w wants
	w.read(&x.Request.Fields)
	v.Step = "compression"
	v.Say("coding", w.best(s.offered).String())
	return true
}

// Response implements proxy.ResponseStep. The answer to HEAD gets the fields that
// GET would (RFC 9110 section 9.3.2).
func (s *Step) Response(x *proxy.Exchange) {
	r := &x.Response
	if r.Status == 304 {
		s.unchanged(x)
		return
	}
	if !s.suits(x) {
		return
	}
	var w wants
	w.read(&x.Request.Fields)
	if short := r.Length >= 0 && r.Length < s.least; short && !w.refusesIdentity() || r.Length == 0 {
		return
	}
	vary(&r.Fields)
	coding := w.best(s.offered)
	if coding == Identity || x.Request.Protocol < proxy.HTTP11 {
		return // HTTP/1.0 has no chunks, and so no end that it can trust
	}
	if x.Request.Verb != proxy.MethodHead {
		if r.Body == nil {
			return
		}
		b := s.take(coding)
		if b == nil {
			x.Count(proxy.AnswerNotCompressed)
			return
		}
		x.Count(proxy.AnswerCompressed)
		b.begin(r)
	}
	r.Length = proxy.Unknown
	f := &r.Fields
	f.AddString(proxy.ContentEncoding, coding.String())
	f.Del(proxy.AcceptRanges)
	weaken(f)
}

// suits reports whether the answer may be compressed for some client.
func (s *Step) suits(x *proxy.Exchange) bool {
	r := &x.Response
	f := &r.Fields
	switch {
	case r.Status < 200, r.Status == 204, r.Status == 205, r.Status == 206, r.Tunnel != nil:
		return false
	case !s.types.has(f.Get(proxy.ContentType)):
		return false
	case f.Get(proxy.ContentEncoding) != nil, f.HasToken(proxy.CacheControl, "no-transform"):
		return false
	case x.Request.Fields.HasToken(proxy.CacheControl, "no-transform"):
		return false
	}
	return !bound(f)
}

// bound reports whether the fields say something of the very bytes of the body:
// which part they are, or what their digest is (RFC 9530).
func bound(f *proxy.Fields) bool {
	for i := range f.Len() {
		if f.ID(i) != proxy.Other || !f.Live(i) {
			continue
		}
		name := f.Name(i)
		for _, n := range binding {
			if len(name) == len(n) && bytes.EqualFold(name, n) {
				return true
			}
		}
	}
	return false
}

var binding = [][]byte{
	[]byte("Content-Range"), []byte("Content-Digest"), []byte("Repr-Digest"), []byte("Digest"), []byte("Content-MD5"),
}

// unchanged edits a 304 to agree with the answer that the client has kept: a
// validator that the client knows as a weak one has been weakened here.
func (s *Step) unchanged(x *proxy.Exchange) {
	tag := x.Response.Fields.Get(proxy.ETag)
	if len(tag) == 0 || tag[0] != '"' {
		return
	}
	known, _ := x.Request.Fields.Lookup("If-None-Match")
	for at := bytes.Index(known, tag); at >= 0; {
		if at >= len(weak) && string(known[at-len(weak):at]) == weak {
			weaken(&x.Response.Fields)
			vary(&x.Response.Fields)
			return
		}
		next := bytes.Index(known[at+len(tag):], tag)
		if next < 0 {
			return
		}
		at += len(tag) + next
	}
}

const weak = "W/"

// weaken makes a strong validator a weak one (RFC 9110 section 8.8.1): the coded
// bytes need not be the same each time.
func weaken(f *proxy.Fields) {
	i := f.Next(proxy.ETag, 0)
	if i < 0 {
		return
	}
	if v := f.Value(i); len(v) == 0 || v[0] != '"' {
		return
	}
	f.Drop(i)
	f.Close(append(append(f.Open(proxy.ETag), weak...), f.Value(i)...))
}

// vary says that Accept-Encoding was looked at (RFC 9110 section 12.5.5).
func vary(f *proxy.Fields) {
	if !f.HasToken(proxy.Vary, "accept-encoding") && !f.HasToken(proxy.Vary, "*") {
		f.AddString(proxy.Vary, "Accept-Encoding")
	}
}

// take returns a body with its encoder, nil when too many are in use.
func (s *Step) take(c Coding) *body {
	if s.open.Add(1) > s.most {
		s.open.Add(-1)
		return nil
	}
	if b, ok := s.pools[c].Get().(*body); ok {
		return b
	}
	enc, err := newEncoder(c, s.level)
	if err != nil {
		panic(fmt.Sprintf("compress: %s at level %s: %s", c, s.level, err)) // its options are constants
	}
	return &body{step: s, at: c, enc: enc}
}

// give takes a body back.
func (s *Step) give(b *body) {
	s.pools[b.at].Put(b)
	s.open.Add(-1)
}

// begin puts b in front of the response's body.
func (b *body) begin(r *proxy.Response) {
	b.src, b.live = r.Body, r.Length == proxy.Unknown
	b.unsent = false
	b.enc.Reset(b)
	r.Body = b
}
