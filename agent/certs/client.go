package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
)

// ClientSpec says how instances are spoken to. It is comparable.
type ClientSpec struct {
	// CAFile holds the authorities that an instance's certificate must come
	// from. Empty stands for the system's.
	CAFile string
	// ServerName is the name that the certificate must have, and that is asked
	// for by SNI. Empty stands for the instance's own address or host name.
	ServerName string
	// Pair is what the gateway shows of itself; the zero value is nothing.
	Pair Pair
}

// Client is how the instances of some routes are spoken to, now. It is one for
// each ClientSpec, so that engines can tell connections apart by it.
type Client struct {
	spec ClientSpec
	next atomic.Pointer[tls.Config] // of the next handshake

	mu        sync.Mutex // guards what follows
	pair      *source[*tls.Certificate]
	authority *source[*x509.CertPool]
}

// LoadClient reads everything that the spec names.
func LoadClient(spec ClientSpec) (*Client, error) {
	c := &Client{spec: spec}
	if f := spec.CAFile; f != "" {
		c.authority = newSource([]string{f}, parseAuthorities(f))
		if _, err := c.authority.look(false); err != nil {
			return nil, fmt.Errorf("loading the instances' authorities: %w", err)
		}
	}
	if p := spec.Pair; p != (Pair{}) {
		c.pair = newSource([]string{p.CertFile, p.KeyFile}, parsePair(p))
		if _, err := c.pair.look(false); err != nil {
			return nil, fmt.Errorf("loading a certificate: %w", err)
		}
	}
	c.next.Store(c.config())
	return c, nil
}

func (c *Client) config() *tls.Config {
	t := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if c.authority != nil {
		t.RootCAs = c.authority.value
	}
	if c.pair != nil {
		t.Certificates = []tls.Certificate{*c.pair.value}
	}
	return t
}

// Spec returns what the client was made from.
func (c *Client) Spec() ClientSpec { return c.spec }

// ClientConfig returns the configuration of a connection that is about to be
// made to a host, an address or a name. The instance is always verified.
func (c *Client) ClientConfig(host string) *tls.Config {
	t := c.next.Load().Clone()
	t.ServerName = c.spec.ServerName
	if t.ServerName == "" {
		t.ServerName = host
	}
	return t
}

// Look looks at the files, takes over what is new and sound, and logs what is
// broken, at the second look.
func (c *Client) Look(log hclog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := false
	if c.authority != nil {
		is, err := c.authority.look(true)
		if err != nil {
			log.Error("authorities refused, the previous ones stay", "ca_file", c.spec.CAFile, "error", err)
		}
		changed = changed || is
	}
	if c.pair != nil {
		is, err := c.pair.look(true)
		if err != nil {
			log.Error("certificate refused, the previous one stays", "cert_file", c.spec.Pair.CertFile, "key_file", c.spec.Pair.KeyFile, "error", err)
		}
		changed = changed || is
	}
	if changed {
		c.next.Store(c.config())
		log.Info("certificates for instances replaced", "ca_file", c.spec.CAFile, "cert_file", c.spec.Pair.CertFile)
	}
}
