package static

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
)

// Config is what a source is made of.
type Config struct {
	Services []Spec
	// Own reports whether an address is one of the gateway's own listeners,
	// which is never eligible nor pinged. Nil means that there are none.
	Own func(netip.AddrPort) bool
	// Logger must not be nil.
	Logger hclog.Logger
}

// Source serves the configured services. It implements catalog.Source.
type Source struct {
	log   hclog.Logger
	reach catalog.Reach
	ping  func(ctx context.Context, target string, c Check) error

	results chan result
	poke    chan struct{} // capacity 1: wanted or specs changed

	mu      sync.Mutex
	wanted  []string             // sorted
	specs   map[string]Spec      // cloned; never changed, only replaced
	state   map[string]*followed // written by the owner only, under mu
	changes map[string]uint64
}

// followed is one followed service. A name that no spec has is there too.
type followed struct {
	spec     Spec
	checkers map[string]*checking // by the instance's key
	service  *catalog.Service
}

// checking is one checker at work.
type checking struct {
	c      *checker
	cancel context.CancelFunc
	tally  tally
	output string
}

var _ catalog.Source = (*Source)(nil)

// New returns a source that pings nothing before Run. It fails when a spec is
// not valid.
func New(cfg Config) (*Source, error) {
	// Whoever wrote the configuration may mean this machine.
	reach := catalog.Reach{Local: true, Own: cfg.Own}
	s := &Source{
		log: cfg.Logger, reach: reach, ping: newPinger(reach).ping,
		results: make(chan result), poke: make(chan struct{}, 1),
		state: make(map[string]*followed), changes: make(map[string]uint64),
	}
	if err := s.Replace(cfg.Services); err != nil {
		return nil, err
	}
	return s, nil
}

// Name returns "static".
func (s *Source) Name() string { return "static" }

// Replace makes the services those of a new configuration. An instance whose
// address and check are the same keeps its checker and what is known of it.
// Nothing changes when a spec is not valid. It does not block.
func (s *Source) Replace(services []Spec) error {
	specs := make(map[string]Spec, len(services))
	for _, spec := range services {
		if err := spec.Validate(); err != nil {
			return err
		}
		if _, ok := specs[spec.Name]; ok {
			return fmt.Errorf("service %q: it is configured twice", spec.Name)
		}
		specs[spec.Name] = spec.clone()
	}
	s.mu.Lock()
	s.specs = specs
	s.mu.Unlock()
	s.nudge()
	return nil
}

// Follow replaces the set of followed services. Others are not pinged.
func (s *Source) Follow(services []string) {
	names := slices.Clone(services)
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" })
	s.mu.Lock()
	s.wanted = names
	s.mu.Unlock()
	s.nudge()
}

func (s *Source) nudge() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// Run pings and publishes until ctx is done.
func (s *Source) Run(ctx context.Context, feed *catalog.Feed) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	o := &owner{
		Source: s, feed: feed, start: func(f func()) { wg.Go(f) },
		snap: &catalog.Snapshot{Source: s.Name(), Services: map[string]*catalog.Service{}},
		of:   make(map[*checker]string),
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.poke:
			o.reconcile(ctx)
		case r := <-s.results:
			o.apply(r)
		}
	}
}

func (s *Source) emit(ctx context.Context, r result) {
	select {
	case <-ctx.Done():
	case s.results <- r:
	}
}

// Status tells which services still wait for a first result. A configured
// service never ages.
func (s *Source) Status() catalog.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := catalog.Status{Services: make(map[string]catalog.ServiceStatus, len(s.wanted))}
	for _, name := range s.wanted {
		st.Services[name] = catalog.ServiceStatus{Changes: s.changes[name]}
		if f := s.state[name]; f == nil || f.pending() {
			st.Pending = append(st.Pending, name)
		}
	}
	return st
}

func (f *followed) pending() bool {
	for _, k := range f.checkers {
		if k.tally.is == unknown {
			return true
		}
	}
	return false
}
