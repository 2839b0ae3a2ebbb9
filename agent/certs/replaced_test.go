package certs

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// reader reads each line of a log at the moment at which it is written.
type reader func(line string)

func (r reader) Write(p []byte) (int, error) {
	r(string(p))
	return len(p), nil
}

// TestReplacedIsShown lets somebody who reads in the log that something was replaced
// meet the server at that very moment.
func TestReplacedIsShown(t *testing.T) {
	a, f := newAuthority(t, "a"), newFiles(t)
	cert, key := a.issue(ecKey(t), 90*24*time.Hour, "a.example.com")
	spec := ServerSpec{
		Pairs: []Pair{f.pair("a", cert, key)}, MinVersion: tls.VersionTLS12,
		ClientCAFile: f.write("ca.pem", newAuthority(t, "one").pem()), TicketFile: f.write("secrets", []byte(secretLine())),
	}
	var s *Server
	hello := &tls.ClientHelloInfo{ServerName: "a.example.com", SupportedVersions: []uint16{tls.VersionTLS13}}
	shown := func() (serial string, authorities *x509.CertPool, secrets any) {
		t.Helper()
		config, err := s.Config().GetConfigForClient(hello)
		if err != nil {
			t.Fatal(err)
		}
		c, err := config.GetCertificate(hello)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.String(), config.ClientCAs, s.next.Load().keys
	}
	var serial string
	var authorities *x509.CertPool
	var secrets any
	read := map[string]bool{}
	log := hclog.New(&hclog.LoggerOptions{Output: reader(func(line string) {
		newSerial, newAuthorities, newSecrets := shown()
		for text, same := range map[string]bool{
			"certificate replaced": newSerial == serial, "authorities replaced": newAuthorities == authorities,
			"secrets of session tickets replaced": newSecrets == secrets,
		} {
			if strings.Contains(line, text) {
				if read[text] = true; same {
					t.Errorf("%q, but a handshake goes by what was there before", text)
				}
			}
		}
	})})
	s = newTestServer(t, spec, log)
	serial, authorities, secrets = shown()
	cert, key = a.issue(ecKey(t), 90*24*time.Hour, "a.example.com")
	f.pair("a", cert, key)
	f.write("ca.pem", newAuthority(t, "two").pem())
	f.write("secrets", []byte(secretLine()))
	s.refresh()
	if len(read) != 3 {
		t.Errorf("the log tells of %v", read)
	}
}
