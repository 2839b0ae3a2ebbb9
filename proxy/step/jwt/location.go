package jwt

import (
	"bytes"

	"github.com/lictor/lictor/proxy"
)

// place finds the token at one location of a request, and takes it away.
type place struct {
	Location
	id proxy.ID // of a known field
}

func newPlace(l Location) place {
	return place{Location: l, id: proxy.Classify([]byte(l.Name))}
}

// find looks for a token. What it finds refers to the request.
func (p *place) find(q *proxy.Request, c *candidate) {
	switch p.Place {
	case HeaderPlace:
		p.inHeader(&q.Fields, c)
	case CookiePlace:
		p.inCookie(&q.Fields, c)
	case QueryPlace:
		for value := range q.Parameter(p.Name) {
			c.add(value)
		}
	}
}

// add records what stands at the location. Nothing is no token.
func (c *candidate) add(token []byte) {
	switch {
	case len(token) == 0:
	case c.state == absent:
		c.token, c.state = token, present
	default:
		c.state = several
	}
}

func (p *place) inHeader(f *proxy.Fields, c *candidate) {
	if p.id == proxy.Authorization {
		lines := 0
		for i := f.Next(p.id, 0); i >= 0; i = f.Next(p.id, i+1) {
			lines++
			if token, ok := bearer(f.Value(i)); ok {
				c.token, c.state = token, present
			}
		}
		if lines > 1 && c.state == present {
			c.state = several
		}
		return
	}
	for i := range f.Len() {
		if f.Live(i) && f.ID(i) == p.id && (p.id != proxy.Other || proxy.EqualFold(f.Name(i), p.Name)) {
			token := f.Value(i)
			if inner, ok := bearer(token); ok {
				token = inner
			}
			c.add(token)
		}
	}
}

// bearer takes the token out of credentials of the Bearer scheme (RFC 6750
// section 2.1), which may lack one. ok is false for other schemes.
func bearer(v []byte) (token []byte, ok bool) {
	const scheme = "bearer"
	if len(v) < len(scheme) || !proxy.EqualFold(v[:len(scheme)], scheme) {
		return nil, false
	}
	v = v[len(scheme):]
	if len(v) > 0 && v[0] != ' ' && v[0] != '\t' {
		return nil, false
	}
	return bytes.Trim(v, " \t"), true
}

func (p *place) inCookie(f *proxy.Fields, c *candidate) {
	for i := f.Next(proxy.Cookie, 0); i >= 0; i = f.Next(proxy.Cookie, i+1) {
		for rest := f.Value(i); len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte{';'})
			if value, ok := p.cookie(pair); ok {
				c.add(value)
			}
		}
	}
}

// cookie returns the value of a cookie-pair (RFC 6265 section 4.2.1) of this
// name.
func (p *place) cookie(pair []byte) (value []byte, ok bool) {
	name, value, ok := bytes.Cut(pair, []byte{'='})
	if !ok || string(bytes.Trim(name, " \t")) != p.Name {
		return nil, false
	}
	value = bytes.Trim(value, " \t")
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	return value, true
}

// remove takes all that stands at the location out of the request. Credentials
// of other schemes stay.
func (p *place) remove(q *proxy.Request) {
	switch f := &q.Fields; p.Place {
	case HeaderPlace:
		if p.id != proxy.Other {
			f.Del(p.id)
		} else {
			f.DelName(p.Name)
		}
	case CookiePlace:
		p.removeCookie(f)
	case QueryPlace:
		q.DropParameter(p.Name)
	}
}

func (p *place) removeCookie(f *proxy.Fields) {
	for i, n := 0, f.Len(); i < n; i++ { // the lines that are added hold no such cookie
		if f.ID(i) != proxy.Cookie || !f.Live(i) || !p.within(f.Value(i)) {
			continue
		}
		line := f.Value(i)
		f.Drop(i)
		kept := false
		out := f.Open(proxy.Cookie)
		for rest := line; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte{';'})
			if _, ours := p.cookie(pair); ours {
				continue
			}
			if pair = bytes.Trim(pair, " \t"); len(pair) == 0 {
				continue
			}
			if kept {
				out = append(out, "; "...)
			}
			out = append(out, pair...)
			kept = true
		}
		f.Close(out)
		if !kept {
			f.Drop(f.Len() - 1)
		}
	}
}

func (p *place) within(line []byte) bool {
	for rest := line; len(rest) > 0; {
		var pair []byte
		pair, rest, _ = bytes.Cut(rest, []byte{';'})
		if _, ours := p.cookie(pair); ours {
			return true
		}
	}
	return false
}
