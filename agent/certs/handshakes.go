package certs

import "crypto/tls"

// Handshakes returns how many handshakes the server has agreed to: full ones, and those
// that resumed a session. The client's last word may not have come.
func (s *Server) Handshakes() (full, resumed uint64) { return s.full.Load(), s.resumed.Load() }

// count refuses nobody. crypto/tls asks it once in each handshake.
func (s *Server) count(about tls.ConnectionState) error {
	if about.DidResume {
		s.resumed.Add(1)
	} else {
		s.full.Add(1)
	}
	return nil
}
