package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/agent/tickets"
)

const (
	// soon is how long before the end of a certificate it is warned of, and
	// again is how often.
	soon  = 14 * 24 * time.Hour
	again = 24 * time.Hour
)

// ServerSpec says what a listener shows and asks of its clients.
type ServerSpec struct {
	// Pairs are the certificates in files, at least one where there is no Keeper.
	// The first is for clients that ask for a name that none has.
	Pairs []Pair
	// MinVersion is tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion uint16
	// ClientCAFile holds the authorities that a client's certificate must come
	// from. Empty means that none is asked for.
	ClientCAFile string
	// ClientOptional says that a client may come without one. One that it shows
	// must be good.
	ClientOptional bool
	// NoStapling leaves out what authorities say of the certificates by OCSP.
	NoStapling bool
	// TicketFile holds the secrets by which session tickets are sealed. Empty means
	// that they are sealed by keys that nobody else has.
	TicketFile string
}

// ServerSet is everything that a ServerSpec names, read and sound. It is made
// before anything that serves is touched, and handed to one Server.
type ServerSet struct {
	spec      ServerSpec
	pairs     []*source[*tls.Certificate]
	authority *source[*x509.CertPool] // nil without client certificates
	warned    []time.Time             // parallel to pairs: when the expiry was told last
	keeper    Keeper                  // of certificates that are in no files; nil for none
	kept      []*tls.Certificate      // of it, as they are shown
	stapler   Stapler                 // of what authorities say of them; nil for none
	staples   [][]byte                // of it, as they are shown: those of the pairs, then of kept
	tickets   *source[*tickets.Keys]  // nil without a TicketFile
}

// LoadServer reads everything that the spec names. The keeper's certificates come
// after those in files; nil stands for none.
func LoadServer(spec ServerSpec, keeper Keeper) (*ServerSet, error) {
	if len(spec.Pairs) == 0 && keeper == nil {
		return nil, fmt.Errorf("no certificate")
	}
	set := &ServerSet{spec: spec, keeper: keeper, warned: make([]time.Time, len(spec.Pairs))}
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
	if err := set.loadTickets(); err != nil {
		return nil, err
	}
	return set, nil
}

// config is what the next handshake goes by.
func (s *ServerSet) config() *tls.Config {
	choice := newChoice(s.stapled())
	c := &tls.Config{
		MinVersion: s.spec.MinVersion,
		NextProtos: protocols(),
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := choice.choose(h); c != nil {
				return c, nil
			}
			return nil, errNone
		},
	}
	if s.authority != nil {
		// A resumed session is judged by these too: crypto/tls asks again
		// whether one of its chains ends here.
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, s.authority.value
		if s.spec.ClientOptional {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	if k := s.keys(); k != nil {
		k.Use(c)
	}
	return c
}

// errNone ends handshakes until a first certificate was made.
var errNone = errors.New("there is no certificate yet")

// protocols are offered by ALPN (RFC 7301), the preferred one first.
func protocols() []string { return []string{"h2", "http/1.1"} }

// Server is what one listener shows to its clients, now.
type Server struct {
	log  hclog.Logger
	next atomic.Pointer[showing] // of the next one
	// full and resumed count handshakes that the server has agreed to.
	full, resumed atomic.Uint64

	mu  sync.Mutex // guards set and what is in it, but for its keeper
	set *ServerSet
}

// showing is what a handshake goes by.
type showing struct {
	*tls.Config
	set  *ServerSet
	keys *tickets.Keys // of its session tickets; nil for those of crypto/tls
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
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			next := s.next.Load()
			if c := next.set.challenge(hello); c != nil {
				return c, nil
			}
			if next.keys != nil {
				return next.keys.For(hello, next.Config), nil
			}
			return next.Config, nil
		},
	}
}

// Adopt shows another set from the next handshake on. It can't fail.
func (s *Server) Adopt(set *ServerSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = set
	s.set.takeKept()
	s.set.takeStaples()
	s.showLocked()
}

func (s *Server) showLocked() {
	c := s.set.config()
	c.VerifyConnection = s.count
	s.next.Store(&showing{c, s.set, s.set.keys()})
}

// takeKept asks the keeper again, and reports whether it has others than before.
func (s *ServerSet) takeKept() bool {
	if s.keeper == nil {
		return false
	}
	now := s.keeper.Certificates()
	changed := !slices.Equal(now, s.kept)
	s.kept = now
	return changed
}

// Look looks at the files, takes over what is new and sound, and logs what is
// broken, at the second look. What it logs as replaced is shown already. It warns of
// certificates that end.
func (s *Server) Look(now time.Time) {
	s.refresh()
	s.warnOfEnd(now)
}

func (s *Server) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var replaced []news
	for i, p := range s.set.pairs {
		is, err := p.look(true)
		pair := s.set.spec.Pairs[i]
		switch {
		case err != nil:
			s.log.Error("certificate refused, the previous one stays", "cert_file", pair.CertFile, "key_file", pair.KeyFile, "error", err)
		case is:
			s.set.warned[i] = time.Time{}
			replaced = append(replaced, news{"certificate replaced", []any{"cert_file", pair.CertFile, "names", namesOf(p.value.Leaf), "not_after", p.value.Leaf.NotAfter}})
		}
	}
	if a := s.set.authority; a != nil {
		is, err := a.look(true)
		if err != nil {
			s.log.Error("authorities refused, the previous ones stay", "client_ca_file", s.set.spec.ClientCAFile, "error", err)
		}
		if is {
			replaced = append(replaced, news{"authorities replaced", []any{"client_ca_file", s.set.spec.ClientCAFile}})
		}
	}
	replaced = append(replaced, s.lookAtTicketsLocked()...)
	changed := s.set.takeKept() || len(replaced) > 0
	if s.set.takeStaples() || changed {
		s.showLocked()
	}
	for _, n := range replaced { // who reads it may count on it
		s.log.Info(n.text, n.fields...)
	}
}

// news is a line for the log.
type news struct {
	text   string
	fields []any
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
