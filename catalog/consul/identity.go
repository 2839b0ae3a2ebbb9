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
	// identityTime bounds the first question, which the watches wait for.
	identityTime = 2 * time.Second
	// identityInterval is how often an unknown place is asked for again.
	identityInterval = 15 * time.Second
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
}

// first asks once, and falls back to what was known before the gateway
// restarted, which may be the zero place.
func (i *identity) first(ctx context.Context, before place) {
	before.Node = cmp.Or(i.node, before.Node)
	i.here.Store(&before)
	i.ask(ctx)
}

// run asks again each time the agent came back, since it may be another one,
// and now and then while it is not known. Watches ask anew after a change.
func (i *identity) run(ctx context.Context, wake, kick *bell) {
	tick := time.NewTicker(identityInterval)
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
			if !i.warn.has(warnAgent) {
				continue // a new token may ask no more than the old one did
			}
		case <-tick.C:
			if i.here.Load().Datacenter != "" {
				continue
			}
		}
		if i.ask(ctx) {
			kick.strike()
		}
	}
}

// ask reports whether the place is another one than before.
func (i *identity) ask(ctx context.Context) (changed bool) {
	ctx, cancel := context.WithTimeout(ctx, identityTime)
	defer cancel()
	now, err := i.con.self(ctx)
	if err != nil {
		if statusCode(err) == http.StatusForbidden && i.node == "" {
			i.warn.set(warnAgent, warnAgentText)
		}
		i.log.Debug("agent's node is not known", "error", err)
		if unreachable(err) && !timedOut(err) {
			// No service may be followed yet that would notice its return.
			i.lost(err)
		}
		return false
	}
	i.warn.clear(warnAgent)
	now.Node = cmp.Or(i.node, now.Node)
	if old := *i.here.Load(); old == now {
		return false
	}
	i.here.Store(&now)
	i.log.Info("agent's node is known", "node", now.Node, "datacenter", now.Datacenter)
	return true
}
