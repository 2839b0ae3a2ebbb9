package consul

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

const (
	// loginWait bounds one login.
	loginWait = 5 * time.Second
	// loginFloor lies between two logins at least, whatever becomes of the
	// tokens.
	loginFloor = time.Second
)

// errNotLoggedIn is what queries end with while there is no token yet.
var errNotLoggedIn = errors.New("not logged in to Consul yet")

// ErrTokenGiven is why there can be no login: Consul would refuse it.
var ErrTokenGiven = errors.New("there is a token for Consul already (token_file, or CONSUL_HTTP_TOKEN in the environment), so that there can be no login")

// LoginSpec says how to get a token from one of Consul's auth methods.
type LoginSpec struct {
	// Method is the name of the auth method.
	Method string
	// BearerTokenFile holds what proves who we are, such as a JWT. It is read at
	// each login.
	BearerTokenFile string
	// Meta is noted with the tokens.
	Meta map[string]string
}

// Login gets an ACL token by an auth method, and another one before that expires
// or when Consul knows it no more. One that was replaced is left to expire, since
// queries may still carry it. A Login serves any number of clients, by
// Config.Login.
type Login struct {
	spec LoginSpec
	con  *client // has no token of its own
	log  hclog.Logger

	current atomic.Pointer[api.ACLToken] // nil before the first
	err     atomic.Pointer[error]
	got     *bell
	lost    chan string // capacity 1: the secret of a token that Consul refused
}

// NewLogin returns a login that asks nothing yet. It fails when the client can't
// be built, and with ErrTokenGiven where there is a token already.
func NewLogin(cfg Config, spec LoginSpec) (*Login, error) {
	cfg.Login = nil
	con, err := newClient(&cfg)
	if err != nil {
		return nil, err
	}
	if con.token.current() != "" {
		return nil, ErrTokenGiven
	}
	return &Login{spec: spec, con: con, log: cfg.Logger, got: newBell(), lost: make(chan string, 1)}, nil
}

// Err returns why there is no new token, nil when all is well.
func (l *Login) Err() error {
	if p := l.err.Load(); p != nil {
		return *p
	}
	return nil
}

// secret returns the token; ok is false before the first login.
func (l *Login) secret() (text string, ok bool) {
	if t := l.current.Load(); t != nil {
		return t.SecretID, true
	}
	return "", false
}

// refused says that Consul does not know a token. It does not block.
func (l *Login) refused(secret string) {
	select {
	case l.lost <- secret:
	default:
	}
}

// First logs in where nobody did yet, so that what is started next finds a
// token. Where that fails, it returns why, and Run tries again.
func (l *Login) First(ctx context.Context) error {
	if l.current.Load() != nil {
		return nil
	}
	return l.login(ctx, time.Now())
}

// Run keeps a token until ctx is done. Close then gives it back.
func (l *Login) Run(ctx context.Context) {
	var backoff time.Duration
	for ctx.Err() == nil {
		next := l.renewal(time.Now())
		if l.Err() != nil {
			backoff = grow(backoff, backoffRefused)
			next = jitter(backoff, chance())
		}
		if !l.pause(ctx, next) {
			return
		}
		if l.login(ctx, time.Now()) == nil {
			backoff = 0
			rest(ctx, loginFloor)
		}
	}
}

// renewal returns the time until a token is replaced: two thirds of what it still
// has to live. 0 is never.
func (l *Login) renewal(now time.Time) time.Duration {
	t := l.current.Load()
	if t == nil {
		return loginFloor
	}
	if t.ExpirationTime == nil {
		return 0
	}
	return max(t.ExpirationTime.Sub(now)*2/3, loginFloor)
}

// pause waits for d, 0 for ever, or until Consul refuses the token in force.
func (l *Login) pause(ctx context.Context, d time.Duration) bool {
	var expired <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		expired = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-expired:
			return true
		case secret := <-l.lost:
			if now, _ := l.secret(); now == secret && l.Err() == nil {
				l.log.Warn("Consul knows the token no more, logging in again", "auth_method", l.spec.Method)
				return true
			}
		}
	}
}

func (l *Login) login(ctx context.Context, now time.Time) error {
	t, err := l.ask(ctx)
	if err != nil {
		err = fmt.Errorf("logging in by the auth method %q: %w", l.spec.Method, err)
		if l.Err() == nil && ctx.Err() == nil {
			l.log.Warn("no token from Consul", "error", err)
		}
		l.err.Store(&err)
		return err
	}
	lifetime := "unlimited"
	if t.ExpirationTime != nil {
		lifetime = t.ExpirationTime.Sub(now).Round(time.Second).String()
	}
	l.log.Info("logged in to Consul", "auth_method", l.spec.Method, "accessor", t.AccessorID, "lifetime", lifetime)
	l.current.Store(t)
	l.err.Store(nil)
	l.got.strike()
	return nil
}

func (l *Login) ask(ctx context.Context) (_ *api.ACLToken, err error) {
	defer rescue(&err)
	bearer, err := fileText(l.spec.BearerTokenFile)
	if err != nil {
		return nil, fmt.Errorf("reading the bearer token: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, loginWait)
	defer cancel()
	params := &api.ACLLoginParams{AuthMethod: l.spec.Method, BearerToken: bearer, Meta: l.spec.Meta}
	t, _, err := l.con.api.ACL().Login(params, (&api.WriteOptions{Datacenter: l.con.dc}).WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if t == nil || t.SecretID == "" {
		return nil, errors.New("the answer holds no token")
	}
	return t, nil
}

// Close gives the token back, within three seconds. No client may use it any
// more.
func (l *Login) Close() {
	if t := l.current.Swap(nil); t != nil {
		l.logout(t)
	}
}

func (l *Login) logout(t *api.ACLToken) {
	ctx, cancel := context.WithTimeout(context.Background(), deregisterTime)
	defer cancel()
	o := (&api.WriteOptions{Token: t.SecretID, Datacenter: l.con.dc}).WithContext(ctx)
	if _, err := l.con.api.ACL().Logout(o); err != nil {
		l.log.Debug("token could not be given back", "accessor", t.AccessorID, "error", err)
	}
}

// hopeless is a context that was over before it began.
type hopeless struct {
	context.Context
	why error
}

// Done implements context.Context.
func (hopeless) Done() <-chan struct{} { return over }

// Err implements context.Context.
func (h hopeless) Err() error { return h.why }

// over is closed.
var over = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
