package consul

import (
	"encoding/json"
	"fmt"
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
	"github.com/hashicorp/go-hclog"
)

// storeFake is a KV store with sessions, without a network, so that it works inside
// a synctest bubble. It does what a real one does in testKeys and testLock.
type storeFake struct {
	mu       sync.Mutex
	moved    chan struct{} // closed and replaced at every change
	index    uint64
	keys     map[string]api.KVPair
	sessions map[string]time.Time // until when each lives
	made     int                  // sessions so far
	renewed  int

	// fails says how a request is refused, by its method and path; a status of 0 is
	// a connection that is refused.
	fails  func(r *http.Request) (status int, body string, yes bool)
	leader bool
	delay  int // how many more times a lock is refused that nobody holds
}

func newStoreFake() *storeFake {
	return &storeFake{
		moved: make(chan struct{}), index: 10, keys: map[string]api.KVPair{}, sessions: map[string]time.Time{}, leader: true,
		fails: func(*http.Request) (int, string, bool) { return 0, "", false },
	}
}

// change edits the store, or what it is like.
func (f *storeFake) change(edit func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit()
	f.moveLocked()
}

func (f *storeFake) moveLocked() {
	f.index++
	close(f.moved)
	f.moved = make(chan struct{})
}

// living returns how many sessions there are.
func (f *storeFake) living() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sessions)
}

func (f *storeFake) config() Config {
	return Config{
		Logger: hclog.NewNullLogger(),
		API:    &api.Config{Address: "consul.test:8500", Scheme: "http", HttpClient: &http.Client{Transport: f}},
	}
}

// RoundTrip implements http.RoundTripper.
func (f *storeFake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if status, body, yes := f.fails(r); yes {
		if status == 0 {
			return nil, fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
		}
		rec := httptest.NewRecorder()
		http.Error(rec, body, status)
		return rec.Result(), nil
	}
	if err := f.awaitLocked(r); err != nil {
		return nil, err
	}
	for id, until := range f.sessions {
		if !time.Now().Before(until) {
			f.endLocked(id)
		}
	}
	rec := httptest.NewRecorder()
	f.answerLocked(rec, r)
	return rec.Result(), nil
}

// awaitLocked waits as a blocking query does.
func (f *storeFake) awaitLocked(r *http.Request) error {
	q := r.URL.Query()
	index, _ := strconv.ParseUint(q.Get("index"), 10, 64)
	wait, _ := time.ParseDuration(q.Get("wait"))
	over := time.NewTimer(wait)
	defer over.Stop()
	for waiting := index > 0; waiting && f.index <= index; {
		moved := f.moved
		f.mu.Unlock()
		select {
		case <-r.Context().Done():
		case <-over.C:
			waiting = false
		case <-moved:
		}
		f.mu.Lock()
		if r.Context().Err() != nil {
			return r.Context().Err()
		}
	}
	return nil
}

// endLocked ends a session, with what it holds.
func (f *storeFake) endLocked(id string) {
	delete(f.sessions, id)
	maps.DeleteFunc(f.keys, func(_ string, p api.KVPair) bool { return p.Session == id })
	f.moveLocked()
}

func (f *storeFake) answerLocked(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Consul-Index", strconv.FormatUint(f.index, 10))
	h.Set("X-Consul-LastContact", "0")
	h.Set("X-Consul-KnownLeader", strconv.FormatBool(f.leader))
	reply := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	switch verb, id, _ := strings.Cut(rest, "/"); {
	case what == "txn":
		var ops api.TxnOps
		_ = json.NewDecoder(r.Body).Decode(&ops)
		f.transactLocked(w, ops, reply)
	case what == "kv" && r.Method == http.MethodGet:
		f.readLocked(w, r, rest, reply)
	case what == "kv":
		reply(f.lockLocked(rest, r.URL.Query()))
	case verb == "create":
		var e struct{ TTL string }
		_ = json.NewDecoder(r.Body).Decode(&e)
		life, _ := time.ParseDuration(e.TTL)
		f.made++
		id = fmt.Sprintf("session-%d", f.made)
		f.sessions[id] = time.Now().Add(life)
		reply(map[string]string{"ID": id})
	case verb == "renew":
		if _, lives := f.sessions[id]; !lives {
			http.Error(w, "no such session", http.StatusNotFound)
			return
		}
		f.renewed++
		f.sessions[id] = time.Now().Add(lockLife)
		reply([]api.SessionEntry{{ID: id, TTL: lockLife.String()}})
	case verb == "destroy":
		f.endLocked(id)
		reply(true)
	default:
		http.Error(w, r.URL.Path, http.StatusTeapot)
	}
}

func (f *storeFake) readLocked(w http.ResponseWriter, r *http.Request, key string, reply func(any)) {
	q := r.URL.Query()
	var names []string
	var pairs []api.KVPair
	for _, name := range slices.Sorted(maps.Keys(f.keys)) {
		if name == key || strings.HasPrefix(name, key) && (q.Has("recurse") || q.Has("keys")) {
			names, pairs = append(names, name), append(pairs, f.keys[name])
		}
	}
	switch {
	case len(pairs) == 0:
		http.Error(w, "", http.StatusNotFound)
	case q.Has("keys"):
		reply(names)
	default:
		reply(pairs)
	}
}

// lockLocked reports whether a key was given to a session, or back by it.
func (f *storeFake) lockLocked(key string, q map[string][]string) bool {
	p, there := f.keys[key]
	if id := q["acquire"]; len(id) > 0 {
		if _, lives := f.sessions[id[0]]; !lives || there && p.Session != "" && p.Session != id[0] {
			return false
		}
		if f.delay > 0 {
			f.delay--
			return false
		}
		f.keys[key] = api.KVPair{Key: key, Session: id[0]}
		f.moveLocked()
		return true
	}
	if id := q["release"]; len(id) == 0 || p.Session != id[0] {
		return false
	}
	p.Session = ""
	f.keys[key] = p
	f.moveLocked()
	return true
}

func (f *storeFake) transactLocked(w http.ResponseWriter, ops api.TxnOps, reply func(any)) {
	for i, op := range ops {
		if op.KV.Verb == api.KVCheckSession && f.keys[op.KV.Key].Session != op.KV.Session {
			w.WriteHeader(http.StatusConflict)
			reply(api.TxnResponse{Errors: api.TxnErrors{{OpIndex: i, What: fmt.Sprintf("failed session check for key %q", op.KV.Key)}}})
			return
		}
	}
	for _, op := range ops {
		switch op.KV.Verb {
		case api.KVSet:
			f.keys[op.KV.Key] = api.KVPair{Key: op.KV.Key, Value: op.KV.Value}
		case api.KVDelete:
			delete(f.keys, op.KV.Key)
		case api.KVDeleteTree:
			maps.DeleteFunc(f.keys, func(name string, _ api.KVPair) bool { return strings.HasPrefix(name, op.KV.Key) })
		}
	}
	f.moveLocked()
	reply(api.TxnResponse{})
}
