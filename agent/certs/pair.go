package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Pair names the files of a certificate, followed by its intermediates, and of
// its private key, in PEM.
type Pair struct{ CertFile, KeyFile string }

// LoadPair reads a certificate and its key. Its error is a *FileError. A
// certificate that has expired is none.
func LoadPair(p Pair) (*tls.Certificate, error) {
	return load([]string{p.CertFile, p.KeyFile}, parsePair(p))
}

// LoadAuthorities reads the certificates of authorities. Its error is a
// *FileError.
func LoadAuthorities(file string) (*x509.CertPool, error) {
	return load([]string{file}, parseAuthorities(file))
}

func load[T any](files []string, parse func([][]byte) (T, error)) (T, error) {
	s := newSource(files, parse)
	_, err := s.look(false)
	return s.value, err
}

func parsePair(p Pair) func([][]byte) (*tls.Certificate, error) {
	return func(texts [][]byte) (*tls.Certificate, error) {
		chain, err := certificates(texts[0])
		if err != nil {
			return nil, &FileError{File: p.CertFile, Err: err}
		}
		c, err := tls.X509KeyPair(texts[0], texts[1])
		if err != nil {
			return nil, &FileError{File: p.KeyFile, Err: errors.New(strings.TrimPrefix(err.Error(), "tls: "))}
		}
		c.Leaf = chain[0]
		return &c, nil
	}
}

func parseAuthorities(file string) func([][]byte) (*x509.CertPool, error) {
	return func(texts [][]byte) (*x509.CertPool, error) {
		all, err := certificates(texts[0])
		if err != nil {
			return nil, &FileError{File: file, Err: err}
		}
		pool := x509.NewCertPool()
		for _, c := range all {
			pool.AddCert(c)
		}
		return pool, nil
	}
}

// certificates parses the certificates of a PEM file, at least one. What else is
// in the file is passed over, since many keep the key there too.
func certificates(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for rest := text; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	switch {
	case len(out) > 0:
		return out, nil
	case bytes.Contains(text, []byte("PRIVATE KEY-----")):
		return nil, errors.New("holds a private key and no certificate")
	}
	return nil, errors.New("holds no certificate in PEM")
}

// Validity says what is wrong with the time at which a certificate is used,
// empty for nothing.
func Validity(c *x509.Certificate, now time.Time) string {
	switch {
	case now.After(c.NotAfter):
		return "the certificate expired on " + c.NotAfter.UTC().Format(time.DateOnly)
	case now.Before(c.NotBefore):
		return "the certificate is not valid before " + c.NotBefore.UTC().Format(time.RFC3339)
	}
	return ""
}
