package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

// Intentions judges who may connect to the gateway. Until Consul has told, and
// where it says what is not understood here, it lets nobody in; what Consul said
// last stays in force while Consul is away.
type Intentions struct {
	in  *Identity
	log hclog.Logger

	known atomic.Pointer[intentions]
	// Changed is called after a change of what is known, from Run. It is set
	// before Run, or nil.
	Changed func()

	denied atomic.Uint64
}

// intentions is what is known. It is immutable.
type intentions struct {
	rules rules
	// byDefault is the verdict on whom no rule names.
	byDefault bool
}

// NewIntentions returns what judges the clients of the identity's service.
func NewIntentions(i *Identity) *Intentions {
	return &Intentions{in: i, log: i.cfg.Logger}
}

// Run keeps the intentions current until ctx is done.
func (n *Intentions) Run(ctx context.Context) {
	follow(ctx, n.log, &n.in.away, "the intentions", n.ask)
}

func (n *Intentions) ask(ctx context.Context, index uint64, wait time.Duration) (uint64, error) {
	service := n.in.cfg.Service
	rules, meta, err := n.in.intentionsOf(ctx, service, index, wait)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	byDefault, err := n.in.byDefault(ctx, meta.DefaultACLPolicy)
	if err != nil {
		return 0, err
	}
	now := &intentions{rules: rules, byDefault: byDefault}
	if old := n.known.Load(); old == nil || old.byDefault != now.byDefault || !old.rules.equal(now.rules) {
		n.known.Store(now)
		n.log.Info("mesh intentions known", "service", service, "rules", len(now.rules), "default", word(byDefault), "index", meta.LastIndex)
		if n.Changed != nil {
			n.Changed()
		}
	}
	return meta.LastIndex, nil
}

// intentionsOf returns the intentions of a destination.
func (i *Identity) intentionsOf(ctx context.Context, service string, index uint64, wait time.Duration) (rules, *api.QueryMeta, error) {
	got, meta, err := i.cfg.Consul.API().Connect().IntentionMatch(&api.IntentionMatch{
		By: api.IntentionMatchDestination, Names: []string{service},
	}, i.cfg.Consul.Options(ctx, index, wait))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the intentions: %w", err)
	}
	list, ok := got[service]
	if !ok {
		return nil, nil, errors.New("reading the intentions: Consul's answer does not speak of the service")
	}
	return newRules(list), meta, nil
}

// byDefault returns the verdict on whom no intention names: the agent's
// default_intention_policy, which only its own configuration tells, or else the
// default of ACLs. Where the token may not ask for the former, nobody knows that
// it allows anything, and so it doesn't.
func (i *Identity) byDefault(ctx context.Context, acl string) (allow bool, err error) {
	var self struct {
		DebugConfig struct{ DefaultIntentionPolicy string }
	}
	_, err = i.cfg.Consul.API().Raw().Query("/v1/agent/self", &self, i.cfg.Consul.Options(ctx, 0, 0))
	switch policy := self.DebugConfig.DefaultIntentionPolicy; {
	case statusCode(err) == http.StatusForbidden:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the default of intentions: %w", err)
	case policy != "":
		return policy == "allow", nil
	}
	return acl == "allow", nil
}

func word(allow bool) string {
	if allow {
		return "allow"
	}
	return "deny"
}

// Allowed reports whether the source, which has been verified, may connect, and
// why.
func (n *Intentions) Allowed(source ID) (bool, string) {
	k := n.known.Load()
	if k == nil {
		return false, "the intentions are not known yet, which denies"
	}
	if allowed, byRule, why := k.rules.decide(source); byRule {
		return allowed, why
	}
	return k.byDefault, "no intention names it, and the default is " + word(k.byDefault)
}

// Denied counts the connections that were refused.
func (n *Intentions) Denied() uint64 { return n.denied.Load() }
