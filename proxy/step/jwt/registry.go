package jwt

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// DefaultPoll is how often the files of keys are looked at.
const DefaultPoll = time.Second

// Options configure a Registry. The zero value is of use.
type Options struct {
	// Logger hears of key changes; nil means silence.
	Logger hclog.Logger
	// Poll is how often files are looked at, 0 means DefaultPoll.
	Poll time.Duration
	// Roots verify the servers of remote key sets, nil means the system's.
	Roots *x509.CertPool
}

// Registry holds the providers at work, and keeps their keys fresh while Run
// runs. A provider whose Spec is the same after a reload stays, with its keys and
// its verified tokens.
//
//	Prepare(specs) ─▶ Set ─▶ New(route, Set.Provider) … ─▶ Adopt(Set)
type Registry struct {
	log    hclog.Logger
	poll   time.Duration
	client *http.Client

	mu      sync.Mutex
	adopted *Set
	changed chan struct{} // of capacity 1, tells Run
}

// keeper keeps one provider's keys fresh.
type keeper interface {
	run(ctx context.Context, report func(changed bool, err error))
}

// working is a provider and who looks after it.
type working struct {
	provider *Provider
	keeper   keeper
}

// Set is the providers of one configuration.
type Set struct {
	byName map[string]*working
	order  []*working
}

// Provider returns the provider of that name, nil when there is none.
func (s *Set) Provider(name string) *Provider {
	if w := s.byName[name]; w != nil {
		return w.provider
	}
	return nil
}

// Fetching returns the names of providers whose remote keys were not had yet, and
// whose first fetch is not over. A nil Set has none.
func (s *Set) Fetching() (names []string) {
	if s == nil {
		return nil
	}
	for _, w := range s.order {
		if w.provider.demand.expected() {
			names = append(names, w.provider.Spec.Name)
		}
	}
	return names
}

// ProviderError says that a provider can't be put to work.
type ProviderError struct {
	Provider string // its name
	Err      error
}

// Error says what is wrong with which provider.
func (e *ProviderError) Error() string { return fmt.Sprintf("jwt provider %q: %v", e.Provider, e.Err) }

// Unwrap returns the cause.
func (e *ProviderError) Unwrap() error { return e.Err }

// NewRegistry returns a registry without providers.
func NewRegistry(o Options) *Registry {
	g := &Registry{
		log: o.Logger, poll: o.Poll, client: newClient(o.Roots),
		adopted: &Set{}, changed: make(chan struct{}, 1),
	}
	if g.log == nil {
		g.log = hclog.NewNullLogger()
	}
	if g.poll <= 0 {
		g.poll = DefaultPoll
	}
	return g
}

// Prepare makes providers ready without touching those at work. Files are read
// and must be good; what is wrong is returned joined, as *ProviderError. Remote
// keys are fetched, all at once and within five seconds. Those that can't be had
// are fetched on: meanwhile the provider has the keys that one at work has from
// the same URL, and without any its tokens are refused.
func (g *Registry) Prepare(ctx context.Context, specs []*Spec) (*Set, error) {
	return g.prepare(specs, func(p *Provider, k *remoteKeeper, old *Set) {
		changed, err := k.load(ctx)
		if err != nil {
			p.inherit(old)
		}
		g.report(p)(changed, err)
	})
}

// PrepareFirst is Prepare for when nothing is at work yet: it does not wait for
// remote keys. Run fetches them, and exchanges that come before wait for that.
func (g *Registry) PrepareFirst(specs []*Spec) (*Set, error) {
	return g.prepare(specs, func(p *Provider, _ *remoteKeeper, _ *Set) { p.demand.expect() })
}

// prepare has the keys of new remote providers loaded side by side.
func (g *Registry) prepare(specs []*Spec, load func(p *Provider, k *remoteKeeper, old *Set)) (*Set, error) {
	g.mu.Lock()
	old := g.adopted
	g.mu.Unlock()

	s := &Set{byName: make(map[string]*working, len(specs))}
	var remote sync.WaitGroup
	var failures []error
	for _, spec := range specs {
		before := old.byName[spec.Name]
		if before != nil && before.provider.Spec.Equal(spec) {
			s.add(before)
			continue
		}
		counters := new(Counters)
		if before != nil {
			counters = before.provider.Counters
		}
		p := newProvider(spec, counters)
		if spec.Source == RemoteSource {
			k := g.remote(p)
			remote.Go(func() { load(p, k, old) })
			s.add(&working{p, k})
			continue
		}
		k := &fileKeeper{p: p, poll: g.poll}
		if _, err := k.load(); err != nil {
			failures = append(failures, &ProviderError{spec.Name, err})
		}
		s.add(&working{p, k})
	}
	remote.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	return s, nil
}

// inherit gives a provider the keys that one of the set has from the same URL.
func (p *Provider) inherit(from *Set) {
	for _, w := range from.order {
		keys := w.provider.keys.Load()
		if o := w.provider.Spec; keys == nil || o.Source != RemoteSource || o.URI != p.Spec.URI {
			continue
		}
		if _, err := p.install(keys.text); err == nil { // else none fits this one's algorithms
			return
		}
	}
}

func (g *Registry) remote(p *Provider) *remoteKeeper {
	return &remoteKeeper{p: p, fetch: func(ctx context.Context) ([]byte, error) { return fetch(ctx, g.client, p.Spec.URI) }}
}

func (s *Set) add(w *working) {
	s.byName[w.provider.Spec.Name] = w
	s.order = append(s.order, w)
}

// Check reports what is wrong with the files that a provider names. It fetches
// nothing.
func Check(spec *Spec) error {
	if spec.Source == RemoteSource {
		return nil
	}
	_, err := (&fileKeeper{p: newProvider(spec, nil)}).load()
	return err
}

// Adopt puts a prepared set to work in the place of the one before. Providers
// that are gone keep the keys that they have, for exchanges still under way.
func (g *Registry) Adopt(s *Set) {
	g.mu.Lock()
	g.adopted = s
	g.mu.Unlock()
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// Each calls f for every provider at work, in the order of the policy.
func (g *Registry) Each(f func(p *Provider)) {
	g.mu.Lock()
	s := g.adopted
	g.mu.Unlock()
	for _, w := range s.order {
		f(w.provider)
	}
}

// Run keeps the keys of the adopted providers fresh until ctx is done, and waits
// for all that it started. It must run only once at a time.
func (g *Registry) Run(ctx context.Context) {
	running := map[*working]func(){}
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	for {
		g.mu.Lock()
		s := g.adopted
		g.mu.Unlock()
		for w, stop := range running {
			if s.byName[w.provider.Spec.Name] != w {
				stop()
				delete(running, w)
			}
		}
		for _, w := range s.order {
			if running[w] == nil {
				running[w] = g.start(ctx, w)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-g.changed:
		}
	}
}

// start runs a keeper and returns what ends it and waits for it.
func (g *Registry) start(ctx context.Context, w *working) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.keeper.run(ctx, g.report(w.provider))
	}()
	return func() {
		cancel()
		<-ended
	}
}

// report returns what logs a load of a provider's keys: changes, and the first
// of several failures alike.
func (g *Registry) report(p *Provider) func(changed bool, err error) {
	last := ""
	return func(changed bool, err error) {
		switch {
		case err != nil && err.Error() != last:
			last = err.Error()
			g.log.Warn("keys not loaded", "provider", p.Spec.Name, "generation", p.Generation(), "error", err)
		case err == nil:
			if changed || last != "" {
				g.log.Info("keys loaded", "provider", p.Spec.Name, "generation", p.Generation())
			}
			last = ""
		}
	}
}
