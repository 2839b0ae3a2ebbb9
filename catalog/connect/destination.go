package connect

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// maxAge is how long a connection into the mesh takes new requests. Intentions
// and certificates are looked at when a connection is made, so this bounds how
// long an old one goes on counting.
const maxAge = 10 * time.Minute

// Destination is how the instances of one service are spoken to through the
// mesh. There is one for each service, so that engines can tell connections
// apart by it.
type Destination struct {
	in       *Identity
	service  string
	protocol atomic.Pointer[string]
	asked    atomic.Bool // Consul has told the protocol, or that it won't
	refusals int         // how often it has told none; of whoever asks
	verdict  verdict
}

// Destination returns how to speak to a service, the same value each time.
func (i *Identity) Destination(service string) *Destination {
	i.mu.Lock()
	defer i.mu.Unlock()
	d := i.destinations[service]
	if d == nil {
		d = &Destination{in: i, service: service}
		i.destinations[service] = d
	}
	return d
}

// Service returns the name of the service.
func (d *Destination) Service() string { return d.service }

// Protocol returns what the service speaks by its discovery chain: "tcp",
// "http", "http2" or "grpc"; empty while that is not known.
func (d *Destination) Protocol() string {
	if p := d.protocol.Load(); p != nil {
		return *p
	}
	return ""
}

// Asked reports whether Consul has said what the service speaks, or that it won't tell,
// which a missing right is a reason for: then Protocol stays empty.
func (d *Destination) Asked() bool { return d.asked.Load() }

// spoken are the protocols that are HTTP, or may be.
var spoken = []string{"", "tcp", "http", "http2", "grpc"}

// Unspoken says why the service can't be spoken to at all, nil when it can.
func (d *Destination) Unspoken() error {
	if p := d.Protocol(); !slices.Contains(spoken, p) {
		return fmt.Errorf("mesh: service %q speaks %s by its service-defaults, which is not spoken to instances", d.service, p)
	}
	return nil
}

// ClientConfig returns the configuration of a connection that is about to be
// made. The instance must show a certificate of the service; host names take no
// part. Nothing is offered by ALPN, though who is going to speak HTTP/2 may: what
// is spoken follows from the service's protocol.
func (d *Destination) ClientConfig(string) *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// crypto/tls would verify a host name. VerifyConnection below verifies
		// instead; unlike VerifyPeerCertificate it runs on resumption too.
		InsecureSkipVerify: true, //nolint:gosec // verified by SPIFFE ID in VerifyConnection
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return d.in.pair() // or an error: never a handshake without a certificate
		},
		VerifyConnection: d.verify,
	}
	if l, r, err := d.in.current(); err == nil {
		c.ServerName = d.want(l, r).sni()
	}
	return c
}

// want is who the instance has to be.
func (d *Destination) want(l *Leaf, r *Roots) ID {
	return ID{
		TrustDomain: r.TrustDomain, Partition: l.ID.Partition, Namespace: l.ID.Namespace,
		Datacenter: cmp.Or(d.in.cfg.Datacenter, l.ID.Datacenter), Service: d.service,
	}
}

func (d *Destination) verify(s tls.ConnectionState) error {
	l, r, err := d.in.current()
	if err != nil {
		return err
	}
	return r.expect(s.PeerCertificates, d.want(l, r), d.in.now())
}

// Fresh reports whether a connection of that age may take another request. While
// Consul is away, old ones are worth more than none: sidecars refuse new ones
// while their agent is.
func (d *Destination) Fresh(age time.Duration) bool {
	return age < maxAge || d.in.stale()
}
