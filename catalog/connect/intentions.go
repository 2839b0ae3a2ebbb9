package connect

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

// nobody is a source that no intention names, unless by a wildcard. Consul's
// verdict on it is the default for all that no rule names, which the answer to
// the rules themselves does not tell: it may be set apart from the default of
// ACLs (default_intention_policy).
const nobody = "lictor.nobody.invalid"

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
	con, service := n.in.cfg.Consul, n.in.cfg.Service
	got, meta, err := con.API().Connect().IntentionMatch(&api.IntentionMatch{
		By: api.IntentionMatchDestination, Names: []string{service},
	}, con.Options(ctx, index, wait))
	if err != nil {
		return 0, fmt.Errorf("reading the intentions: %w", err)
	}
	list, ok := got[service]
	if !ok {
		return 0, errors.New("reading the intentions: Consul's answer does not speak of the service")
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	byDefault, _, err := con.API().Connect().IntentionCheck(&api.IntentionCheck{Source: nobody, Destination: service}, con.Options(ctx, 0, 0))
	if err != nil {
		return 0, fmt.Errorf("reading the default of intentions: %w", err)
	}
	now := &intentions{rules: newRules(list), byDefault: byDefault}
	if old := n.known.Load(); old == nil || old.byDefault != now.byDefault || !old.rules.equal(now.rules) {
		n.known.Store(now)
		n.log.Info("mesh intentions known", "service", service, "rules", len(now.rules), "default", word(byDefault), "index", meta.LastIndex)
		if n.Changed != nil {
			n.Changed()
		}
	}
	return meta.LastIndex, nil
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
