package config

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/acme"
	"github.com/lictor/lictor/agent/certs"
	"github.com/lictor/lictor/agent/staple"
)

// tlsBlock is how a listener speaks TLS.
type tlsBlock struct {
	Certificates []certificateBlock `hcl:"certificate,block"`
	ACME         *acmeBlock         `hcl:"acme,block"`
	MinVersion   *hcl.Attribute     `hcl:"min_version,optional"`
	ClientCAFile *hcl.Attribute     `hcl:"client_ca_file,optional"`
	ClientAuth   *hcl.Attribute     `hcl:"client_auth,optional"`
	OCSPStapling *hcl.Attribute     `hcl:"ocsp_stapling,optional"`
	TicketFile   *hcl.Attribute     `hcl:"session_ticket_key_file,optional"`

	Range hcl.Range `hcl:",def_range"`
}

type certificateBlock struct {
	CertFile *hcl.Attribute `hcl:"cert_file,optional"`
	KeyFile  *hcl.Attribute `hcl:"key_file,optional"`

	Range hcl.Range `hcl:",def_range"`
}

// upstreamTLSBlock is how a route's instances are spoken to.
type upstreamTLSBlock struct {
	CAFile     *hcl.Attribute `hcl:"ca_file,optional"`
	ServerName *hcl.Attribute `hcl:"server_name,optional"`
	CertFile   *hcl.Attribute `hcl:"cert_file,optional"`
	KeyFile    *hcl.Attribute `hcl:"key_file,optional"`

	Range hcl.Range `hcl:",def_range"`
}

// listenerTLS reads a listener's TLS. What the files hold is checked too: a
// configuration that can't serve is refused while the one before still does.
func (r *reader) listenerTLS(in *tlsBlock) *certs.ServerSpec {
	if in == nil {
		return nil
	}
	s := &certs.ServerSpec{MinVersion: tls.VersionTLS12, ClientCAFile: r.path(in.ClientCAFile, "")}
	if r.Enum(in.MinVersion, "1.2", "1.2", "1.3") == "1.3" {
		s.MinVersion = tls.VersionTLS13
	}
	if len(in.Certificates) == 0 && in.ACME == nil {
		r.Errorf(in.Range, "Missing certificate block", "TLS needs at least one certificate block, or an acme block that gets certificates.")
	}
	s.NoStapling = !r.Bool(in.OCSPStapling, true)
	for _, c := range in.Certificates {
		r.Required(c.CertFile, "cert_file", c.Range)
		r.Required(c.KeyFile, "key_file", c.Range)
		p := r.pair(c.CertFile, c.KeyFile)
		s.Pairs = append(s.Pairs, p)
		r.mustStaple(c.CertFile, p, s.NoStapling)
	}
	r.authorities(in.ClientCAFile, s.ClientCAFile)
	s.ClientOptional = r.Enum(in.ClientAuth, "require", "require", "optional") == "optional"
	if in.ClientAuth != nil && in.ClientCAFile == nil {
		r.Errorf(in.ClientAuth.Expr.Range(), "Missing required argument", "The argument %q is required beside %q.", "client_ca_file", "client_auth")
	}
	s.TicketFile = r.ticketSecrets(in.TicketFile)
	return s
}

// upstreamTLS reads a route's TLS to its instances.
func (r *reader) upstreamTLS(in *upstreamTLSBlock) *certs.ClientSpec {
	if in == nil {
		return nil
	}
	s := &certs.ClientSpec{CAFile: r.path(in.CAFile, ""), ServerName: r.Text(in.ServerName, "")}
	if s.ServerName != "" && !serverName(s.ServerName) {
		r.Errorf(in.ServerName.Expr.Range(), "Invalid server_name", "%q is neither a host name nor an address, without a port.", s.ServerName)
	}
	r.authorities(in.CAFile, s.CAFile)
	cert, key := r.path(in.CertFile, ""), r.path(in.KeyFile, "")
	switch {
	case cert == "" && key == "":
		return s
	case key == "":
		r.Errorf(in.CertFile.Expr.Range(), "Missing required argument", "The argument %q is required beside %q.", "key_file", "cert_file")
		return s
	case cert == "":
		r.Errorf(in.KeyFile.Expr.Range(), "Missing required argument", "The argument %q is required beside %q.", "cert_file", "key_file")
		return s
	}
	s.Pair = r.pair(in.CertFile, in.KeyFile)
	return s
}

// pair reads the names of a certificate and its key, and looks whether they can
// be used.
func (r *reader) pair(certFile, keyFile *hcl.Attribute) certs.Pair {
	p := certs.Pair{CertFile: r.path(certFile, ""), KeyFile: r.path(keyFile, "")}
	if p.CertFile == "" || p.KeyFile == "" {
		return p
	}
	c, err := certs.LoadPair(p)
	if err != nil {
		at := certFile
		bad, ok := errors.AsType[*certs.FileError](err)
		if ok && bad.File != p.CertFile {
			at = keyFile
		}
		r.badFile(at, err)
		return p
	}
	if wrong := certs.Validity(c.Leaf, time.Now()); wrong != "" {
		r.Warnf(certFile.Expr.Range(), "Certificate out of date", "%s: %s.", p.CertFile, wrong)
	}
	return p
}

// mustStaple warns of a certificate that clients will refuse, since it is to be shown
// with a staple and can't be.
func (r *reader) mustStaple(certFile *hcl.Attribute, p certs.Pair, off bool) {
	if p.CertFile == "" || p.KeyFile == "" {
		return
	}
	c, err := certs.LoadPair(p)
	if err != nil {
		return // which is told already
	}
	wrong := staple.Flaw(c)
	if off && staple.MustStaple(c.Leaf) {
		wrong = errors.New("ocsp_stapling is off")
	}
	if wrong != nil {
		r.Warnf(certFile.Expr.Range(), "Certificate without its staple",
			"%s: the certificate says that it must be shown with an OCSP staple, and it won't be: %v.", p.CertFile, wrong)
	}
}

// authorities looks whether a file of certificates can be used.
func (r *reader) authorities(a *hcl.Attribute, file string) {
	if file == "" {
		return
	}
	if _, err := certs.LoadAuthorities(file); err != nil {
		r.badFile(a, err)
	}
}

// ticketSecrets reads the name of a file of secrets for session tickets, and looks
// whether it can be used.
func (r *reader) ticketSecrets(a *hcl.Attribute) string {
	file := r.path(a, "")
	if file == "" {
		return ""
	}
	if _, err := certs.LoadTickets(file); err != nil {
		r.badFile(a, err)
	} else if certs.Exposed(file) {
		r.Warnf(a.Expr.Range(), "Exposed "+a.Name, "%s: every user of this machine may read it. Who has the secrets can pass for the gateway, and for its clients.", file)
	}
	return file
}

func (r *reader) badFile(a *hcl.Attribute, err error) {
	r.Errorf(a.Expr.Range(), "Invalid "+a.Name, "%s.", err)
}

// serverName reports whether a certificate can be for s.
func serverName(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return hostHeader(s) && !strings.ContainsAny(s, ":[]*")
}

// redactedListenerTLS shows the names of files, never what is in them.
func redactedListenerTLS(s *certs.ServerSpec, made *acme.Want) object {
	pairs := []object{}
	for _, p := range s.Pairs {
		pairs = append(pairs, object{"cert_file": p.CertFile, "key_file": p.KeyFile})
	}
	auth := "require"
	if s.ClientOptional {
		auth = "optional"
	}
	out := object{
		"certificate":             pairs,
		"min_version":             strings.TrimPrefix(tls.VersionName(s.MinVersion), "TLS "),
		"client_ca_file":          s.ClientCAFile,
		"client_auth":             auth,
		"ocsp_stapling":           !s.NoStapling,
		"session_ticket_key_file": s.TicketFile,
	}
	if made != nil {
		out["acme"] = redactedACME(made)
	}
	return out
}

func redactedUpstreamTLS(s *certs.ClientSpec) object {
	return object{"ca_file": s.CAFile, "server_name": s.ServerName, "cert_file": s.Pair.CertFile, "key_file": s.Pair.KeyFile}
}
