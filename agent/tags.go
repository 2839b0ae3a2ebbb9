package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/fabio"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/catalog/consul"
)

// tagRoutes are the routes that services ask for by their tags, as they do of
// fabio.
//
//	consul.TagWatch ──names──▶ find ──▶ the catalog's source follows them too
//	                                        │
//	the source's snapshots ──▶ take ◀───────┘
//	                            │ tags that changed
//	                            ▼
//	                   fabio.Build ──▶ latest ──▶ Reload ──▶ a generation with them
//
// What is newest is part of every reload, as policies in Consul's KV store are. A
// service is asked for by tags until both the list of services and the service
// itself say that there are none: only the latter is held when Consul's word can't
// be taken.
//
// A service whose tags changed stays as it was for the pools until the generation
// made of its new tags serves: a route for the instances with a tag would else be
// without any for a moment. For the same reason that generation's own pools are made
// of the service as it has become. Health waits for nothing: where requests are divided by the
// number of healthy instances, the weights follow later.
type tagRoutes struct {
	watch   *consul.TagWatch
	options fabio.Options
	dirty   chan struct{}    // capacity 1: there is something to take up, or to follow
	checked map[string]error // what is known of routes' texts; retag's alone

	// latest is the newest that tags amount to, never nil.
	latest atomic.Pointer[tagSet]
	// refusal is why a reload with the latest was refused, nil when it was not.
	refusal  atomic.Pointer[refusal]
	complete atomic.Bool // everything has been known once

	// applying is held while the pools are told, so that they hear of things in
	// their order. It is taken before mu, which is never held meanwhile.
	applying sync.Mutex

	mu      sync.Mutex
	source  *source
	found   map[string]bool   // by the list of services
	asked   []string          // followed for their tags, in the order of their coming
	over    int               // that are not asked, for there are too many
	snap    *catalog.Snapshot // the source's newest, nil before the first
	saved   bool              // there is a catalog of before to start with
	input   []fabio.Service   // what the tags are
	marks   map[string]string // of services in input, see mark
	pending map[string]bool   // services whose tags are not taken up yet
	stale   bool              // the source is to follow other services
	balance string            // of input, by which requests are divided; see balance
	recount bool              // that has changed, and is not taken up yet
}

// openTags returns nil when tags make no routes.
func (a *Agent) openTags(c *config.Config) (*tagRoutes, error) {
	if c.Consul == nil || !c.Consul.FabioTags {
		return nil, nil //nolint:nilnil // not configured is no error
	}
	in := a.consulConfig(c)
	in.Logger = a.log.Named("tags")
	w, err := consul.NewTagWatch(in, fabio.Is)
	if err != nil {
		return nil, fmt.Errorf("opening the services' tags: %w", err)
	}
	t := &tagRoutes{
		watch: w, options: FabioOptions(c.Consul.Datacenter), dirty: make(chan struct{}, 1),
		found: map[string]bool{}, checked: map[string]error{}, marks: map[string]string{}, pending: map[string]bool{},
	}
	t.latest.Store(&tagSet{})
	check := t.options.Check
	t.options.Check = func(text string) error {
		err, known := t.checked[text]
		if !known {
			err = check(text)
			t.checked[text] = err
		}
		return err
	}
	return t, nil
}

// services are those that are followed for their tags. It may be called on nil.
func (t *tagRoutes) services() []string {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.asked)
}

// current is the newest that tags amount to. It may be called on nil.
func (t *tagRoutes) current() *tagSet {
	if t == nil {
		return nil
	}
	return t.latest.Load()
}

// followTags finds services by their tags until ctx is done.
func (a *Agent) followTags(ctx context.Context) {
	t := a.tags
	if t == nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { a.retag(ctx) })
	saved := t.watch.Saved()
	t.find(saved)
	t.mu.Lock()
	t.saved = len(saved) > 0 // once they are found: without them nothing would be waited for
	t.mu.Unlock()
	t.watch.Run(ctx, t.find)
}

func (t *tagRoutes) poke() {
	select {
	case t.dirty <- struct{}{}:
	default:
	}
}
