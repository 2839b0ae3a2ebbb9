package connect

import (
	"context"
	"errors"
	"time"
)

const (
	// protocolInterval is how often the protocols of destinations are asked for
	// again: they follow from service-defaults, which hardly ever change, and a
	// blocking query for each would double what the agent has to hold open.
	protocolInterval = 30 * time.Second
	protocolRetry    = 2 * time.Second
	// protocolTries is how often Consul may fail to tell a service's protocol before
	// nobody waits for it any longer: a discovery chain can be broken for good.
	protocolTries = 5
)

// Follow says which services' protocols are to be known. It may be called at any
// time.
func (i *Identity) Follow(services []string) {
	followed := make(map[string]*Destination, len(services))
	for _, s := range services {
		followed[s] = i.Destination(s)
	}
	i.mu.Lock()
	i.followed = followed
	i.mu.Unlock()
	select {
	case i.poke <- struct{}{}:
	default:
	}
}

// followProtocols asks for each followed service's discovery chain now and then.
func (i *Identity) followProtocols(ctx context.Context) {
	for {
		next := protocolInterval
		if !i.askProtocols(ctx) {
			next = protocolRetry
		}
		t := time.NewTimer(next)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		case <-i.poke:
			t.Stop()
		}
	}
}

// askProtocols reports whether all answered. One that Consul does not tell keeps none
// of the others from being asked for; where it gives no answer at all, they wait.
func (i *Identity) askProtocols(ctx context.Context) bool {
	i.mu.Lock()
	all := make([]*Destination, 0, len(i.followed))
	for _, d := range i.followed {
		all = append(all, d)
	}
	i.mu.Unlock()
	told := true
	for _, d := range all {
		err := d.askProtocol(ctx)
		told = told && err == nil
		if err != nil {
			status := statusCode(err)
			if status == 0 {
				break
			}
			if d.refusals++; status/100 != 4 && d.refusals < protocolTries {
				continue
			}
		}
		if d.asked.CompareAndSwap(false, true) {
			i.progress()
		}
	}
	return told
}

func (d *Destination) askProtocol(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	chain, _, err := d.in.cfg.Consul.API().DiscoveryChain().Get(d.service, nil, d.in.cfg.Consul.Options(ctx, 0, 0))
	if err == nil && (chain == nil || chain.Chain == nil) {
		err = errors.New("consul tells no discovery chain")
	}
	if err != nil {
		d.in.cfg.Logger.Debug("mesh: a service's protocol can't be had, the last stays in force", "service", d.service, "error", err)
		return err
	}
	now := chain.Chain.Protocol
	if was := d.Protocol(); was != now {
		d.protocol.Store(&now)
		d.in.cfg.Logger.Info("mesh: protocol of a service", "service", d.service, "protocol", now)
	}
	return nil
}
