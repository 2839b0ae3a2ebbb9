package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/lictor/lictor/agent/certs"
)

const (
	// askTime bounds one question to the server.
	askTime = 30 * time.Second
	// pollTime bounds the wait for it to make up its mind.
	pollTime = 2 * time.Minute
	// spreadTime is how long others of the fleet are given to learn of a
	// challenge, before the server is told that it may ask. They mostly know within
	// milliseconds; but one who is asked too early costs the whole order, and those
	// are counted.
	spreadTime = 5 * time.Second
)

// issuer gets certificates from one ACME server. It is certmagic's Issuer.
type issuer struct {
	spec    Spec
	agent   string // User-Agent
	storage certmagic.Storage
	pending *Pending
}

// IssuerKey implements certmagic.Issuer.
func (i *issuer) IssuerKey() string { return issuerKey(i.spec.Directory) }

// Issue implements certmagic.Issuer.
func (i *issuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	client, done, err := i.client()
	if err != nil {
		return nil, err
	}
	defer done()
	chains, err := i.order(ctx, client, csr)
	if problem, ok := errors.AsType[acme.Problem](err); ok && problem.Type == acme.ProblemTypeAccountDoesNotExist {
		if err := i.forget(ctx); err != nil {
			return nil, err
		}
		chains, err = i.order(ctx, client, csr)
	}
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 {
		return nil, errors.New("the server has issued nothing")
	}
	return &certmagic.IssuedCertificate{Certificate: chains[0].ChainPEM, Metadata: chains[0]}, nil
}

func (i *issuer) order(ctx context.Context, client *acmez.Client, csr *x509.CertificateRequest) ([]acme.Certificate, error) {
	account, err := i.account(ctx, client.Client)
	if err != nil {
		return nil, err
	}
	params, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return nil, err
	}
	return client.ObtainCertificate(ctx, params)
}

// client is made anew for each order: the server's directory and its own
// certificate's authorities may change.
func (i *issuer) client() (_ *acmez.Client, done func(), err error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: askTime, ResponseHeaderTimeout: askTime,
		DialContext:     (&net.Dialer{Timeout: askTime}).DialContext,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if f := i.spec.CAFile; f != "" {
		if transport.TLSClientConfig.RootCAs, err = certs.LoadAuthorities(f); err != nil {
			return nil, nil, fmt.Errorf("loading the ACME server's authorities: %w", err)
		}
	}
	c := &acmez.Client{
		Client: &acme.Client{
			Directory: i.spec.Directory, UserAgent: i.agent, PollTimeout: pollTime,
			HTTPClient: &http.Client{Transport: transport, Timeout: askTime},
		},
		ChallengeSolvers: map[string]acmez.Solver{},
	}
	if !i.spec.NoHTTP {
		c.ChallengeSolvers[HTTP01] = solver{i}
	}
	if !i.spec.NoTLSALPN {
		c.ChallengeSolvers[TLSALPN01] = solver{i}
	}
	return c, transport.CloseIdleConnections, nil
}

// solver has the listeners answer a challenge. It is acmez's Solver and Waiter.
type solver struct{ *issuer }

// Present implements acmez.Solver.
func (s solver) Present(ctx context.Context, c acme.Challenge) error {
	p, err := publish(c, time.Now())
	if err != nil {
		return fmt.Errorf("preparing the answer to a challenge: %w", err)
	}
	s.pending.add(p)
	if s.spec.KVPrefix == "" {
		return nil
	}
	text, err := json.Marshal(p)
	if err == nil {
		err = s.storage.Store(ctx, challengeKey(c), text)
	}
	if err != nil {
		return fmt.Errorf("telling the fleet of a challenge: %w", err)
	}
	return nil
}

// Wait implements acmez.Waiter.
func (s solver) Wait(ctx context.Context, _ acme.Challenge) error {
	if s.spec.KVPrefix == "" {
		return nil
	}
	timer := time.NewTimer(spreadTime)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// CleanUp implements acmez.Solver.
func (s solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	s.pending.remove(c)
	if s.spec.KVPrefix == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	return s.storage.Delete(ctx, challengeKey(c))
}

// challenges is where gateways tell others of theirs, in the storage.
const challenges = "challenges"

func challengeKey(c acme.Challenge) string {
	return path.Join(challenges, certmagic.StorageKeys.Safe(idOf(c))+".json")
}
