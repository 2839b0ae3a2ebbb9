package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

const (
	// registerTTL is how long Consul takes our last word for ours. A gateway
	// that died is critical after it.
	registerTTL = 20 * time.Second
	// heartbeat is how often the word is given; it is also how an agent that
	// forgot us is found out.
	heartbeat = 5 * time.Second
	// readyInterval is how often readiness is looked at. A change is told at
	// once.
	readyInterval = 250 * time.Millisecond
	// deregisterAfter is when the agent forgets a gateway that stays critical.
	deregisterAfter = 30 * time.Minute
	// deregisterTime bounds taking ourselves out when we stop.
	deregisterTime = 3 * time.Second
)

// Spec is how the gateway appears in Consul.
type Spec struct {
	Name string
	// ID is unique on the agent; empty means the name, the address and the
	// port, joined by "-".
	ID string
	// Address that others reach the gateway at; empty means the node's.
	Address string
	Port    int
	Tags    []string
	Meta    map[string]string
	// Version goes into the meta as "version", unless empty.
	Version string
	// Native says that the gateway speaks the mesh's mTLS itself (Connect
	// native).
	Native bool
}

// Registration keeps the gateway registered with its agent, with a check that
// follows the gateway's readiness.
type Registration struct {
	con   *client
	log   hclog.Logger
	entry api.AgentServiceRegistration
	check string
	err   atomic.Pointer[error]

	releasing sync.Once
	released  chan struct{} // closed by Release
	done      chan struct{} // closed when Run ends
}

// NewRegistration returns a registration that tells Consul nothing before Run.
// It fails when the client can't be built.
func NewRegistration(cfg Config, spec Spec) (*Registration, error) {
	if spec.Name == "" {
		return nil, errors.New("registering the gateway: it has no service name")
	}
	con, err := newClient(&cfg)
	if err != nil {
		return nil, err
	}
	id := spec.ID
	if id == "" {
		id = strings.Join(slices.DeleteFunc([]string{spec.Name, spec.Address, fmt.Sprint(spec.Port)},
			func(part string) bool { return part == "" }), "-")
	}
	meta := maps.Clone(spec.Meta)
	if spec.Version != "" {
		if meta == nil {
			meta = make(map[string]string, 1)
		}
		meta["version"] = spec.Version
	}
	r := &Registration{
		con: con, log: cfg.Logger, check: "service:" + id, released: make(chan struct{}), done: make(chan struct{}),
	}
	r.entry = api.AgentServiceRegistration{
		ID: id, Name: spec.Name, Address: spec.Address, Port: spec.Port,
		Tags: slices.Clone(spec.Tags), Meta: meta,
		Namespace: con.namespace, Partition: con.partition,
	}
	if spec.Native {
		r.entry.Connect = &api.AgentServiceConnect{Native: true}
	}
	return r, nil
}

// ID returns the service ID that the gateway is registered as.
func (r *Registration) ID() string { return r.entry.ID }

// Err returns why the gateway is not registered, or its check can't be updated,
// at present; nil when all is well.
func (r *Registration) Err() error {
	if p := r.err.Load(); p != nil {
		return *p
	}
	return nil
}

// Run registers the gateway, keeps it registered and its check like ready says,
// and takes it out again when ctx is done. Call it once. An agent that forgot the gateway is
// told again within 10 s of being reachable. ready is called four times a
// second; its text is the output of the check.
func (r *Registration) Run(ctx context.Context, ready func() (ok bool, text string)) error {
	defer close(r.done)
	var wg sync.WaitGroup
	defer wg.Wait()
	tokenCtx, stop := context.WithCancel(ctx)
	defer stop()
	wg.Go(func() { r.con.token.run(tokenCtx, func() {}) })

	b := &beat{Registration: r}
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for {
		b.step(ctx, newWord(ready()))
		select {
		case <-ctx.Done():
			if b.told {
				r.deregister(context.WithoutCancel(ctx))
			}
			return nil
		case <-r.released:
			return nil
		case <-tick.C:
		}
	}
}

// Release leaves the registration to somebody else who goes on with it: Run, which
// must have been called, ends without taking it out. Consul hears nothing more from
// it once Release has returned.
func (r *Registration) Release() {
	r.releasing.Do(func() { close(r.released) })
	<-r.done
}

// beat is the state of one Run.
type beat struct {
	*Registration
	told       bool // the agent was told of us, and may know us
	registered bool
	said       word
	at         time.Time // when it was said
	backoff    time.Duration
	next       time.Time // not before, after an error
}

// step does what is due.
func (b *beat) step(ctx context.Context, w word) {
	now := time.Now()
	if now.Before(b.next) {
		return
	}
	if b.registered {
		if w.status == b.said.status && now.Sub(b.at) < heartbeat {
			return
		}
		err := b.update(ctx, w)
		if err == nil {
			b.succeeded(now, w)
			return
		}
		// Whatever went wrong, registering mends it.
		b.registered = false
		if !forgotten(err) {
			b.failed(ctx, now, err)
			return
		}
		b.log.Info("agent forgot the gateway, registering again", "service", b.entry.Name, "instance", b.entry.ID)
	}
	b.told = true
	if err := b.register(ctx, w); err != nil {
		b.failed(ctx, now, err)
		return
	}
	b.registered = true
	b.log.Info("gateway registered", "service", b.entry.Name, "instance", b.entry.ID, "state", w.status)
	b.succeeded(now, w)
}

func (b *beat) succeeded(now time.Time, w word) {
	b.said, b.at = w, now
	b.backoff = 0
	b.err.Store(nil)
}

// failed notes the error, and logs it when it is news.
func (b *beat) failed(ctx context.Context, now time.Time, err error) {
	b.con.token.note(err)
	if ctx.Err() != nil {
		return
	}
	if statusCode(err) == http.StatusForbidden {
		err = fmt.Errorf(`%w: the token needs service %q { policy = "write" }`, err, b.entry.Name)
	}
	if old := b.Err(); old == nil || errorKind(old) != errorKind(err) {
		b.log.Warn("gateway is not registered", "service", b.entry.Name, "instance", b.entry.ID, "error", err)
	}
	b.err.Store(&err)
	b.backoff = grow(b.backoff, registerLimit(err))
	b.next = now.Add(jitter(b.backoff, chance()))
}

// word is what the check says.
type word struct{ status, text string }

func newWord(ok bool, text string) word {
	if ok {
		return word{api.HealthPassing, cmp.Or(text, "ready")}
	}
	return word{api.HealthCritical, cmp.Or(text, "not ready")}
}

// register writes the whole registration, its check already in the right state
// so that registering again shows nobody a gateway that is out.
func (r *Registration) register(ctx context.Context, w word) error {
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	entry := r.entry
	entry.Check = &api.AgentServiceCheck{
		CheckID: r.check, Name: "Gateway readiness",
		TTL: registerTTL.String(), Status: w.status,
		DeregisterCriticalServiceAfter: deregisterAfter.String(),
	}
	opts := api.ServiceRegisterOpts{ReplaceExistingChecks: true, Token: r.con.token.current()}.WithContext(r.con.token.use(ctx))
	if err := r.con.api.Agent().ServiceRegisterOpts(&entry, opts); err != nil {
		return fmt.Errorf("registering the gateway: %w", err)
	}
	return r.update(ctx, w)
}

func (r *Registration) update(ctx context.Context, w word) error {
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	if err := r.con.api.Agent().UpdateTTLOpts(r.check, w.text, w.status, r.con.agentOptions(ctx)); err != nil {
		return fmt.Errorf("updating the gateway's check: %w", err)
	}
	return nil
}

func (r *Registration) deregister(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, deregisterTime)
	defer cancel()
	err := r.con.api.Agent().ServiceDeregisterOpts(r.entry.ID, r.con.agentOptions(ctx))
	if err != nil && !forgotten(err) {
		r.log.Warn("gateway can't be deregistered, its check becomes critical by itself",
			"service", r.entry.Name, "instance", r.entry.ID, "error", err)
		return
	}
	r.log.Info("gateway deregistered", "service", r.entry.Name, "instance", r.entry.ID)
}

// forgotten reports whether the agent knows nothing of us. It says so with 404,
// older versions with 500 and a text.
func forgotten(err error) bool {
	se, ok := errors.AsType[api.StatusError](err)
	return ok && (se.Code == http.StatusNotFound ||
		se.Code == http.StatusInternalServerError && strings.Contains(se.Body, "nknown check"))
}

// registerLimit is how long the back-off may grow: an agent that comes back
// must hear of us within 10 s.
func registerLimit(err error) time.Duration {
	if limit := limitFor(err); limit > backoffMax {
		return limit
	}
	return heartbeat
}
