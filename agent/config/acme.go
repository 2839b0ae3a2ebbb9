package config

import (
	"net/mail"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/acme"
	"github.com/lictor/lictor/attr"
)

// mostDomains bounds the domains of one acme block: each is an order of its own.
const mostDomains = 1000

// acmeBlock is how a listener gets certificates by itself.
type acmeBlock struct {
	Domains      *hcl.Attribute `hcl:"domains,optional"`
	AgreeTOS     *hcl.Attribute `hcl:"agree_tos,optional"`
	Email        *hcl.Attribute `hcl:"email,optional"`
	DirectoryURL *hcl.Attribute `hcl:"directory_url,optional"`
	CAFile       *hcl.Attribute `hcl:"ca_file,optional"`
	Challenges   *hcl.Attribute `hcl:"challenges,optional"`
	KeyType      *hcl.Attribute `hcl:"key_type,optional"`
	KVPrefix     *hcl.Attribute `hcl:"kv_prefix,optional"`
	EABKeyID     *hcl.Attribute `hcl:"eab_key_id,optional"`
	EABKeyFile   *hcl.Attribute `hcl:"eab_key_file,optional"`

	Range hcl.Range `hcl:",def_range"`
}

// listenerACME reads how a listener gets certificates. It asks nobody: whether the
// ACME server issues any is found out by running.
func (r *reader) listenerACME(in *acmeBlock) *acme.Want {
	if in == nil {
		return nil
	}
	w := &acme.Want{Domains: r.domains(in), Spec: acme.Spec{
		Directory: r.Text(in.DirectoryURL, acme.LetsEncrypt),
		CAFile:    r.path(in.CAFile, ""),
		Email:     r.Text(in.Email, ""),
		KeyType:   r.Enum(in.KeyType, acme.KeyP256, acme.KeyP256, acme.KeyP384, acme.KeyRSA2048),
		KVPrefix:  r.Text(in.KVPrefix, ""),
		EABKeyID:  r.Text(in.EABKeyID, ""), EABKeyFile: r.path(in.EABKeyFile, ""),
	}}
	if !r.Bool(in.AgreeTOS, false) {
		at := in.Range
		if in.AgreeTOS != nil {
			at = in.AgreeTOS.Expr.Range()
		}
		r.Errorf(at, "Terms not agreed to", "An ACME server issues certificates to those alone who agree to its terms of service: read them, and set agree_tos = true.")
	}
	if err := acme.CheckDirectory(w.Spec.Directory); err != nil {
		r.Errorf(in.DirectoryURL.Expr.Range(), "Invalid directory_url", "%s", attr.Sentence(err))
	}
	r.authorities(in.CAFile, w.Spec.CAFile)
	if a, err := mail.ParseAddress(w.Spec.Email); w.Spec.Email != "" && (err != nil || a.Address != w.Spec.Email) {
		r.Errorf(in.Email.Expr.Range(), "Invalid email", "%q is not an address such as ops@example.com.", w.Spec.Email)
	}
	r.challenges(in, &w.Spec)
	if p := w.Spec.KVPrefix; in.KVPrefix != nil && (!strings.HasSuffix(p, "/") || strings.HasPrefix(p, "/") || strings.Contains(p, "//")) {
		r.Errorf(in.KVPrefix.Expr.Range(), "Invalid kv_prefix", `%q is not a prefix of keys that ends in "/", such as "lictor/acme/".`, p)
	}
	switch {
	case in.EABKeyID != nil && in.EABKeyFile == nil:
		r.Errorf(in.EABKeyID.Expr.Range(), "Missing required argument", "The argument %q is required beside %q.", "eab_key_file", "eab_key_id")
	case in.EABKeyID == nil && in.EABKeyFile != nil:
		r.Errorf(in.EABKeyFile.Expr.Range(), "Missing required argument", "The argument %q is required beside %q.", "eab_key_id", "eab_key_file")
	case in.EABKeyFile != nil:
		if _, err := os.Stat(w.Spec.EABKeyFile); err != nil {
			r.badFile(in.EABKeyFile, err)
		}
	}
	return w
}

// domains reads names that certificates can be got for by the challenges that there
// are: wildcards take one by DNS.
func (r *reader) domains(in *acmeBlock) []string {
	if in.Domains == nil {
		r.Errorf(in.Range, "Missing required argument", "The argument %q is required.", "domains")
		return nil
	}
	var out []string
	items := r.Unique(in.Domains)
	for _, it := range items {
		name := strings.ToLower(it.Value)
		switch {
		case strings.HasPrefix(name, "*."):
			r.Errorf(it.At, "Invalid domain", "%q is a wildcard: a certificate for one takes a challenge by DNS, which there is none of. Name the hosts, or use a certificate in files.", it.Value)
		case !domainName(name):
			r.Errorf(it.At, "Invalid domain", "%q is not the name of a host, in ASCII and without a port.", it.Value)
		case slices.Contains(out, name):
			r.Errorf(it.At, "Duplicate domain", "%q stands here twice.", it.Value)
		default:
			out = append(out, name)
		}
	}
	if len(items) == 0 || len(items) > mostDomains {
		r.Errorf(in.Domains.Expr.Range(), "Invalid domains", "There are from 1 to %d domains in a block.", mostDomains)
	}
	return out
}

// domainName reports whether s can be a host's name in the DNS (RFC 1123 section 2.1),
// in lower case, and is no address.
func domainName(s string) bool {
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for _, c := range []byte(l) {
			if !(c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z') {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return len(s) <= 253 && strings.Trim(last, "0123456789") != ""
}

func (r *reader) challenges(in *acmeBlock, s *acme.Spec) {
	if in.Challenges == nil {
		return
	}
	s.NoHTTP, s.NoTLSALPN = true, true
	items := r.Unique(in.Challenges)
	for _, it := range items {
		switch it.Value {
		case acme.HTTP01:
			s.NoHTTP = false
		case acme.TLSALPN01:
			s.NoTLSALPN = false
		default:
			r.Errorf(it.At, "Invalid challenge", "%q is neither %q nor %q.%s", it.Value, acme.HTTP01, acme.TLSALPN01, attr.DidYouMean(it.Value, []string{acme.HTTP01, acme.TLSALPN01}))
		}
	}
	if len(items) == 0 {
		r.Errorf(in.Challenges.Expr.Range(), "Invalid challenges", "Without a challenge there is no certificate: it takes %q or %q.", acme.HTTP01, acme.TLSALPN01)
	}
}

// acmeStorage looks whether there is where certificates are to be kept. It is asked
// about a whole configuration.
func (r *reader) acmeStorage(c *Config, blocks []*hcl.Block) {
	for i := range c.Listeners {
		w := c.Listeners[i].ACME
		if w == nil || i >= len(blocks) {
			continue
		}
		switch {
		case w.Spec.KVPrefix != "" && c.Consul == nil:
			r.Errorf(blocks[i].DefRange, "No Consul", "The certificates of this listener are kept in Consul's KV store by kv_prefix, and there is no consul block.")
		case w.Spec.KVPrefix == "" && c.DataDir == "":
			r.Errorf(blocks[i].DefRange, "Missing data_dir", "The certificates that this listener gets by ACME must outlive a restart, or the server soon refuses more: set data_dir, or kv_prefix in the acme block.")
		}
		if !w.Spec.NoHTTP && w.Spec.NoTLSALPN && !slices.ContainsFunc(c.Listeners, func(l Listener) bool { return l.TLS == nil && !l.Mesh && l.Protocol == ProtocolHTTP }) {
			r.Warnf(blocks[i].DefRange, "No listener in clear", "The challenge %q is asked for in clear, at port 80, and there is no listener without a tls block.", acme.HTTP01)
		}
	}
}

// redactedACME shows the names of files, never what is in them.
func redactedACME(w *acme.Want) object {
	list := []string{}
	if !w.Spec.NoHTTP {
		list = append(list, acme.HTTP01)
	}
	if !w.Spec.NoTLSALPN {
		list = append(list, acme.TLSALPN01)
	}
	return object{
		"domains": listOf(w.Domains), "agree_tos": true, "email": w.Spec.Email, "directory_url": redactedAddress(w.Spec.Directory),
		"ca_file": w.Spec.CAFile, "challenges": list, "key_type": w.Spec.KeyType, "kv_prefix": w.Spec.KVPrefix,
		"eab_key_id": w.Spec.EABKeyID, "eab_key_file": w.Spec.EABKeyFile,
	}
}
