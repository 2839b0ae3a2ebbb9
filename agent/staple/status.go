package staple

import (
	"crypto/sha256"
	"crypto/tls"
	"time"
)

// Status tells people how it is with the staple of one certificate.
type Status struct {
	// Responder is the first that the certificate names; empty for none that can be
	// asked.
	Responder string
	// Must says that clients may refuse the certificate without a staple.
	Must bool
	// Revoked says that the certificate is, since RevokedAt.
	Revoked   bool
	RevokedAt time.Time
	// ThisUpdate and NextUpdate are when the newest response was known to be right,
	// and when it ends or ended; zero for none. It is shown from now on until then,
	// if it is not Revoked.
	ThisUpdate, NextUpdate time.Time
	// Err is why there is no newer response, and Again when it is asked for again;
	// nil when all is well. A zero Again is never.
	Err   error
	Again time.Time
}

// Status returns how it is with a certificate, and false for one that has nothing to
// do with OCSP, or is not followed.
func (s *Stapler) Status(c *tls.Certificate) (Status, bool) {
	s.mu.Lock()
	j := s.jobs[sha256.Sum256(c.Leaf.Raw)]
	s.mu.Unlock()
	if j == nil {
		return Status{}, false
	}
	out := Status{Must: j.must}
	if len(j.responders) > 0 {
		out.Responder = j.responders[0]
	}
	if a := j.held.Load(); a != nil {
		out.Revoked, out.RevokedAt, out.ThisUpdate, out.NextUpdate = a.revoked, a.revokedAt, a.this, a.next
	}
	if f := j.failure.Load(); f != nil {
		out.Err, out.Again = f.err, f.again
	}
	return out, true
}
