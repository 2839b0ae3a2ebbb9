package harness

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/lictor/lictor/e2e/process"
)

// PebbleOptions say how to run an ACME server.
type PebbleOptions struct {
	// HTTPPort and TLSPort are where it asks for challenges, on this machine.
	HTTPPort, TLSPort int
	// Life is that of the certificates; 0 is 90 days.
	Life time.Duration
	// Responder is the URL by which certificates say who vouches for them by OCSP;
	// empty for nobody.
	Responder string
}

// Pebble is a real ACME server that remembers nothing and ends with the test. To it
// all names are this machine's.
type Pebble struct {
	// Directory is its URL, CAFile the authority of its own certificate. Both are
	// there before Start.
	Directory, CAFile string
	Log               *Log

	t       testing.TB
	o       PebbleOptions
	dir     string
	ports   []int
	dns     net.Listener
	client  *http.Client
	process *process.Process
}

// pebbleBinary is found once for all tests of a run.
var pebbleBinary = sync.OnceValues(func() (string, error) {
	source, err := root()
	if err != nil {
		return "", err
	}
	return output(filepath.Join(source, "e2e", "acme", "pebble.sh"))
})

// NewPebble prepares an ACME server, which Start runs.
func NewPebble(t testing.TB, o PebbleOptions) *Pebble {
	t.Helper()
	ports, err := process.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	p := &Pebble{t: t, o: o, dir: t.TempDir(), ports: ports, Log: &Log{}}
	p.Log.showOnFailure(t, "the ACME server")
	p.Directory = fmt.Sprintf("https://127.0.0.1:%d/dir", ports[0])
	p.CAFile = filepath.Join(p.dir, "ca.pem")
	p.certify()
	if p.dns, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(p.serveDNS)
	t.Cleanup(func() {
		p.Kill()
		p.dns.Close()
		served.Wait()
	})
	return p
}

// certify makes the server's own certificate.
func (p *Pebble) certify() {
	p.t.Helper()
	key := newKey(p.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	p.write("ca.key", keyPEM(p.t, key))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	p.t.Cleanup(transport.CloseIdleConnections)
	p.client = &http.Client{Transport: transport, Timeout: Patience}
}

func keyPEM(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

func (p *Pebble) write(name string, text []byte) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), text, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// Start runs the server, and waits until it answers. It has no memory of an earlier
// life.
func (p *Pebble) Start() {
	p.t.Helper()
	binary, err := pebbleBinary()
	if err != nil {
		p.t.Fatal(err)
	}
	life := p.o.Life
	if life == 0 {
		life = 90 * 24 * time.Hour
	}
	algorithm := "ecdsa"
	if p.o.Responder != "" {
		algorithm = "rsa" // it gives away no other keys
	}
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress":           fmt.Sprintf("127.0.0.1:%d", p.ports[0]),
		"managementListenAddress": fmt.Sprintf("127.0.0.1:%d", p.ports[1]),
		"certificate":             filepath.Join(p.dir, "ca.pem"), "privateKey": filepath.Join(p.dir, "ca.key"),
		"httpPort": p.o.HTTPPort, "tlsPort": p.o.TLSPort, "keyAlgorithm": algorithm,
		"retryAfter": map[string]int{"authz": 1, "order": 1}, "ocspResponderURL": p.o.Responder,
		"profiles": map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": int(life.Seconds())}},
	}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("pebble.json", text)
	p.process, err = process.Start(process.Command{
		Path: binary, Args: []string{"-config", filepath.Join(p.dir, "pebble.json"), "-dnsserver", p.dns.Addr().String()},
		Env: []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=5"}, Output: p.Log,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), Patience)
	defer cancel()
	if err := process.Until(ctx, p.process, func(context.Context) error { _, err := p.get(p.Directory); return err }); err != nil {
		p.t.Fatalf("the ACME server does not answer: %v; it printed:\n%s", err, p.Log)
	}
}

// Kill ends the server at once.
func (p *Pebble) Kill() {
	if p.process != nil {
		p.process.Kill()
	}
}

// Issued counts the certificates that all its lives have issued.
func (p *Pebble) Issued() int { return p.Log.Count("Issued certificate serial") }

// Roots returns the authority that its certificates come from.
func (p *Pebble) Roots() *x509.CertPool {
	p.t.Helper()
	text := p.managed("roots/0")
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		p.t.Fatalf("the ACME server's root is %q", text)
	}
	return pool
}

// Issuer returns the certificate by which it signs others, and its key, in PEM. There
// has to be a Responder.
func (p *Pebble) Issuer() (cert, key []byte) {
	p.t.Helper()
	return p.managed("intermediates/0"), p.managed("intermediate-keys/0")
}

// managed returns what its management interface has at a path.
func (p *Pebble) managed(path string) []byte {
	p.t.Helper()
	text, err := p.get(fmt.Sprintf("https://127.0.0.1:%d/%s", p.ports[1], path))
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

func (p *Pebble) get(url string) ([]byte, error) {
	response, err := p.client.Get(url) //nolint:noctx // the client has a timeout
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s", response.Status, body)
	}
	return body, err
}

// serveDNS answers every question for an IPv4 address with this machine's, and all
// others with nothing. The server asks by TCP (RFC 1035 section 4.2.2).
func (p *Pebble) serveDNS() {
	var asked sync.WaitGroup
	defer asked.Wait()
	for {
		c, err := p.dns.Accept()
		if err != nil {
			return
		}
		asked.Go(func() {
			defer c.Close()
			if c.SetDeadline(time.Now().Add(Patience)) == nil {
				_ = answerDNS(c) // it would ask again
			}
		})
	}
}

func answerDNS(c net.Conn) error {
	var size uint16
	if err := binary.Read(c, binary.BigEndian, &size); err != nil {
		return err
	}
	question := make([]byte, size)
	if _, err := io.ReadFull(c, question); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return err
	}
	answer := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}, Questions: m.Questions}
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA {
			answer.Answers = append(answer.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	packed, err := answer.AppendPack(make([]byte, 2, 512))
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint16(packed, uint16(len(packed)-2)) // a few dozen bytes
	_, err = c.Write(packed)
	return err
}
