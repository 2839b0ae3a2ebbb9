package consul

import (
	"context"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

// sentinel notices that the servers were put back into an earlier state by the
// restore of a snapshot. A streaming query on a service, which is what a watch's
// are, tells nothing of that: it asked with an index that the restored state has
// not reached, so that it blocks for the whole of its wait. A query that does
// not stream ends at once, with the index that it asked with. The list of the
// mesh's root certificates is such a one; it changes a few times a year, is
// small, and needs no ACL rule.
//
// It notices as well that the agent went away and came back while a watch was
// between two queries: the next one blocks on an index of the former agent's.
type sentinel struct {
	con      *client
	log      hclog.Logger
	restored func() // has every watch ask anew
}

// run keeps one query in flight until ctx is done. Where Consul refuses it, or
// is away, it tries again now and then. A restore is noticed by the watches
// meanwhile, at the end of their waits; that the agent is back, by all at once.
func (s *sentinel) run(ctx context.Context) {
	var index uint64
	var backoff time.Duration
	away := false // the agent broke a query off, and has not answered since
	for ctx.Err() == nil {
		sent := time.Now()
		at, err := s.ask(ctx, index)
		var pause time.Duration // none: what happens between two queries is missed
		switch {
		case err != nil:
			away = away || index > 0 && unreachable(err) && !timedOut(err)
			backoff = grow(backoff, backoffRefused)
			pause = jitter(backoff, chance())
		case away:
			away, backoff = false, 0
			s.restored()
		case index > 0 && at <= index && time.Since(sent) < waitTime:
			s.log.Info("Consul's state was restored, all is read again")
			s.tell(ctx)
		default:
			backoff = 0
			if index > 0 {
				pause = floorMin - time.Since(sent)
			}
		}
		index = at
		rest(ctx, pause)
	}
}

// tell has every watch ask anew, and again a little later: the queries of the
// former state end before all of the restored one is in force, and a watch that
// was too quick would sleep through the rest.
func (s *sentinel) tell(ctx context.Context) {
	for _, pause := range []time.Duration{time.Second, 4 * time.Second, 10 * time.Second} {
		s.restored()
		rest(ctx, pause)
	}
	s.restored()
}

// ask returns the index of the list, 0 with an error.
func (s *sentinel) ask(ctx context.Context, index uint64) (uint64, error) {
	wait := waitTime
	if index == 0 {
		wait = 0
	}
	ctx, cancel := context.WithTimeout(ctx, deadline(wait))
	defer cancel()
	return s.con.roots(ctx, index)
}

// roots asks for the list of root certificates, and returns its index alone.
func (c *client) roots(ctx context.Context, index uint64) (at uint64, err error) {
	defer rescue(&err)
	var out api.CARootList
	meta, err := c.api.Raw().Query("/v1/connect/ca/roots", &out, c.options(ctx, index, waitTime))
	if err != nil {
		return 0, err
	}
	return max(meta.LastIndex, 1), nil
}

// rest pauses for d, or until ctx is done.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
