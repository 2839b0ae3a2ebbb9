package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Identity is who the gateway is in the mesh: its leaf certificate and the roots
// that vouch for others, kept current by Run.
type Identity struct {
	// Progress is called when Able may say something else than before, from Run. It is
	// set before Run, or nil.
	Progress func()

	cfg   Config
	now   func() time.Time
	leaf  atomic.Pointer[Leaf]
	roots atomic.Pointer[Roots]

	leafChanges, rootChanges atomic.Uint64
	away                     outage
	deniedOut                atomic.Uint64

	first chan struct{} // closed once there are both
	once  sync.Once

	mu           sync.Mutex
	destinations map[string]*Destination
	followed     map[string]*Destination // those whose protocol is asked for
	poke         chan struct{}           // capacity 1: followed changed
}

// New returns an identity that asks Consul nothing before Run.
func New(cfg Config) *Identity {
	i := &Identity{
		cfg: cfg, now: cfg.Now, first: make(chan struct{}),
		destinations: make(map[string]*Destination), followed: make(map[string]*Destination), poke: make(chan struct{}, 1),
	}
	if i.now == nil {
		i.now = time.Now
	}
	return i
}

// Service returns the gateway's own name in the mesh.
func (i *Identity) Service() string { return i.cfg.Service }

// Run keeps the leaf, the roots and the protocols of destinations current until
// ctx is done.
func (i *Identity) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { follow(ctx, i.cfg.Logger, &i.away, "the roots", i.askRoots) })
	wg.Go(func() { follow(ctx, i.cfg.Logger, &i.away, "the leaf certificate", i.askLeaf) })
	wg.Go(func() { i.followProtocols(ctx) })
	wg.Wait()
}

func (i *Identity) askRoots(ctx context.Context, index uint64, wait time.Duration) (uint64, error) {
	list, meta, err := i.cfg.Consul.API().Connect().CARoots(i.cfg.Consul.Options(ctx, index, wait))
	if err != nil {
		return 0, err
	}
	r, err := newRoots(list)
	if err != nil {
		return 0, err
	}
	if old := i.roots.Load(); !r.equal(old) {
		i.roots.Store(r)
		if old != nil {
			i.rootChanges.Add(1)
		}
		i.cfg.Logger.Info("mesh roots known", "trust_domain", r.TrustDomain, "active", r.Active, "roots", len(r.ids), "index", meta.LastIndex)
		i.complete()
	}
	return meta.LastIndex, nil
}

func (i *Identity) askLeaf(ctx context.Context, index uint64, wait time.Duration) (uint64, error) {
	got, meta, err := i.cfg.Consul.API().Agent().ConnectCALeaf(i.cfg.Service, i.cfg.Consul.Options(ctx, index, wait))
	if err != nil {
		if statusCode(err) == 403 {
			err = fmt.Errorf(`%w: the token needs service %q { policy = "write" }`, err, i.cfg.Service)
		}
		return 0, err
	}
	l, err := newLeaf(got, i.cfg.Service)
	if err != nil {
		return 0, err
	}
	if old := i.leaf.Load(); !l.equal(old) {
		i.leaf.Store(l)
		if old != nil {
			i.leafChanges.Add(1)
		}
		i.cfg.Logger.Info("mesh leaf certificate known", "service", l.ID.Service, "id", l.ID.String(), "serial", l.Serial, "not_after", l.NotAfter)
		i.complete()
	}
	return meta.LastIndex, nil
}

func (i *Identity) complete() {
	if i.leaf.Load() != nil && i.roots.Load() != nil {
		i.once.Do(func() { close(i.first) })
	}
	i.progress()
}

func (i *Identity) progress() {
	if i.Progress != nil {
		i.Progress()
	}
}

// Able reports whether a service can be spoken to at present, as far as that is up to
// the gateway: there is something to show, something to judge others by, and Consul has
// been asked what the service speaks.
func (i *Identity) Able(service string) bool {
	return i.Check() == nil && i.Destination(service).Asked()
}

// First is closed once there has been a leaf and a set of roots.
func (i *Identity) First() <-chan struct{} { return i.first }

// IdentityError says that the gateway itself has nothing to show, or nothing to
// judge others by. No peer is to blame.
type IdentityError struct{ Err error }

// Error says what is missing.
func (e *IdentityError) Error() string { return "mesh: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *IdentityError) Unwrap() error { return e.Err }

var (
	errNoLeaf  = errors.New("there is no leaf certificate yet")
	errNoRoots = errors.New("there are no roots yet")
)

// current returns what a new connection goes by. Its error is an *IdentityError.
func (i *Identity) current() (*Leaf, *Roots, error) {
	l, r := i.leaf.Load(), i.roots.Load()
	switch {
	case l == nil:
		return nil, nil, &IdentityError{errNoLeaf}
	case r == nil:
		return nil, nil, &IdentityError{errNoRoots}
	}
	if now := i.now(); now.After(l.NotAfter) {
		return nil, nil, &IdentityError{fmt.Errorf("the leaf certificate expired %s ago, and Consul gave no other", now.Sub(l.NotAfter).Round(time.Second))}
	}
	return l, r, nil
}

// Check says why no connection can be made, nil when one can.
func (i *Identity) Check() error {
	_, _, err := i.current()
	if why := i.away.err(); err != nil && why != nil {
		return fmt.Errorf("%w: %w", err, why)
	}
	return err
}

// pair returns the leaf to show.
func (i *Identity) pair() (*tls.Certificate, error) {
	l, _, err := i.current()
	if err != nil {
		return nil, err
	}
	return l.pair, nil
}

// Status tells people and metrics of the identity.
type Status struct {
	Service string
	// ID, Serial and NotAfter are the leaf's; zero while there is none.
	ID       string
	Serial   string
	NotAfter time.Time
	// TrustDomain and Roots are zero while no root is known.
	TrustDomain string
	Roots       int
	// LeafRotations and RootRotations count changes after the first.
	LeafRotations, RootRotations uint64
	// Denied counts the requests that an intention denied the gateway.
	Denied uint64
	// Err is why no connection can be made at present.
	Err error
}

// Status tells of the identity as it is now.
func (i *Identity) Status() Status {
	st := Status{
		Service: i.cfg.Service, Err: i.Check(), Denied: i.deniedOut.Load(),
		LeafRotations: i.leafChanges.Load(), RootRotations: i.rootChanges.Load(),
	}
	if l := i.leaf.Load(); l != nil {
		st.ID, st.Serial, st.NotAfter = l.ID.String(), l.Serial, l.NotAfter
	}
	if r := i.roots.Load(); r != nil {
		st.TrustDomain, st.Roots = r.TrustDomain, len(r.ids)
	}
	return st
}

// stale reports whether Consul can't be asked, so that a new connection might
// fail where an old one serves: sidecars refuse new ones while their agent is
// away.
func (i *Identity) stale() bool { return i.away.questions.Load() > 0 || i.Check() != nil }
