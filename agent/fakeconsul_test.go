package agent

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/catalog"
)

// fakeConsul answers blocking queries from what a test says.
type fakeConsul struct {
	address string
	hangUp  func() // closes all connections

	mu       sync.Mutex
	index    uint64
	moved    chan struct{} // closed and replaced at every change
	silent   bool          // services are asked for and not told
	broken   bool          // connections are closed
	lost     string        // a datacenter without a path
	services map[string][]*api.ServiceEntry
	checks   map[string]string // of what was registered, by the check's ID
	// intentions are those whose destination is the gateway, edge; nil for no answer.
	intentions []*api.Intention
}

func newFakeConsul(t *testing.T) *fakeConsul {
	t.Helper()
	f := &fakeConsul{index: 10, moved: make(chan struct{}), services: map[string][]*api.ServiceEntry{}, checks: map[string]string{}}
	s := httptest.NewUnstartedServer(f)
	s.Start()
	f.address, f.hangUp = s.Listener.Addr().String(), s.CloseClientConnections
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return f
}

// block configures a gateway that asks it.
func (f *fakeConsul) block(lines ...string) string {
	return "consul {\n  address = \"" + f.address + "\"\n  " + strings.Join(lines, "\n  ") + "\n}\n"
}

func (f *fakeConsul) change(edit func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit()
	f.index++
	close(f.moved)
	f.moved = make(chan struct{})
}

// set makes these addresses the healthy instances of a service.
func (f *fakeConsul) set(service string, addresses ...string) {
	f.change(func() {
		f.services[service] = nil
		for _, a := range addresses {
			host, port, _ := net.SplitHostPort(a)
			n, _ := strconv.Atoi(port)
			f.services[service] = append(f.services[service], &api.ServiceEntry{
				Node:    &api.Node{Node: "n1", Address: "127.0.0.1", Datacenter: "dc1"},
				Service: &api.AgentService{ID: a, Service: service, Address: host, Port: n, Weights: api.AgentWeights{Passing: 1, Warning: 1}},
				Checks:  api.HealthChecks{{Node: "n1", CheckID: "c" + a, ServiceID: a, Status: api.HealthPassing}},
			})
		}
	})
}

// tag gives all instances of a service these tags.
func (f *fakeConsul) tag(service string, tags ...string) {
	f.change(func() {
		for i, e := range f.services[service] {
			s := *e.Service
			s.Tags = tags
			c := *e
			c.Service = &s
			f.services[service][i] = &c
		}
	})
}

// state is that of the check that a gateway registered.
func (f *fakeConsul) state() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.checks {
		return s
	}
	return ""
}

func (f *fakeConsul) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	index, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	over := time.NewTimer(wait)
	defer over.Stop()
	name, service := strings.CutPrefix(r.URL.Path, "/v1/health/service/")
	dc := r.URL.Query().Get("dc")
	name = catalog.InDatacenter(name, dc) // what set was told
	f.mu.Lock()
	defer f.mu.Unlock()
	for waiting := true; waiting && !f.broken && (index > 0 && f.index <= index || service && f.silent); {
		moved := f.moved
		f.mu.Unlock()
		select {
		case <-r.Context().Done():
			f.mu.Lock()
			return
		case <-over.C:
			waiting = index == 0
		case <-moved:
		}
		f.mu.Lock()
	}
	if f.broken {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("X-Consul-Index", strconv.FormatUint(f.index, 10))
	h.Set("X-Consul-LastContact", "0")
	h.Set("X-Consul-KnownLeader", "true")
	h.Set("X-Consul-Default-ACL-Policy", "allow")
	reply := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	query, prepared := strings.CutPrefix(r.URL.Path, "/v1/query/")
	query = strings.TrimSuffix(query, "/execute")
	switch {
	case dc != "" && dc == f.lost:
		http.Error(w, "No path to datacenter", http.StatusInternalServerError)
	case prepared && f.services[catalog.QueryName(query)] == nil:
		http.Error(w, "Query not found", http.StatusNotFound)
	case prepared:
		found := api.PreparedQueryExecuteResponse{Datacenter: "dc1"}
		for _, e := range f.services[catalog.QueryName(query)] {
			found.Nodes = append(found.Nodes, *e)
		}
		reply(found)
	case service:
		list := f.services[name]
		if list == nil {
			list = []*api.ServiceEntry{}
		}
		reply(list)
	case r.URL.Path == "/v1/connect/intentions/match" && f.intentions != nil:
		reply(map[string]any{"edge": f.intentions})
	case strings.HasPrefix(r.URL.Path, "/v1/config/service-intentions/"):
		reply(map[string]any{"Sources": sourcesOf(f.intentions)})
	case r.URL.Path == "/v1/status/leader":
		reply("127.0.0.1:8300")
	case r.URL.Path == "/v1/agent/self":
		reply(map[string]any{"Config": map[string]any{"NodeName": "n1", "Datacenter": "dc1"}})
	case r.URL.Path == "/v1/catalog/services":
		names := map[string][]string{}
		for n, list := range f.services {
			for _, e := range list {
				names[n] = append(names[n], e.Service.Tags...)
			}
		}
		reply(names)
	case r.URL.Path == "/v1/agent/service/register":
		var s api.AgentServiceRegistration
		_ = json.NewDecoder(r.Body).Decode(&s)
		f.checks[s.Check.CheckID] = s.Check.Status
	case strings.HasPrefix(r.URL.Path, "/v1/agent/service/deregister/"):
		clear(f.checks)
	case strings.HasPrefix(r.URL.Path, "/v1/agent/check/update/"):
		var u struct{ Status string }
		_ = json.NewDecoder(r.Body).Decode(&u)
		f.checks[strings.TrimPrefix(r.URL.Path, "/v1/agent/check/update/")] = u.Status
	default:
		reply([]any{})
	}
}

// sourcesOf is what the configuration entry says that intentions come from.
func sourcesOf(list []*api.Intention) []any {
	out := []any{}
	for _, x := range list {
		out = append(out, map[string]any{"Name": x.SourceName, "Permissions": x.Permissions})
	}
	return out
}
