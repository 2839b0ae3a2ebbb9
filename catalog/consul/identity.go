package consul

import (
	"cmp"
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// identityTime bounds the first question, which the watches wait for, and
	// identityPatience the later ones, which nobody waits for.
	identityTime     = 2 * time.Second
	identityPatience = 5 * time.Second
	// identityInterval is how often an unknown place is asked for again.
	identityInterval = 15 * time.Second
	// identityTimeouts is how often in a row the agent may take too long before it
	// counts as one that won't tell.
	identityTimeouts = 4
)

const warnAgentText = `the token may not ask the agent for its node name, so loopback addresses and Unix sockets are not eligible: ` +
	`add agent_prefix "" { policy = "read" } to its policy, or name the node in the configuration`

// identity finds out which node our agent runs on.
type identity struct {
	con  *client
	log  hclog.Logger
	warn *warnings
	node string // configured, empty to ask
	here *atomic.Pointer[place]
	lost func(error) // the agent gives no answer: have it watched for
	// told says that the agent has said where it runs, or won't say.
	told atomic.Bool

	// Of whoever asks at the time.
	timeouts int // since it last answered
	backoff  time.Duration
}

// first asks once, and falls back to what was known before the gateway
// restarted, which may be the zero place.
func (i *identity) first(ctx context.Context, before place) {
	before.Node = cmp.Or(i.node, before.Node)
	i.here.Store(&before)
	i.ask(ctx, identityTime)
}

// run asks again each time the agent came back, since it may be another one,
// soon when it took too long, and now and then while its place is not known.
// Watches ask anew after a change.
func (i *identity) run(ctx context.Context, wake, kick *bell) {
	tick := time.NewTimer(i.backoff)
	defer tick.Stop()
	// Listen before asking: a signal during the question asks again.
	back, kicked := wake.heard(), kick.heard()
	for {
		select {
		case <-ctx.Done():
			return
		case <-back.Done():
			back = wake.heard()
		case <-kicked.Done():
			kicked = kick.heard()
			if i.here.Load().Datacenter != "" && !i.warn.has(warnAgent) {
				continue // a new token may ask no more than the old one did
			}
		case <-tick.C:
			if i.here.Load().Datacenter != "" {
				continue
			}
		}
		if i.ask(ctx, identityPatience) {
			kick.strike()
		}
		tick.Reset(i.backoff)
	}
}

// ask reports whether the place is another one than before, and says when to ask
// again for one that isn't known.
func (i *identity) ask(ctx context.Context, within time.Duration) (changed bool) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	now, err := i.con.self(ctx)
	if err != nil {
		i.log.Debug("agent's node is not known", "error", err)
		i.failed(err)
		return false
	}
	i.backoff, i.timeouts = identityInterval, 0
	defer i.told.Store(true)
	i.warn.clear(warnAgent)
	now.Node = cmp.Or(i.node, now.Node)
	if old := *i.here.Load(); old == now {
		return false
	}
	i.here.Store(&now)
	i.log.Info("agent's node is known", "node", now.Node, "datacenter", now.Datacenter)
	return true
}

// failed paces the next question. An agent that is only slow has services judged
// as if it ran elsewhere, so it is asked again at once.
func (i *identity) failed(err error) {
	code := statusCode(err)
	switch {
	case code == http.StatusForbidden && i.node == "":
		i.warn.set(warnAgent, warnAgentText)
	case timedOut(err):
		i.timeouts++
	case unreachable(err):
		// No service may be followed yet that would notice its return.
		i.lost(err)
	}
	if code != 0 || i.timeouts >= identityTimeouts {
		i.told.Store(true)
	}
	if code != 0 || unreachable(err) && !timedOut(err) {
		i.backoff = identityInterval
	} else { // it is slow, or we are not logged in yet
		i.backoff = grow(i.backoff, identityInterval)
	}
}
