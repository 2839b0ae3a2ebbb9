package consul

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/catalog"
)

const (
	// pollInterval is the time between two executions of a prepared query, give
	// or take pollJitter.
	pollInterval = 5 * time.Second
	pollJitter   = 500 * time.Millisecond
	// missingLimit is how often in a row a prepared query that had been there is
	// not found before that is believed: some ten seconds. Servers that lost
	// their state have no queries until somebody makes them anew.
	missingLimit = 3
)

const heldMissing = "the prepared query is not found, it is asked for again"

// poll follows a prepared query until ctx is done. No answer of Consul's says
// when it will change, so it is asked for again and again. sem bounds how many
// do so at a time.
//
// What the query leaves out is not known to exist: who is healthy, which tags
// count and from which datacenter the instances are is the query's to say.
func (w *watch) poll(ctx context.Context, sem chan struct{}) {
	for {
		// Listen before asking, as in run.
		wake, kick := w.wake.heard(), w.kick.heard()
		sent := time.Now()
		a, err := w.execute(ctx, wake, kick, sem)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && kick.Err() != nil:
		case err != nil && wake.Err() != nil && w.futile < maxFutile:
			w.futile++
		case statusCode(err) == http.StatusNotFound:
			w.pause(ctx, nil, kick, w.notFound(ctx, sent))
		case err != nil:
			w.failed(ctx, sent, err)
			w.rest(ctx, wake, kick, w.backoff)
		default:
			w.found(ctx, sent, a)
			w.pause(ctx, nil, kick, pollPause())
		}
	}
}

// pollPause is random, so that gateways do not ask in step.
func pollPause() time.Duration {
	return pollInterval - pollJitter + time.Duration(2*chance()*float64(pollJitter))
}

// execute puts one query, which ends with ctx, at wake, at kick, or at its
// deadline.
func (w *watch) execute(ctx, wake, kick context.Context, sem chan struct{}) (answer, error) {
	select {
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case sem <- struct{}{}:
	}
	defer func() { <-sem }()
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	defer context.AfterFunc(kick, cancel)()
	if w.futile < maxFutile {
		defer context.AfterFunc(wake, cancel)()
	}
	return w.con.execute(ctx, w.query)
}

// execute asks what a prepared query, named by its name or ID, finds.
func (c *client) execute(ctx context.Context, query string) (_ answer, err error) {
	defer rescue(&err)
	o := c.options(ctx, 0, 0)
	out, meta, err := c.api.PreparedQuery().Execute(query, o)
	if err != nil {
		return answer{}, err
	}
	if out == nil {
		return answer{}, fmt.Errorf("executing the prepared query %q: Consul's answer is empty", query)
	}
	a := answerOf(o, meta)
	a.index, a.datacenter = 0, out.Datacenter // its index means nothing
	a.entries = make([]*api.ServiceEntry, len(out.Nodes))
	for i := range out.Nodes {
		a.entries[i] = &out.Nodes[i]
	}
	return a, nil
}

// found acts on an answer.
func (w *watch) found(ctx context.Context, sent time.Time, a answer) {
	now := time.Now()
	w.missing, w.backoff, w.futile = 0, 0, 0
	e := event{
		from: w, at: now, sent: sent,
		plain: true, filtered: a.filtered, deny: a.anonymous && a.denyDefault,
	}
	if v, reason := w.track.take(now, a); v == hold {
		e.held = reason
		w.emit(ctx, e)
		return
	}
	if r := w.rules(); a.datacenter == w.con.own(r.here) {
		a.datacenter = ""
	}
	e.service, e.unplaced = w.service(now, a)
	w.known, w.saved = true, nil
	w.emit(ctx, e)
}

// notFound acts on the answer that there is no such query, and returns when to
// ask again.
func (w *watch) notFound(ctx context.Context, sent time.Time) time.Duration {
	now := time.Now()
	w.missing++
	if w.track.nonEmpty {
		// What the query finds first when it is there again may not be all yet.
		w.track.regressed = now
	}
	if !w.known && w.saved != nil {
		s := w.saved
		w.saved = nil
		w.restore(ctx, now, s)
	}
	e := event{from: w, at: now, sent: sent}
	switch {
	case w.track.nonEmpty && w.missing < missingLimit:
		e.held = heldMissing
		w.emit(ctx, e)
		return pollPause()
	case w.missing < 2:
		return backoffFirst
	}
	w.known, w.track.nonEmpty = true, false
	e.service = &catalog.Service{Name: w.name}
	w.emit(ctx, e)
	return pollPause()
}
