package consul

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/catalog"
)

// fake is a small Consul: it answers blocking queries from a state that a test
// changes. It is an http.Handler, and an http.RoundTripper without a network so
// that it works inside a synctest bubble.
type fake struct {
	mu       sync.Mutex
	moved    chan struct{} // closed and replaced at every change
	index    uint64
	services map[string][]*api.ServiceEntry
	indexOf  map[string]uint64
	node     string

	down     bool   // connections are refused
	stalled  bool   // connections are taken and nothing comes
	swallow  string // as stalled for paths that begin so; what was asked is never answered
	broken   string // connections for paths that begin so are closed, "" for none
	restores int    // how often a snapshot was restored: queries that don't stream end then
	leader   bool
	status   int             // for reads of services, 0 for 200
	filtered bool            // reads of services are emptied, by ACLs
	deny     bool            // the default ACL policy
	forbid   map[string]bool // paths that are 403

	// Services of other datacenters are in services as catalog.InDatacenter has
	// them. lost are datacenters without a path, mute ones take queries and
	// answer none.
	lost, mute map[string]bool
	// queries are the prepared ones, by name.
	queries map[string]*api.PreparedQueryExecuteResponse

	// tokens, unless nil, are the secrets that Consul knows; all else is refused.
	tokens   map[string]bool
	lifetime time.Duration // of tokens made by a login, 0 for ever
	logins   int

	asked []asked

	registered map[string]*api.AgentServiceRegistration
	checks     map[string]string // state by check ID
	updates    int
}

// asked is one request that came in.
type asked struct {
	at    time.Time
	path  string
	index uint64
	token string
	stale bool
	query string
}

func newFake() *fake {
	return &fake{
		moved: make(chan struct{}), index: 10, leader: true, node: "n1",
		services: make(map[string][]*api.ServiceEntry), indexOf: make(map[string]uint64),
		forbid: make(map[string]bool), registered: make(map[string]*api.AgentServiceRegistration),
		checks: make(map[string]string), lost: make(map[string]bool), mute: make(map[string]bool),
		queries: make(map[string]*api.PreparedQueryExecuteResponse),
	}
}

// change lets a test edit the state; everything that waits looks again.
func (f *fake) change(edit func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit()
	close(f.moved)
	f.moved = make(chan struct{})
}

// set makes the entries those of a service, at a new index.
func (f *fake) set(name string, entries ...*api.ServiceEntry) {
	f.change(func() {
		f.index++
		f.indexOf[name] = f.index
		f.services[name] = entries
		if len(entries) == 0 {
			delete(f.services, name)
		}
	})
}

// requests returns those whose path begins so.
func (f *fake) requests(path string) []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []asked
	for _, a := range f.asked {
		if strings.HasPrefix(a.path, path) {
			list = append(list, a)
		}
	}
	return list
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err // nothing is sent, as by http.Transport
	}
	rec := httptest.NewRecorder()
	err := f.serve(rec, r)
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.serve(w, r) != nil {
		panic(http.ErrAbortHandler)
	}
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	index, _ := strconv.ParseUint(q.Get("index"), 10, 64)
	wait, _ := time.ParseDuration(q.Get("wait"))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, asked{
		at: time.Now(), path: r.URL.Path, index: index, token: r.Header.Get("X-Consul-Token"),
		stale: q.Has("stale"), query: r.URL.RawQuery,
	})
	if f.down {
		return fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	}
	if f.broken != "" && strings.HasPrefix(r.URL.Path, f.broken) {
		return io.ErrUnexpectedEOF
	}
	if f.swallow != "" && strings.HasPrefix(r.URL.Path, f.swallow) {
		f.mu.Unlock()
		<-r.Context().Done()
		f.mu.Lock()
		return r.Context().Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	over := index == 0
	restores := f.restores
	dc := q.Get("dc")
	for f.stalled || f.mute[dc] || !over && !f.lost[dc] && f.at(r.URL.Path, dc) <= index {
		moved := f.moved
		expired := timer.C
		if f.stalled || f.mute[dc] {
			expired = nil
		}
		f.mu.Unlock()
		select {
		case <-r.Context().Done():
		case <-expired:
			over = true
		case <-moved:
		}
		f.mu.Lock()
		over = over || r.URL.Path == rootsPath && f.restores != restores
		if r.Context().Err() != nil {
			return r.Context().Err()
		}
		if f.down || f.broken != "" && strings.HasPrefix(r.URL.Path, f.broken) {
			return io.ErrUnexpectedEOF
		}
	}
	f.answer(w, r, index > 0)
	return nil
}

// at is the index that a path waits for. A service that does not exist moves
// with everything, as in Consul.
func (f *fake) at(path, dc string) uint64 {
	if name, ok := strings.CutPrefix(path, "/v1/health/service/"); ok {
		name = catalog.InDatacenter(name, dc)
		if i, ok := f.indexOf[name]; ok {
			return i
		}
	}
	if path == rootsPath {
		return 7
	}
	return f.index
}

const rootsPath = "/v1/connect/ca/roots"

func (f *fake) answer(w http.ResponseWriter, r *http.Request, blocking bool) {
	path := r.URL.Path
	h := w.Header()
	h.Set("X-Consul-Index", strconv.FormatUint(f.at(path, r.URL.Query().Get("dc")), 10))
	h.Set("X-Consul-LastContact", "0")
	h.Set("X-Consul-KnownLeader", strconv.FormatBool(f.leader || blocking))
	h.Set("X-Consul-Default-ACL-Policy", "allow")
	if f.deny {
		h.Set("X-Consul-Default-ACL-Policy", "deny")
	}
	reply := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch {
	case f.tokens != nil && f.stranger(r):
		http.Error(w, "ACL not found", http.StatusForbidden)
	case strings.HasPrefix(path, "/v1/acl/"):
		f.acl(w, r, reply)
	case f.lost[r.URL.Query().Get("dc")]:
		http.Error(w, "No path to datacenter", http.StatusInternalServerError)
	case strings.HasPrefix(path, "/v1/query/"):
		f.query(w, strings.TrimSuffix(strings.TrimPrefix(path, "/v1/query/"), "/execute"), reply)
	case f.forbid[path]:
		http.Error(w, "Permission denied", http.StatusForbidden)
	case path == "/v1/status/leader":
		if f.leader {
			reply("127.0.0.1:8300")
		} else {
			reply("")
		}
	case path == "/v1/agent/self":
		reply(map[string]any{"Config": map[string]any{"NodeName": f.node, "Datacenter": "dc1"}})
	case strings.HasPrefix(path, "/v1/health/service/"):
		f.health(w, r, blocking, reply)
	case strings.HasPrefix(path, "/v1/health/connect/"):
		reply([]any{})
	case path == rootsPath:
		reply(api.CARootList{})
	case path == "/v1/health/state/any":
		list := api.HealthChecks{}
		for _, name := range slices.Sorted(maps.Keys(f.services)) {
			for _, e := range f.services[name] {
				list = append(list, e.Checks...)
			}
		}
		reply(list)
	case path == "/v1/catalog/services":
		names := make(map[string][]string)
		for name, entries := range f.services {
			names[name] = []string{}
			for _, e := range entries {
				names[name] = append(names[name], e.Service.Tags...)
			}
		}
		reply(names)
	case strings.HasPrefix(path, "/v1/agent/"):
		f.agent(w, r)
	default:
		http.Error(w, "no such path", http.StatusNotFound)
	}
}

func (f *fake) health(w http.ResponseWriter, r *http.Request, blocking bool, reply func(any)) {
	if f.status != 0 && !r.URL.Query().Has("stale") {
		http.Error(w, "refused by the test", f.status)
		return
	}
	entries := f.services[catalog.InDatacenter(strings.TrimPrefix(r.URL.Path, "/v1/health/service/"), r.URL.Query().Get("dc"))]
	if f.filtered {
		if !blocking {
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		}
		entries = nil
	}
	if entries == nil {
		entries = []*api.ServiceEntry{}
	}
	reply(entries)
}

func (f *fake) query(w http.ResponseWriter, name string, reply func(any)) {
	found := f.queries[name]
	switch {
	case f.status != 0:
		http.Error(w, "refused by the test", f.status)
	case found == nil:
		w.Header().Set("X-Consul-KnownLeader", "false") // as Consul has it
		http.Error(w, "Query not found", http.StatusNotFound)
	case f.filtered:
		w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		reply(api.PreparedQueryExecuteResponse{Service: found.Service, Nodes: []api.ServiceEntry{}, Datacenter: found.Datacenter})
	default:
		w.Header().Set("X-Consul-Index", "1")
		reply(found)
	}
}

func (f *fake) agent(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/agent/")
	switch {
	case path == "service/register":
		var s api.AgentServiceRegistration
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.registered[s.ID] = &s
		f.checks[s.Check.CheckID] = s.Check.Status
	case strings.HasPrefix(path, "service/deregister/"):
		id := strings.TrimPrefix(path, "service/deregister/")
		if s := f.registered[id]; s != nil {
			delete(f.checks, s.Check.CheckID)
		}
		delete(f.registered, id)
	case strings.HasPrefix(path, "check/update/"):
		id := strings.TrimPrefix(path, "check/update/")
		if _, ok := f.checks[id]; !ok {
			http.Error(w, "Unknown check ID "+id, http.StatusNotFound)
			return
		}
		var u struct{ Status string }
		_ = json.NewDecoder(r.Body).Decode(&u)
		f.checks[id] = u.Status
		f.updates++
	}
}

// entry is an instance on node n1 with one passing check on its node, and
// one of its own in each of the given states.
func entry(id string, states ...string) *api.ServiceEntry {
	e := &api.ServiceEntry{
		Node: &api.Node{Node: "n1", Address: "10.0.0.1", Datacenter: "dc1"},
		Service: &api.AgentService{
			ID: id, Service: "web", Port: 8080, Weights: api.AgentWeights{Passing: 1, Warning: 1},
		},
		Checks: api.HealthChecks{{Node: "n1", CheckID: "serfHealth", Status: api.HealthPassing}},
	}
	for i, s := range states {
		e.Checks = append(e.Checks, &api.HealthCheck{
			Node: "n1", CheckID: fmt.Sprintf("service:%s:%d", id, i), ServiceID: id, ServiceName: "web", Status: s,
		})
	}
	return e
}
