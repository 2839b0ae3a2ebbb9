package certs

import "crypto/tls"

// alpnACME is what an ACME server offers that asks for a challenge's answer (RFC 8737
// section 4), and nobody else.
const alpnACME = "acme-tls/1"

// Keeper knows certificates that are in no files, since the gateway has made them for
// itself. It is asked during handshakes, and must not block.
type Keeper interface {
	// Certificates returns those that there are now, with their Leaf.
	Certificates() []*tls.Certificate
	// Challenge returns the certificate that answers an ACME server that asks for
	// a name, nil where none is to ask.
	Challenge(name string) *tls.Certificate
}

// challenge returns the configuration for a handshake that is an ACME server's, nil
// for all others. The connection ends with the handshake.
func (s *ServerSet) challenge(hello *tls.ClientHelloInfo) *tls.Config {
	if s.keeper == nil || len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != alpnACME {
		return nil
	}
	c := s.keeper.Challenge(hello.ServerName)
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{alpnACME}, Certificates: []tls.Certificate{*c},
		SessionTicketsDisabled: true,
	}
}
