package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// soon is how long before the end of a certificate it is warned of, and
	// again is how often.
	soon  = 14 * 24 * time.Hour
	again = 24 * time.Hour
)

// ServerSpec says what a listener shows and asks of its clients.
type ServerSpec struct {
	// Pairs are the certificates, at least one. The first is for clients that
	// ask for a name that none has.
	Pairs []Pair
	// MinVersion is tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion uint16
	// ClientCAFile holds the authorities that a client's certificate must come
	// from. Empty means that none is asked for.
	ClientCAFile string
}

// ServerSet is everything that a ServerSpec names, read and sound. It is made
// before anything that serves is touched, and handed to one Server.
type ServerSet struct {
	spec      ServerSpec
	pairs     []*source[*tls.Certificate]
	authority *source[*x509.CertPool] // nil without client certificates
	warned    []time.Time             // parallel to pairs: when the expiry was told last
}

// LoadServer reads everything that the spec names.
func LoadServer(spec ServerSpec) (*ServerSet, error) {
	if len(spec.Pairs) == 0 {
		return nil, fmt.Errorf("no certificate")
	}
	set := &ServerSet{spec: spec, warned: make([]time.Time, len(spec.Pairs))}
	for _, p := range spec.Pairs {
		s := newSource([]string{p.CertFile, p.KeyFile}, parsePair(p))
		if _, err := s.look(false); err != nil {
			return nil, fmt.Errorf("loading a certificate: %w", err)
		}
		set.pairs = append(set.pairs, s)
	}
	if f := spec.ClientCAFile; f != "" {
		set.authority = newSource([]string{f}, parseAuthorities(f))
		if _, err := set.authority.look(false); err != nil {
			return nil, fmt.Errorf("loading the clients' authorities: %w", err)
		}
	}
	return set, nil
}

// config is what the next handshake goes by.
func (s *ServerSet) config() *tls.Config {
	var all []*tls.Certificate
	for _, p := range s.pairs {
		all = append(all, p.value)
	}
	choice := newChoice(all)
	c := &tls.Config{
		MinVersion:     s.spec.MinVersion,
		NextProtos:     protocols(),
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return choice.choose(h), nil },
	}
	if s.authority != nil {
		// A resumed session is judged by these too: crypto/tls asks again
		// whether one of its chains ends here.
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, s.authority.value
	}
	return c
}

// protocols are offered by ALPN (RFC 7301), the preferred one first.
func protocols() []string { return []string{"h2", "http/1.1"} }

// Server is what one listener shows to its clients, now.
type Server struct {
	log  hclog.Logger
	next atomic.Pointer[tls.Config] // of the next handshake

	mu  sync.Mutex // guards set and what is in it
	set *ServerSet
}

// NewServer returns a server that shows the set. Nil logs nothing.
func NewServer(set *ServerSet, log hclog.Logger) *Server {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	s := &Server{log: log}
	s.Adopt(set)
	return s
}

// Config returns a configuration for good: each handshake goes by what there is
// then. Session tickets stay valid through a change of certificates.
func (s *Server) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols(),
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return s.next.Load(), nil
		},
	}
}

// Adopt shows another set from the next handshake on. It can't fail.
func (s *Server) Adopt(set *ServerSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = set
	s.next.Store(set.config())
}

// Look looks at the files, takes over what is new and sound, and logs what is
// broken, at the second look. It warns of certificates that end.
func (s *Server) Look(now time.Time) {
	s.refresh()
	s.warnOfEnd(now)
}

func (s *Server) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := false
	for i, p := range s.set.pairs {
		is, err := p.look(true)
		pair := s.set.spec.Pairs[i]
		switch {
		case err != nil:
			s.log.Error("certificate refused, the previous one stays", "cert_file", pair.CertFile, "key_file", pair.KeyFile, "error", err)
		case is:
			changed, s.set.warned[i] = true, time.Time{}
			s.log.Info("certificate replaced", "cert_file", pair.CertFile, "names", namesOf(p.value.Leaf), "not_after", p.value.Leaf.NotAfter)
		}
	}
	if a := s.set.authority; a != nil {
		is, err := a.look(true)
		if err != nil {
			s.log.Error("authorities refused, the previous ones stay", "client_ca_file", s.set.spec.ClientCAFile, "error", err)
		}
		if is {
			s.log.Info("authorities replaced", "client_ca_file", s.set.spec.ClientCAFile)
		}
		changed = changed || is
	}
	if changed {
		s.next.Store(s.set.config())
	}
}

func (s *Server) warnOfEnd(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.set.pairs {
		leaf := p.value.Leaf
		if leaf.NotAfter.Sub(now) > soon || now.Sub(s.set.warned[i]) < again {
			continue
		}
		s.set.warned[i] = now
		text := "certificate expires soon"
		if now.After(leaf.NotAfter) {
			text = "certificate has expired"
		}
		s.log.Warn(text, "cert_file", s.set.spec.Pairs[i].CertFile, "names", namesOf(leaf), "not_after", leaf.NotAfter)
	}
}

// Status tells people about one certificate.
type Status struct {
	CertFile string
	// Names are the names and addresses that the certificate is valid for.
	Names    []string
	NotAfter time.Time
}

// Certificates returns what is shown now, in the order of the configuration.
func (s *Server) Certificates() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Status
	for i, p := range s.set.pairs {
		out = append(out, Status{CertFile: s.set.spec.Pairs[i].CertFile, Names: namesOf(p.value.Leaf), NotAfter: p.value.Leaf.NotAfter})
	}
	return out
}

func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
