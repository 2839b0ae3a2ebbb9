package acme

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net/url"
	"path"
	"path/filepath"

	"github.com/caddyserver/certmagic"
)

// copies keeps in files what a fleet has in Consul's KV store, so that a gateway that
// starts while Consul is away, or has lost it, has certificates. The zero value keeps none.
type copies struct{ dir string }

// newCopies keeps below dataDir what lies below the prefix, which ends in a slash.
func newCopies(dataDir, prefix string) copies {
	if dataDir == "" {
		return copies{}
	}
	return copies{filepath.Join(dataDir, "acme-copies", url.PathEscape(prefix))}
}

// files write as certmagic does: at once, and for nobody else to read.
func (c copies) files() *certmagic.FileStorage { return &certmagic.FileStorage{Path: c.dir} }

// name is that of one file with the certificate, its intermediates and its key, which
// are never of two orders so.
func (copies) name(issuer, domain string) string {
	keys := certmagic.StorageKeys
	return path.Join(keys.CertsSitePrefix(issuer, domain), keys.Safe(domain)+".pem")
}

// store replaces the copy.
func (c copies) store(ctx context.Context, issuer, domain string, text []byte) error {
	if err := c.files().Store(ctx, c.name(issuer, domain), text); err != nil {
		return fmt.Errorf("keeping a copy of the certificate: %w", err)
	}
	return nil
}

// load returns what was stored last.
func (c copies) load(ctx context.Context, issuer, domain string) (*tls.Certificate, error) {
	text, err := c.files().Load(ctx, c.name(issuer, domain))
	if err != nil {
		return nil, fmt.Errorf("reading the copy of the certificate: %w", err)
	}
	cert, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, fmt.Errorf("reading the copy of the certificate: %w", err)
	}
	return &cert, nil
}

// keep writes a copy of what is stored, if it is not that already. It is for run
// alone.
func (j *job) keep(ctx context.Context, chain, key []byte) {
	if j.copies.dir == "" {
		return
	}
	text := bytes.Join([][]byte{bytes.TrimSpace(chain), key}, []byte("\n"))
	sum := sha256.Sum256(text)
	if sum == j.copied {
		return
	}
	if err := j.copies.store(ctx, j.issuer.IssuerKey(), j.domain, text); err != nil {
		j.log.Warn("certificate is lost when the gateway starts while Consul is away", "error", err)
		return
	}
	j.copied = sum
}

// recall shows the copy, where there is no certificate and the storage has none, or
// can't be read: run gets a newer one.
func (j *job) recall(ctx context.Context, why error) {
	if j.copies.dir == "" || j.cert.Load() != nil {
		return
	}
	cert, err := j.copies.load(ctx, j.issuer.IssuerKey(), j.domain)
	if err != nil {
		j.log.Debug("there is no copy of the certificate", "error", err)
		return
	}
	if j.cert.CompareAndSwap(nil, cert) {
		j.log.Warn("certificate taken from its copy in data_dir, since Consul gives none", "not_after", cert.Leaf.NotAfter, "error", why)
	}
}
