package http3

import "crypto/tls"

// keepingTickets returns a configuration that seals the tickets of sessions by keys
// of its own, so that they outlive what GetConfigForClient returns: crypto/tls does
// so by itself, and quic-go asks for the keys of what was returned. Keys that
// somebody has set in there are left alone.
func keepingTickets(c *tls.Config) *tls.Config {
	c = c.Clone()
	next := c.GetConfigForClient
	if next == nil {
		return c
	}
	keys := c.Clone() // crypto/tls makes keys for it, and replaces them every day
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		chosen, err := next(hello)
		if chosen == nil || err != nil || chosen.WrapSession != nil {
			return chosen, err
		}
		chosen = chosen.Clone()
		chosen.WrapSession, chosen.UnwrapSession = keys.EncryptTicket, keys.DecryptTicket
		return chosen, nil
	}
	return c
}
