package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/catalog/consul"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/limits/fleet"
	"github.com/lictor/lictor/proxy/step/limit"
)

// gatewayMeta is the key, in the meta that the gateway is registered with, of what
// tells it from all others. Service IDs are unique on one node only, and which
// node an agent is on not every token may ask.
const gatewayMeta = "gateway"

// membership is what the gateway knows of its fleet: the gateways that are
// registered in Consul as the same service.
type membership struct {
	id      string // the value of gatewayMeta
	service string
	source  *consul.Source
	feed    catalog.Feed
	size    fleet.Size // belongs to followFleet
	known   chan struct{}

	limits fleet.Limiters
}

// openFleet returns nil when the gateway does not register itself.
func (a *Agent) openFleet(c *config.Config) (*membership, error) {
	if c.Consul == nil || c.Consul.Service == nil {
		return nil, nil //nolint:nilnil // not configured is no error
	}
	var id [8]byte
	rand.Read(id[:]) // it never fails
	m := &membership{id: hex.EncodeToString(id[:]), service: c.Consul.Service.Name, known: make(chan struct{})}
	if h := a.options.Heritage; h != nil && h.id != "" {
		m.id = h.id // to the others it is the same gateway
	}
	s := a.consulConfig(c)
	s.Logger = a.log.Named("fleet")
	s.Datacenter = "" // the agent's, which is where we are registered
	s.RequireServiceCheck = false
	if c.DataDir != "" {
		s.DataDir = filepath.Join(c.DataDir, "fleet")
	}
	var err error
	if m.source, err = consul.New(s); err != nil {
		return nil, fmt.Errorf("following the fleet: %w", err)
	}
	m.source.Follow([]string{m.service})
	return m, nil
}

// followFleet gives the limits that the fleet shares out this gateway's share.
func (a *Agent) followFleet(ctx context.Context) {
	m := a.fleet
	for {
		snap, err := m.next(ctx, a.clock.Now().Mono)
		if ctx.Err() != nil {
			return
		}
		now := a.clock.Now()
		if err == nil {
			v := snap.Services[m.service]
			if v == nil {
				continue
			}
			m.size.See(m.view(v), now.Mono)
		}
		was, share := m.limits.Share(), m.size.Share(now.Mono)
		if share != was {
			m.limits.Set(share, now)
		}
		first := !m.isKnown()
		if first {
			close(m.known)
		}
		if first || share.Gateways != was.Gateways {
			a.log.Info("size of the fleet changed", "service", m.service, "gateways", share.Gateways, "before", was.Gateways)
		}
	}
}

// next waits for the next list of gateways; it fails when none has come by the time
// at which the last one changes what is believed.
func (m *membership) next(ctx context.Context, now time.Duration) (*catalog.Snapshot, error) {
	if at, ok := m.size.Next(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, at-now)
		defer cancel()
	}
	return m.feed.Next(ctx)
}

// view is what a list of gateways says to this one. Instances are in the order of
// their keys, which is the same to all. One that Consul has a warning of passes.
func (m *membership) view(v *catalog.Service) fleet.View {
	var out fleet.View
	met := false
	for i := range v.Instances {
		in := &v.Instances[i]
		self := in.Meta[gatewayMeta] == m.id
		met = met || self
		if in.Health > catalog.Warning {
			continue
		}
		out.Passing++
		out.Listed = out.Listed || self
		if !met {
			out.Rank++
		}
	}
	return out
}

func (m *membership) isKnown() bool {
	select {
	case <-m.known:
		return true
	default:
		return false
	}
}

// fleetLimiter prepares a limit of which this gateway grants its share.
func (a *Agent) fleetLimiter(s *limit.Spec, was limits.Limiter) (*fleet.Limiter, limits.Adoption, error) {
	if a.fleet == nil {
		return nil, limits.Adoption{}, fmt.Errorf("limit %q: %w", s.Name,
			errors.New(`scope "fleet_share" needs a service block in the consul block, and a restart when that is new`))
	}
	old, _ := was.(*fleet.Limiter)
	l, adoption := fleet.New(s.Limit, s.Price().Most(), limits.Options{MaxKeys: s.MaxKeys}, a.fleet.limits.Share(), old)
	return l, adoption, nil
}

// FleetInfo is the fleet in GET /v1/limits.
type FleetInfo struct {
	// Service is the one that its gateways are registered as.
	Service string `json:"service"`
	// Gateways is how many there are taken to be, this one included.
	Gateways int `json:"gateways"`
	// Known is false as long as Consul has not told of any.
	Known bool `json:"known"`
	// AgeMS is the time since Consul last confirmed it.
	AgeMS int64 `json:"age_ms"`
	// Error is why Consul can't be asked at present, empty when it can.
	Error string `json:"error,omitempty"`
}

func (m *membership) info() FleetInfo {
	st := m.source.Status()
	v := FleetInfo{Service: m.service, Gateways: m.gateways(), Known: m.isKnown(), AgeMS: st.Age.Milliseconds()}
	if st.Err != nil {
		v.Error = st.Err.Error()
	}
	return v
}

// gateways is how many there are taken to be: 1 for a gateway that belongs to no
// fleet, whose membership is nil.
func (m *membership) gateways() int {
	if m == nil {
		return 1
	}
	return max(1, m.limits.Share().Gateways)
}
