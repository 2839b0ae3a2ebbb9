package agent

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lictor/lictor/agent/acme"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/consul"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/limits/redis"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http1"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/step/basicauth"
	"github.com/lictor/lictor/proxy/step/externalauth"
	"github.com/lictor/lictor/proxy/step/jwt"
	"github.com/lictor/lictor/proxy/tcp"
	"github.com/lictor/lictor/proxy/tracing"
	"github.com/lictor/lictor/proxy/upstream"
)

// maxWaiting bounds the requests that queueing limits hold back at once, over
// the whole gateway.
const maxWaiting = 10_000

// anchorEvery is how often the clock looks whether the system's was stepped.
const anchorEvery = 5 * time.Second

// Options are what an Agent is made from.
type Options struct {
	// Input says which files to load, at the start and at every reload. Its
	// Options are the agent's own to fill in.
	Input config.Input
	// Stdout takes the access log whose path is "-".
	Stdout io.Writer
	// Stderr takes the agent's own log.
	Stderr io.Writer
	// Version is told to Consul, metrics and clients of the admin API.
	Version string
	// Sockets opens what the gateway listens on; nil for sockets of its own.
	Sockets Sockets
	// Heritage is what a gateway left that this one takes over from; nil for none.
	Heritage *Heritage
	// Serving is called once requests are taken. It may be nil.
	Serving func()
}

// Agent is one gateway.
type Agent struct {
	options    Options
	config     *config.Config // what it was started with; what no reload changes is read here
	log        hclog.InterceptLogger
	clock      *limits.Clock
	set        *upstream.Set
	proxy      *proxy.Proxy
	passages   *tcp.Engine // of connections that are carried as they are
	waiters    *limits.Waiters
	identities *jwt.Registry
	passwords  *basicauth.Verifier
	asks       *http.Client // services that decide what may pass
	logs       []*accessLog
	traces     *tracing.Recorder // nil when nothing is traced
	login      *consul.Login     // nil when the token comes otherwise
	sources    []*source
	kv         *kvPolicies  // nil when no policies lie in Consul
	tags       *tagRoutes   // nil when tags of services make no routes
	mesh       *mesh        // nil when the gateway takes no part in one
	store      *redis.Store // of shared limits; nil when there is none
	fleet      *membership  // nil when the gateway does not register itself
	registry   *prometheus.Registry
	statsd     *statsd
	started    time.Time

	instanceTLS instanceTLS
	acme        *acme.Manager
	staples     staples

	servers []*server
	admin   *admin

	reloading    sync.Mutex
	current      atomic.Pointer[generation]
	reloads      reloadCounts
	loaded       atomic.Pointer[LoadReport]
	read         readFiles
	ready        readiness
	leaving      sync.Mutex                          // held while registration and succeeded change
	succeeded    atomic.Bool                         // another gateway has taken over
	registration atomic.Pointer[consul.Registration] // nil without one
	shadows      shadowWarnings
	missing      missingWarnings
	nearest      nearestRoutes
	datacenter   atomic.Value  // string: our own, once it is known
	placed       chan struct{} // capacity 1: it is known now
	ways         atomic.Uint64 // how often that has changed by which routes find their ways
}

// DiagnosticsError is a configuration that was refused, with the text that
// tells all of what is wrong with it.
type DiagnosticsError struct {
	Diagnostics hcl.Diagnostics
	Text        string
}

// Error returns the rendered diagnostics.
func (e *DiagnosticsError) Error() string { return e.Text }

// New loads the configuration, opens every address and builds the first
// generation. It serves nothing before Run. A refused configuration is a
// *DiagnosticsError.
func New(o Options) (*Agent, error) {
	o.Input.Options = ConfigOptions()
	c, files, diags := config.Load(o.Input)
	if diags.HasErrors() {
		return nil, refused(files, diags)
	}
	if o.Sockets == nil {
		o.Sockets = newSockets{}
	}
	a := &Agent{
		options: o,
		config:  c,
		log:     newLogger(o.Stderr, c),
		clock:   limits.NewClock(),
		waiters: limits.NewWaiters(maxWaiting),
		started: time.Now(),
		placed:  make(chan struct{}, 1),
	}
	if o.Heritage != nil {
		a.clock = o.Heritage.clock
	}
	a.read.set(paths{}.with(pathsOf(c, files)))
	a.warn(diags)
	a.set = upstream.NewSet(upstream.Options{
		Sources: sourceOrder(), Zone: zoneOf(c), Seed: rand.Uint64(), Logger: a.log.Named("upstream"), //nolint:gosec // balancing, not a secret
	})
	a.passwords = basicauth.NewVerifier()
	a.asks = externalauth.NewClient(a.own)
	a.identities = jwt.NewRegistry(jwt.Options{Logger: a.log.Named("jwt")})
	a.proxy = proxy.New(a.clock, &forwarders{
		own: http1.NewForwarder(http1.ForwarderOptions{Slot: slotHTTP1, Own: a.own}),
		std: nethttp.NewForwarder(nethttp.ForwarderOptions{Slot: slotNetHTTP, Own: a.own}),
		h2:  nethttp.NewH2Forwarder(nethttp.ForwarderOptions{Slot: slotHTTP2, Own: a.own}),
	})
	a.passages = tcp.New(tcp.Options{Proxy: a.proxy, Own: a.own, Refused: refusedByMesh, Unanswered: deniedByMesh})
	if err := a.open(c, files); err != nil {
		a.abandon()
		return nil, err
	}
	a.loadedAs(true, ReloadReport{Generation: a.current.Load().number, Diagnostics: render(files, diags)})
	return a, nil
}

// open opens all that the agent holds, and commits the first generation. Where
// it fails, abandon closes what it had opened.
func (a *Agent) open(c *config.Config, files *config.Files) (err error) {
	if err = a.openLogin(c); err != nil {
		return err
	}
	if a.tags, err = a.openTags(c); err != nil {
		return err
	}
	if err = a.openSources(c); err != nil {
		return err
	}
	if a.kv, err = a.openKV(c); err != nil {
		return err
	}
	if a.mesh, err = a.openMesh(c); err != nil {
		return err
	}
	if a.fleet, err = a.openFleet(c); err != nil {
		return err
	}
	if a.store, err = a.openStore(c.Store); err != nil {
		return err
	}
	if a.traces, err = a.openTracing(c); err != nil {
		return err
	}
	a.openACME(c)
	a.openStaples(c)
	g, err := a.firstGeneration(c, files)
	if err != nil {
		return err
	}
	a.registry = newRegistry(a, c.Telemetry.MetricsPrefix)
	if a.statsd, err = newStatsd(c.Telemetry); err != nil {
		return err
	}
	if err = a.openAccessLogs(c); err != nil {
		return err
	}
	if err = a.listen(g); err != nil {
		return err
	}
	a.commit(g)
	return nil
}

// abandon closes what was opened by an agent that will not run.
func (a *Agent) abandon() {
	a.closeListeners()
	a.closeAccessLogs()
	a.statsd.close()
	a.closeStore()
	a.closeLogin()
}

// logTime is how the log tells time.
const logTime = "2006-01-02T15:04:05.000Z0700"

func newLogger(w io.Writer, c *config.Config) hclog.InterceptLogger {
	return hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: "lictor", Level: hclog.LevelFromString(c.LogLevel), JSONFormat: c.LogJSON, Output: w,
		TimeFormat: logTime,
	})
}

// Logger returns the agent's own log, for what the process around it has to say.
func (a *Agent) Logger() hclog.Logger { return a.log }

// Run serves until ctx is done, then drains, and returns once everything that
// it started has ended. A second context, hurry, ends the drain at once.
func (a *Agent) Run(ctx, hurry context.Context) error {
	defer a.set.Retain(nil) // closes the connections to instances
	defer a.passages.Close()
	defer a.closeStore() // once nobody asks any more
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	defer a.closeLogin() // once nobody asks any more
	a.runLogin(base, &wg)
	defer wg.Wait()
	defer stop()

	failed := make(chan error, len(a.servers)+len(a.sources)+2)
	logCtx, stopLog := context.WithCancel(context.WithoutCancel(ctx))
	var logDone sync.WaitGroup
	defer logDone.Wait()
	defer stopLog()
	for _, l := range a.logs {
		logDone.Go(func() { a.runAccessLog(logCtx, l) })
	}
	logDone.Go(func() { a.runTracing(logCtx) })
	for _, s := range a.sources {
		wg.Go(func() {
			if err := s.Run(base, &s.feed); err != nil {
				failed <- fmt.Errorf("following %s: %w", s.Name(), err)
			}
		})
		wg.Go(func() { a.followSource(base, s) })
	}
	if a.fleet != nil {
		wg.Go(func() {
			if err := a.fleet.source.Run(base, &a.fleet.feed); err != nil {
				failed <- fmt.Errorf("following the fleet: %w", err)
			}
		})
		wg.Go(func() { a.followFleet(base) })
	}
	wg.Go(func() { a.runMesh(base) })
	wg.Go(func() { a.runPlaces(base) })
	wg.Go(func() { a.keepTime(base) })
	if a.store != nil {
		wg.Go(func() { a.store.Run(base) })
	}
	wg.Go(func() { a.identities.Run(base) })
	wg.Go(func() { a.feedStatsd(base) })
	wg.Go(func() { a.watchFiles(base) })
	wg.Go(func() { a.admin.guard.token.run(base) })
	wg.Go(func() { a.followKV(base) })
	wg.Go(func() { a.followTags(base) })
	wg.Go(func() { a.watchCertificates(base) })
	wg.Go(func() { a.acme.Run(base) })
	wg.Go(func() { a.staples.Run(base) })
	if err := a.takeOver(ctx); err != nil {
		return err
	}
	wg.Go(func() { a.register(base) })
	wg.Go(func() { a.admin.serve(base) })
	wg.Go(func() { a.admin.views.Run(base) })
	for _, s := range a.servers {
		wg.Go(func() {
			if err := s.Serve(); err != nil {
				failed <- fmt.Errorf("listener %q: %w", s.listener.Name, err)
			}
		})
		a.log.Info("listening", "listener", s.listener.Name, "address", s.addr.String(), "http3", s.listener.AltSvc != "")
	}
	a.log.Info("gateway started", "node", a.config.NodeName, "version", a.options.Version,
		"routes", len(a.current.Load().everyRoute()), "admin", a.admin.addr.String(), "cpus", runtime.GOMAXPROCS(0))
	if a.options.Serving != nil {
		a.options.Serving()
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	a.drain(hurry)
	return err
}

// keepTime follows a system clock that is stepped.
func (a *Agent) keepTime(ctx context.Context) {
	tick := time.NewTicker(anchorEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.clock.Anchor()
		}
	}
}
