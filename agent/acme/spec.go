package acme

import (
	"errors"
	"net/url"
	"strings"
)

// LetsEncrypt is the directory of the ACME server that is asked where no other is
// named.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// The challenges by which a gateway shows that a domain is its own.
const (
	HTTP01    = "http-01"
	TLSALPN01 = "tls-alpn-01"
)

// The kinds of keys that certificates are for.
const (
	KeyP256    = "p256"
	KeyP384    = "p384"
	KeyRSA2048 = "rsa2048"
)

// Spec says where certificates come from, and where they are kept. It is
// comparable: what has the same Spec has the same account.
type Spec struct {
	// Directory is the URL of the ACME server (RFC 8555 section 7.1.1).
	Directory string
	// CAFile holds the authorities that the server's own certificate must come
	// from. Empty stands for the system's.
	CAFile string
	// Email is told to the server, which may write to it; empty for none.
	Email string
	// KeyType is that of the certificates' keys.
	KeyType string
	// NoHTTP and NoTLSALPN leave a challenge out.
	NoHTTP, NoTLSALPN bool
	// KVPrefix is where all is kept in Consul's KV store; empty means in files.
	KVPrefix string
	// EABKeyID and EABKeyFile bind the account to one that was made elsewhere (RFC
	// 8555 section 7.3.4). The file holds the MAC key in base64url.
	EABKeyID, EABKeyFile string
}

// Want is what a listener wants of certificates: those of the Spec for each of the
// domains, in lower case.
type Want struct {
	Spec    Spec
	Domains []string
}

// CheckDirectory says what is wrong with the URL of an ACME server.
func CheckDirectory(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return err
	case u.Scheme != "https" || u.Host == "":
		return errors.New("an ACME server is asked by https alone: its directory is a URL such as " + LetsEncrypt)
	case u.User != nil || u.Fragment != "":
		return errors.New("the URL of an ACME server has neither a user nor a fragment")
	}
	return nil
}

// issuerKey names an ACME server in the storage, as certmagic does.
func issuerKey(directory string) string {
	u, err := url.Parse(directory)
	if err != nil {
		return directory
	}
	key := u.Host
	if path := strings.Trim(strings.NewReplacer("/", "-", `\`, "-").Replace(u.Path), "-"); path != "" {
		key += "-" + path
	}
	return key
}
