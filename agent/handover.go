package agent

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/limits/fleet"
)

// A gateway hands over to one of a new binary, or of a new configuration, which is
// another process on this machine and has got its sockets:
//
//	the old one                          the new one
//	serves                               reads its configuration
//	HandOver ─── greeting: the clock ──▶ ReceiveHeritage, New
//	serves                               follows the catalog until it is ready
//	         ◀──────── now ────────────  takeOver
//	         ─── what limiters know ──▶
//	serves                               serves: Options.Serving is called
//	Retire                               serves
//	finishes what is in flight, leaves
//
// In between both serve, for some milliseconds: what the old one charges after it
// has told is not counted by the new one.

// handoverVersion is what both have to understand.
const handoverVersion = 1

const (
	// readyForHandover is how long a new gateway may take to be ready. It follows
	// the same Consul that the old one does.
	readyForHandover = 30 * time.Second
	// handoverTime bounds what two processes on one machine have to tell.
	handoverTime = 15 * time.Second
)

// greeting is the first message of the old gateway.
type greeting struct {
	Version    int
	Mono, Wall time.Duration // of its clock
	Gateway    string        // what it is registered with in Consul, see gatewayMeta
	// Leaves is how long it may take to finish what it has, once it is taken over
	// from; 0 is what one of before this was told says.
	Leaves time.Duration
}

// request is the message of the new gateway that asks for what limiters know.
type request struct{ Version int }

// bequest heads what a limiter knows, which limits.Save wrote. The last one has no
// name, and nothing follows it.
type bequest struct {
	Name string
	// Budgets is that of the limit's Spec: what is charged to whom.
	Budgets string
}

// Heritage is what a gateway gets from the one before it.
type Heritage struct {
	conn  net.Conn
	dec   *gob.Decoder
	enc   *gob.Encoder
	clock *limits.Clock
	id    string
	// leaves is the greeting's.
	leaves time.Duration
}

// Leaves returns how long the gateway before may take to finish what it has once this
// one serves, 0 when it did not tell.
func (h *Heritage) Leaves() time.Duration { return h.leaves }

// ReceiveHeritage reads what the gateway that hands over says first. The rest is
// read by Run. It fails when the other end does not speak as one of ours does.
func ReceiveHeritage(conn net.Conn) (*Heritage, error) {
	h := &Heritage{conn: conn, dec: gob.NewDecoder(conn), enc: gob.NewEncoder(conn)}
	if err := conn.SetDeadline(time.Now().Add(handoverTime)); err != nil {
		return nil, fmt.Errorf("taking over: %w", err)
	}
	var g greeting
	if err := h.dec.Decode(&g); err != nil {
		return nil, fmt.Errorf("taking over: %w", err)
	}
	if g.Version != handoverVersion {
		return nil, fmt.Errorf("taking over: the gateway that runs speaks version %d, this one %d: stop it and start this one", g.Version, handoverVersion)
	}
	h.clock, h.id, h.leaves = limits.ResumeClock(limits.Time{Mono: g.Mono, Wall: g.Wall}), g.Gateway, g.Leaves
	return h, nil
}

// HandOver tells a gateway in another process what it has to know to take over,
// until it has all of it. It changes nothing here: Retire does, once the other one
// serves.
func (a *Agent) HandOver(conn net.Conn) error {
	if err := a.handOver(conn); err != nil {
		return fmt.Errorf("handing over: %w", err)
	}
	return nil
}

func (a *Agent) handOver(conn net.Conn) error {
	enc, dec := gob.NewEncoder(conn), gob.NewDecoder(conn)
	at := a.clock.Now()
	g := greeting{Version: handoverVersion, Mono: at.Mono, Wall: at.Wall, Leaves: a.config.Drain.UpgradeTimeout}
	if a.fleet != nil {
		g.Gateway = a.fleet.id
	}
	if err := enc.Encode(g); err != nil {
		return err
	}
	var asked request
	if err := dec.Decode(&asked); err != nil { // it may take its time to be ready
		if errors.Is(err, io.EOF) {
			return errors.New("the new gateway gave up")
		}
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(handoverTime)); err != nil {
		return err
	}
	a.reloading.Lock() // so that no limiter hands its keys to another one meanwhile
	defer a.reloading.Unlock()
	for _, l := range a.current.Load().limits {
		limiter, ok := inMemory(l.Limiter)
		if !ok {
			continue
		}
		if err := enc.Encode(bequest{Name: l.Spec.Name, Budgets: l.Spec.Budgets()}); err != nil {
			return err
		}
		if err := limits.Save(enc, limiter); err != nil {
			return err
		}
	}
	return enc.Encode(bequest{})
}

// inMemory is what a limiter keeps its budgets by, if that is in this process and
// can leave it.
func inMemory(l limits.Limiter) (limits.Limiter, bool) {
	if share, ok := l.(*fleet.Limiter); ok {
		l = share.Current()
	}
	return l, limits.Saveable(l)
}

// takeOver waits until the gateway can serve as the one before it does, and takes
// in what that one's limiters know. It fails when it can't serve, which leaves all
// to the one before.
func (a *Agent) takeOver(ctx context.Context) error {
	h := a.options.Heritage
	if h == nil {
		return nil
	}
	defer h.conn.Close()
	within, cancel := context.WithTimeout(ctx, readyForHandover)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for why := a.NotReady(); len(why) > 0; why = a.NotReady() {
		select {
		case <-tick.C:
		case <-within.Done():
			return fmt.Errorf("taking over: not ready within %s: %s", readyForHandover, strings.Join(why, "; "))
		}
	}
	kept, fresh, err := a.inherit(h)
	if err != nil {
		// The one before may be gone by now. Its clients wait.
		a.log.Warn("limits start fresh: the gateway before did not tell all", "kept", kept, "error", err)
		return nil
	}
	a.log.Info("taking over from the gateway before", "limits_kept", kept, "limits_fresh", fresh)
	return nil
}

// inherit returns the names of the limits that go on, and of those that don't.
func (a *Agent) inherit(h *Heritage) (kept, fresh []string, err error) {
	if err := h.conn.SetDeadline(time.Now().Add(handoverTime)); err != nil {
		return nil, nil, err
	}
	if err := h.enc.Encode(request{Version: handoverVersion}); err != nil {
		return nil, nil, err
	}
	a.reloading.Lock() // so that each limiter is still one that nobody has asked anything
	defer a.reloading.Unlock()
	g := a.current.Load()
	for {
		var b bequest
		if err := h.dec.Decode(&b); err != nil || b.Name == "" {
			return kept, fresh, err
		}
		old, err := limits.Load(h.dec, a.clock.Now())
		if err != nil {
			return kept, fresh, fmt.Errorf("limit %q: %w", b.Name, err)
		}
		if l := g.limit(b.Name); l != nil && l.Spec.Budgets() == b.Budgets {
			if limiter, ok := inMemory(l.Limiter); ok && limits.Inherit(limiter, old, a.clock.Now()) {
				kept = append(kept, b.Name)
				continue
			}
		}
		fresh = append(fresh, b.Name)
	}
}

// Retire makes way for a gateway that has taken over: what is in flight may finish,
// tunnels within drain.upgrade_timeout, and Consul is told nothing, since it knows
// the other one by the same name. Run returns once all has ended; its ctx still has
// to end, after Retire.
func (a *Agent) Retire() {
	a.leaving.Lock()
	a.succeeded.Store(true)
	r := a.registration.Load()
	a.leaving.Unlock()
	if r != nil { // else register makes none any more
		r.Release()
	}
}
