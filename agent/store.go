package agent

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/lictor/lictor/agent/certs"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/limits/redis"
	"github.com/lictor/lictor/proxy/step/limit"
)

// openStore returns the store of shared limits, nil when none is configured. It
// does not ask whether the store is there: without it limits still limit.
func (a *Agent) openStore(c *config.Store) (*redis.Store, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // not configured is no error
	}
	o := redis.Options{
		Addresses: c.Addresses, Master: c.Master, Database: c.Database, Prefix: c.Prefix,
		Timeout: c.Timeout, Gateways: c.Gateways, Clock: a.clock, Changed: a.storeChanged,
	}
	var err error
	if c.PasswordFile != "" {
		if _, err = readSecret(c.PasswordFile); err != nil {
			return nil, fmt.Errorf("store password: %w", err)
		}
		o.Credentials = func() (string, string, error) {
			password, err := readSecret(c.PasswordFile)
			return c.Username, password, err
		}
	}
	if c.SaltFile != "" {
		salt, err := readSecret(c.SaltFile)
		if err != nil {
			return nil, fmt.Errorf("store salt: %w", err)
		}
		o.Salt = []byte(salt)
	}
	if c.TLS != nil {
		if o.TLS, err = storeTLS(c.TLS); err != nil {
			return nil, err
		}
	}
	return redis.New(o)
}

// storeTLS is read once: a store whose certificates change needs a restart.
func storeTLS(spec *certs.ClientSpec) (*tls.Config, error) {
	c, err := certs.LoadClient(*spec)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	t := c.ClientConfig("") // the host of the address, whichever it is
	t.NextProtos = nil      // it speaks no HTTP
	return t, nil
}

// readSecret reads a file that holds nothing but a secret, but for the end of its
// line.
func readSecret(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return secret, nil
}

// closeStore may be called when there is none.
func (a *Agent) closeStore() {
	if a.store == nil {
		return
	}
	if err := a.store.Close(); err != nil {
		a.log.Debug("store not closed", "error", err)
	}
}

func (a *Agent) storeChanged(answers bool, err error) {
	if answers {
		a.log.Info("store of limits answers again")
		return
	}
	a.log.Warn("store of limits does not answer, shared limits go on by on_store_error", "error", err)
}

// sharedLimiter prepares a limit whose budgets are in the store.
func (a *Agent) sharedLimiter(s *limit.Spec, was limits.Limiter) (*redis.Limiter, limits.Adoption, error) {
	if a.store == nil {
		return nil, limits.Adoption{}, fmt.Errorf("limit %q: %w", s.Name, errors.New(`scope "shared" needs a store block, and a restart when that is new`))
	}
	old, _ := was.(*redis.Limiter)
	return a.store.Limiter(redis.Spec{
		Name: s.Name, KeyClass: fmt.Sprintf("%s/%d/%d", s.KeyClass(), s.IPv4Prefix, s.IPv6Prefix),
		Limit: s.Limit, OnError: onError(s.OnStoreError), Lease: s.Lease, MaxKeys: s.MaxKeys,
	}, old)
}

func onError(o limit.OnStoreError) redis.OnError {
	switch o {
	case limit.Open:
		return redis.Open
	case limit.Closed:
		return redis.Closed
	default:
		return redis.Share
	}
}

// StoreInfo is the store of shared limits in GET /v1/limits.
type StoreInfo struct {
	// Answers is false while limits go on without it.
	Answers bool `json:"answers"`
	// Calls were made, Failed of them in vain.
	Calls  uint64 `json:"calls"`
	Failed uint64 `json:"failed"`
	// Known decisions were denials given without a call, Leased ones were taken
	// from what an earlier call had brought.
	Known  uint64 `json:"known"`
	Leased uint64 `json:"leased"`
}

func (a *Agent) storeInfo() StoreInfo {
	s := a.store.Stats()
	return StoreInfo{Answers: !s.Open, Calls: s.Calls, Failed: s.Failed, Known: s.Known, Leased: s.Leased}
}
