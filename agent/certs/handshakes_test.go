package certs

import (
	"crypto/tls"
	"testing"
	"time"
)

// TestHandshakes counts each once, whatever the version and whoever is asked for a
// certificate, over a change of certificates.
func TestHandshakes(t *testing.T) {
	a, friend, f := newAuthority(t, "a"), newAuthority(t, "friend"), newFiles(t)
	ca, secrets := f.write("ca.pem", friend.pem()), f.write("secrets", []byte(secretLine()))
	for _, spec := range []ServerSpec{
		{}, {TicketFile: secrets}, {ClientCAFile: ca}, {ClientCAFile: ca, ClientOptional: true}, {ClientCAFile: ca, TicketFile: secrets},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			cert, key := a.issue(ecKey(t), time.Hour, "a.example.com")
			spec.Pairs, spec.MinVersion = []Pair{f.pair("a", cert, key)}, tls.VersionTLS12
			s := newTestServer(t, spec, nil)
			config := s.Config()
			pair := friend.client()
			c := &tls.Config{RootCAs: a.pool, ServerName: "a.example.com", ClientSessionCache: tls.NewLRUClientSessionCache(1), MaxVersion: version}
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			for i := range 3 {
				if i == 2 {
					cert, key = a.issue(ecKey(t), time.Hour, "a.example.com")
					f.pair("a", cert, key)
					s.refresh()
				}
				if _, _, err := handshake(t, config, c); err != nil {
					t.Fatal(err)
				}
			}
			if full, resumed := s.Handshakes(); full != 1 || resumed != 2 {
				t.Errorf("%+v, %s: %d full and %d resumed", spec, tls.VersionName(version), full, resumed)
			}
			c.ServerName = "b.example.com" // the client breaks it off
			if _, _, err := handshake(t, config, c); err == nil {
				t.Fatal("a certificate for another name was taken")
			}
			if full, resumed := s.Handshakes(); full > 2 || resumed != 2 {
				t.Errorf("%+v, %s: with a failed one %d full and %d resumed", spec, tls.VersionName(version), full, resumed)
			}
		}
	}
}
