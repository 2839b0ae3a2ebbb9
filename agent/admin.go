package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/ui"
)

// admin serves the JSON API, metrics and profiles on an address of its own.
type admin struct {
	agent  *Agent
	ln     net.Listener
	addr   netip.AddrPort
	server *http.Server
	guard  guard
	views  *ui.Sampler // what the dashboard is fed by
	// monitors counts those who read the log.
	monitors atomic.Int32
	retired  atomic.Bool
}

func (a *Agent) listenAdmin(c *config.Config) error {
	token, err := newAdminToken(c.Admin.TokenFile, a.log.Named("admin"))
	if err != nil {
		return err
	}
	ln, err := a.options.Sockets.Listen(adminSocket, c.Admin.Address)
	if err != nil {
		return fmt.Errorf("admin listener: %w", err)
	}
	ad := &admin{agent: a, ln: ln, addr: addrPort(ln.Addr()), guard: guard{token: token, hosts: c.Admin.Hosts}}
	ad.guard.ui, ad.views = a.openDashboard(ad)
	if token != nil {
		token.replaced = ad.guard.ui.SignOutAll
	}
	ad.server = &http.Server{
		Handler: ad.guard.protect(ad.routes(c)), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: a.log.Named("admin").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	a.admin = ad
	return nil
}

func (ad *admin) routes(c *config.Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/health", ad.health)
	mux.HandleFunc("GET /v1/ready", ad.ready)
	mux.HandleFunc("GET /v1/routes", ad.listRoutes)
	mux.HandleFunc("GET /v1/services", ad.listServices)
	mux.HandleFunc("GET /v1/limits", ad.listLimits)
	mux.HandleFunc("GET /v1/unknown", ad.listUnknown)
	mux.HandleFunc("GET /v1/policies", ad.listPolicies)
	mux.HandleFunc("GET /v1/certificates", ad.listCertificates)
	mux.HandleFunc("GET /v1/config", ad.showConfig)
	mux.HandleFunc("GET /v1/monitor", ad.monitorLog)
	mux.HandleFunc("PUT /v1/reload", ad.reload)
	mux.HandleFunc("POST /v1/explain", ad.explain)
	if c.Telemetry.Prometheus {
		mux.Handle("GET /v1/metrics", ad.agent.metricsHandler())
	}
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func (ad *admin) serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = ad.server.Close() }) // the process ends
	defer stop()
	if err := ad.server.Serve(ad.ln); !errors.Is(err, http.ErrServerClosed) && !ad.retired.Load() {
		ad.agent.log.Error("admin API stopped", "error", err)
	}
}

// retire leaves those who ask to the process that has taken over: it is that one's
// readiness, metrics and reloads that they mean. What is being answered goes on.
func (ad *admin) retire() {
	ad.retired.Store(true)
	ad.ln.Close() // the other process has its own
	ad.server.SetKeepAlivesEnabled(false)
}

func (ad *admin) health(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"status": "alive", "version": ad.agent.options.Version, "uptime_seconds": int64(time.Since(ad.agent.started).Seconds())})
}

func (ad *admin) ready(w http.ResponseWriter, _ *http.Request) {
	why := ad.agent.NotReady()
	status := http.StatusOK
	if len(why) > 0 {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, map[string]any{"ready": len(why) == 0, "reasons": orEmpty(why), "warnings": ad.agent.warnings()})
}

// warnings are what a person should see to, though traffic flows.
func (a *Agent) warnings() []string {
	list := []string{}
	for _, s := range a.sources {
		list = append(list, s.Status().Warnings...)
	}
	list = append(list, a.loginWarnings()...)
	list = append(list, a.registrationWarnings()...)
	list = append(list, a.kv.warnings(a.current.Load())...)
	list = append(list, a.mesh.warnings()...)
	return append(list, a.tags.warnings()...)
}

func (ad *admin) reload(w http.ResponseWriter, _ *http.Request) {
	report, err := ad.agent.Reload()
	status := http.StatusOK
	if err != nil {
		status = http.StatusUnprocessableEntity
	}
	writeJSON(w, status, struct {
		OK bool `json:"ok"`
		ReloadReport
	}{err == nil, report})
}

func (ad *admin) showConfig(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, ad.agent.current.Load().config.Redacted())
}
