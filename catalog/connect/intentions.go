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
	// Normal reports whether a path is spelt as those of requests are, by which
	// permissions judge them. It is set before Run; nil says yes.
	Normal func(path string) bool
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
	for try := 1; ; try++ {
		if err = n.in.detail(ctx, rules); !errors.Is(err, errChanged) || try == maxTries {
			break
		}
		if rules, meta, err = n.in.intentionsOf(ctx, service, 0, 0); err != nil {
			return 0, err
		}
	}
	if err != nil {
		return 0, err
	}
	byDefault, err := n.in.byDefault(ctx, meta.DefaultACLPolicy)
	if err != nil {
		return 0, err
	}
	now := &intentions{rules: rules, byDefault: byDefault}
	if old := n.known.Load(); old == nil || old.byDefault != now.byDefault || !old.rules.equal(now.rules) {
		now.rules.judge(byDefault, n.Normal)
		n.known.Store(now)
		n.log.Info("mesh intentions known", "service", service, "rules", len(now.rules), "default", word(byDefault), "index", meta.LastIndex)
		for _, doubt := range now.rules.doubts() {
			n.log.Warn("mesh intention can't be judged, which denies", "service", service, "reason", doubt)
		}
		if n.Changed != nil {
			n.Changed()
		}
	}
	return meta.LastIndex, nil
}

// Doubts says what of the intentions can't be judged, and so denies.
func (n *Intentions) Doubts() []string {
	if k := n.known.Load(); k != nil {
		return k.rules.doubts()
	}
	return nil
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

// decide judges a source, by the default where no rule names it.
func (k *intentions) decide(source ID) decision {
	if k == nil {
		return decision{why: "the intentions are not known yet, which denies"}
	}
	if d, byRule := k.rules.decide(source); byRule {
		return d
	}
	return decision{allowed: k.byDefault, why: "no intention names it, and the default is " + word(k.byDefault)}
}

// Denied counts the connections and requests that were refused.
func (n *Intentions) Denied() uint64 { return n.denied.Load() }
