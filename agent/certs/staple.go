package certs

import (
	"bytes"
	"crypto/tls"
	"slices"
)

// Stapler knows what authorities say of certificates. It is never asked during
// handshakes.
type Stapler interface {
	// Staple returns the OCSP response to show with a certificate from now on, nil
	// for none. It must not wait for anybody.
	Staple(c *tls.Certificate) []byte
}

// StapleBy has the set's certificates shown with what the stapler knows of them, from
// when the set is adopted.
func (s *ServerSet) StapleBy(stapler Stapler) { s.stapler = stapler }

// all returns the certificates that are shown: those in files, and then the keeper's.
func (s *ServerSet) all() []*tls.Certificate {
	out := make([]*tls.Certificate, 0, len(s.pairs)+len(s.kept))
	for _, p := range s.pairs {
		out = append(out, p.value)
	}
	return append(out, s.kept...)
}

// takeStaples asks the stapler again, and reports whether it has others than before.
func (s *ServerSet) takeStaples() bool {
	if s.stapler == nil {
		return false
	}
	var now [][]byte
	for _, c := range s.all() {
		now = append(now, s.stapler.Staple(c))
	}
	changed := !slices.EqualFunc(now, s.staples, bytes.Equal)
	s.staples = now
	return changed
}

// stapled returns what is shown, with the staples that were taken.
func (s *ServerSet) stapled() []*tls.Certificate {
	out := s.all()
	for i, staple := range s.staples {
		if staple != nil {
			c := *out[i]
			c.OCSPStaple = staple
			out[i] = &c
		}
	}
	return out
}

// ToStaple returns the certificates that are shown with staples, where there are any.
func (s *Server) ToStaple() []*tls.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set.stapler == nil {
		return nil
	}
	return s.set.all()
}
