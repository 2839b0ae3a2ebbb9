package jwt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// fetchTimeout bounds one fetch of a key set, all of it.
const fetchTimeout = 5 * time.Second

// checkURI wants an absolute https URL, or an http one of this machine: keys that
// came in the clear could be anybody's.
func checkURI(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("it is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it must begin with https://")
	case u.Hostname() == "":
		return errors.New("it names no host")
	case u.User != nil:
		return errors.New("it must hold no user name or password")
	case u.Fragment != "":
		return errors.New("it must have no fragment")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		return errors.New("it must begin with https://, as only a loopback address may be asked in the clear")
	}
	return nil
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// shownURI leaves out the query of a URL, which may hold a secret.
func shownURI(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	if u.RawQuery != "" {
		u.RawQuery = "REDACTED"
	}
	return u.String()
}

// newClient returns the client that key sets are fetched by. nil roots are the
// system's.
func newClient(roots *x509.CertPool) *http.Client {
	secure := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: fetchTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    fetchTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
		ForceAttemptHTTP2:      true,
	}
	open := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: fetchTimeout, Control: loopbackOnly}).DialContext,
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
	}
	return &http.Client{
		Transport: byScheme{open: open, secure: secure},
		Timeout:   fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// byScheme sends http to this machine only, whatever a name resolves to.
type byScheme struct{ open, secure http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b byScheme) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return b.secure.RoundTrip(r)
	}
	return b.open.RoundTrip(r)
}

func loopbackOnly(_, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s is no loopback address", address)
	}
	return nil
}

// fetch gets a key set. It follows no redirect.
func fetch(ctx context.Context, c *http.Client, uri string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, errors.New("fetching the key set: not a URL")
	}
	q.Header.Set("Accept", "application/jwk-set+json, application/json")
	q.Header.Set("User-Agent", "lictor")
	r, err := c.Do(q)
	if err != nil {
		if inner := (*url.Error)(nil); errors.As(err, &inner) {
			err = inner.Err // without the URL, whose query may hold a secret
		}
		return nil, fmt.Errorf("fetching the key set: %w", err)
	}
	defer r.Body.Close()
	switch {
	case r.StatusCode/100 == 3:
		return nil, fmt.Errorf("fetching the key set: status %d, and redirects are not followed", r.StatusCode)
	case r.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("fetching the key set: status %d", r.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, MaxKeySet+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("fetching the key set: %w", err)
	case len(raw) > MaxKeySet:
		return nil, fmt.Errorf("fetching the key set: it is larger than %d bytes", MaxKeySet)
	}
	return raw, nil
}
