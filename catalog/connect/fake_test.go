package connect

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

var nullLogger = hclog.NewNullLogger()

// patience bounds waiting for what has no promised time.
const patience = time.Minute

// fakeAgent answers as Consul does what this package asks, blocking queries too.
type fakeAgent struct {
	t      testing.TB
	client *api.Client

	mu      sync.Mutex
	index   uint64
	changed chan struct{} // closed at each change
	answers map[string]any
	status  int    // of every answer; 0 means 200
	refused string // the path that is answered with 500
	asked   map[string]int
	indexes map[string][]uint64 // what each path was asked with
}

// The paths that are asked for.
const (
	rootsPath = "/v1/connect/ca/roots"
	leafPath  = "/v1/agent/connect/ca/leaf/edge"
	matchPath = "/v1/connect/intentions/match"
	selfPath  = "/v1/agent/self"
	chainPath = "/v1/discovery-chain/"
)

func newFakeAgent(t testing.TB) *fakeAgent {
	t.Helper()
	f := &fakeAgent{
		t: t, index: 10, changed: make(chan struct{}),
		answers: map[string]any{}, asked: map[string]int{}, indexes: map[string][]uint64{},
	}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	c := api.DefaultConfig()
	c.Address = s.URL
	var err error
	if f.client, err = api.NewClient(c); err != nil {
		t.Fatal(err)
	}
	return f
}

// API implements Consul.
func (f *fakeAgent) API() *api.Client { return f.client }

// Options implements Consul.
func (f *fakeAgent) Options(ctx context.Context, index uint64, wait time.Duration) *api.QueryOptions {
	return (&api.QueryOptions{WaitIndex: index, WaitTime: wait}).WithContext(ctx)
}

// set changes what a path answers.
func (f *fakeAgent) set(path string, v any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[path] = v
	f.index++
	f.wakeLocked()
}

func (f *fakeAgent) wakeLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// fail lets every answer have that status; 0 ends it.
func (f *fakeAgent) fail(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = status
	f.wakeLocked()
}

// refuse lets one path be answered with 500; "" ends it.
func (f *fakeAgent) refuse(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = path
	f.wakeLocked()
}

// rewind lets the agent go on with a lower index, as one that lost its state.
func (f *fakeAgent) rewind() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index = 3
	f.wakeLocked()
}

// held reports whether the path was last asked with the present index.
func (f *fakeAgent) held(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.indexes[path]
	return len(all) > 0 && all[len(all)-1] == f.index
}

func (f *fakeAgent) times(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

// ServeHTTP holds a question with the present index until something changes.
func (f *fakeAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	index, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64) // absent is 0
	f.mu.Lock()
	f.asked[r.URL.Path]++
	f.indexes[r.URL.Path] = append(f.indexes[r.URL.Path], index)
	for index >= f.index && f.status == 0 {
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		f.mu.Lock()
		if index > f.index {
			break
		}
	}
	status, answer, at := f.status, f.answers[r.URL.Path], f.index
	if r.URL.Path == f.refused {
		status = http.StatusInternalServerError
	}
	f.mu.Unlock()
	if status != 0 {
		http.Error(w, "scripted", status)
		return
	}
	if answer == nil {
		http.Error(w, "nothing is known of "+r.URL.Path, http.StatusNotFound)
		return
	}
	if strings.HasPrefix(r.URL.Path, chainPath) {
		answer = &api.DiscoveryChainResponse{Chain: &api.CompiledDiscoveryChain{Protocol: fmt.Sprint(answer)}}
	}
	w.Header().Set("X-Consul-Default-Acl-Policy", "deny")
	w.Header().Set("X-Consul-Index", strconv.FormatUint(at, 10))
	_ = json.NewEncoder(w).Encode(answer) // the client may have gone
}

// byDefault is what an agent with that default_intention_policy tells of itself.
func byDefault(policy string) any {
	return map[string]any{"DebugConfig": map[string]any{"DefaultIntentionPolicy": policy}}
}

// identity runs an identity named edge until the test ends.
func (f *fakeAgent) identity(now func() time.Time) *Identity {
	f.t.Helper()
	i := New(Config{Consul: f, Service: "edge", Logger: nullLogger, Now: now})
	f.run(i)
	return i
}

// run runs an identity until the test ends.
func (f *fakeAgent) run(i *Identity) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); i.Run(ctx) }()
	f.t.Cleanup(func() { cancel(); <-done })
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !holds() {
		select {
		case <-end:
			t.Fatalf("%s: not within %v", what, patience)
		case <-tick.C:
		}
	}
}
