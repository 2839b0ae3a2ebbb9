package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

const kvPrefix = "lictor/policies/"

// kvFake is a KV store without a network, so that it works inside a synctest
// bubble.
type kvFake struct {
	mu      sync.Mutex
	moved   chan struct{} // closed and replaced at every change
	index   uint64        // of the prefix
	keys    map[string]api.KVPair
	down    bool   // connections are refused
	hidden  string // keys that begin so are left out by ACLs; "" for none
	denied  bool   // no key may be read
	status  int    // of lists, 0 for 200
	body    string // of that status
	leader  bool
	stalled bool // nothing is answered
	abandon bool // what waits is answered as it was asked, once
	lists   []uint64
	tokens  []string
	wrote   []api.TxnOps
	refuse  api.TxnErrors
}

func newKVFake() *kvFake {
	return &kvFake{moved: make(chan struct{}), index: 10, keys: map[string]api.KVPair{}, leader: true}
}

func (f *kvFake) change(edit func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit()
	close(f.moved)
	f.moved = make(chan struct{})
}

// put writes keys and texts at a new index, and removes keys whose text is "-".
func (f *kvFake) put(pairs ...string) {
	f.change(func() {
		f.index++
		for i := 0; i < len(pairs); i += 2 {
			key := kvPrefix + pairs[i]
			if pairs[i+1] == "-" {
				delete(f.keys, key)
				continue
			}
			f.keys[key] = api.KVPair{Key: key, Value: []byte(pairs[i+1]), ModifyIndex: f.index}
		}
	})
}

func (f *kvFake) asked() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.lists)
}

func (f *kvFake) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	index, _ := strconv.ParseUint(q.Get("index"), 10, 64)
	wait, _ := time.ParseDuration(q.Get("wait"))
	list := q.Has("recurse")
	if list {
		f.lists, f.tokens = append(f.lists, index), append(f.tokens, r.Header.Get("X-Consul-Token"))
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	for waiting := index > 0; !f.down && !f.abandon && (f.stalled || waiting && f.index <= index); {
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
			return nil, r.Context().Err()
		}
	}
	if f.down {
		return nil, fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	}
	f.abandon = false
	f.answer(rec, r, list)
	return rec.Result(), nil
}

func (f *kvFake) answer(w http.ResponseWriter, r *http.Request, list bool) {
	h := w.Header()
	h.Set("X-Consul-Index", strconv.FormatUint(f.index, 10))
	h.Set("X-Consul-LastContact", "0")
	h.Set("X-Consul-KnownLeader", strconv.FormatBool(f.leader))
	switch {
	case r.URL.Path == "/v1/txn":
		var ops api.TxnOps
		_ = json.NewDecoder(r.Body).Decode(&ops)
		f.wrote = append(f.wrote, ops)
		if f.status != 0 {
			http.Error(w, f.body, f.status)
			return
		}
		if len(f.refuse) > 0 {
			w.WriteHeader(http.StatusConflict)
		}
		_ = json.NewEncoder(w).Encode(api.TxnResponse{Errors: f.refuse})
	case f.status != 0:
		http.Error(w, f.body, f.status)
	case !list && f.denied:
		http.Error(w, "Permission denied: lacks permission 'key:read'", http.StatusForbidden)
	case !list:
		http.Error(w, "", http.StatusNotFound)
	default:
		var out []api.KVPair
		for _, key := range slices.Sorted(maps.Keys(f.keys)) {
			if f.denied || f.hidden != "" && strings.HasPrefix(key, kvPrefix+f.hidden) {
				h.Set("X-Consul-Results-Filtered-By-ACLs", "true")
				continue
			}
			out = append(out, f.keys[key])
		}
		if len(out) == 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(out)
	}
}

func (f *kvFake) config() Config {
	return Config{
		Logger: hclog.NewNullLogger(),
		API:    &api.Config{Address: "consul.test:8500", Scheme: "http", HttpClient: &http.Client{Transport: f}},
	}
}

// kvRunning is a watch at work in a bubble, with what it has handed out.
type kvRunning struct {
	*KVWatch
	mu   sync.Mutex
	took []string
}

func watchKV(t *testing.T, f *kvFake, dir string) *kvRunning {
	t.Helper()
	cfg := f.config()
	cfg.DataDir = dir
	w, err := NewKVWatch(cfg, kvPrefix)
	if err != nil {
		t.Fatal(err)
	}
	return &kvRunning{KVWatch: w}
}

// start runs the watch until the test ends.
func (r *kvRunning) start(t *testing.T) *kvRunning {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		r.Run(ctx, func(d *Documents) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.took = append(r.took, show(d))
		})
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	synctest.Wait()
	return r
}

// show is keys and texts in one line.
func show(d *Documents) string {
	if d == nil {
		return "nothing"
	}
	var parts []string
	for _, v := range d.List {
		parts = append(parts, strings.TrimPrefix(v.Key, kvPrefix)+"="+string(v.Text))
	}
	if d.Stale {
		parts = append(parts, "(stale)")
	}
	return strings.Join(parts, " ")
}

// want compares all that was handed out.
func (r *kvRunning) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.took, want) {
		t.Errorf("took %q, want %q", r.took, want)
	}
}

func TestKVWatchFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newKVFake()
		r := watchKV(t, f, "").start(t)
		r.want(t, "")
		f.put("a.hcl", "1", "b.hcl", "2")
		pass(time.Second)
		r.want(t, "", "a.hcl=1 b.hcl=2")
		f.put("a.hcl", "-", "c.hcl", "3", "folder/", "")
		pass(time.Second)
		r.want(t, "", "a.hcl=1 b.hcl=2", "b.hcl=2 c.hcl=3")
		f.put("b.hcl", "2") // the same once more
		pass(time.Second)
		f.put("b.hcl", "-", "c.hcl", "-", "folder/", "-")
		pass(time.Second)
		r.want(t, "", "a.hcl=1 b.hcl=2", "b.hcl=2 c.hcl=3", "")
		if s := r.Status(); s.Age != 0 || s.Held != "" || s.Err != nil {
			t.Errorf("status %+v", s)
		}
		before := len(f.asked())
		pass(10 * time.Minute)
		if n := len(f.asked()) - before; n > 25 {
			t.Errorf("%d lists in ten quiet minutes", n)
		}
	})
}

// What comes while the documents before are being taken up comes as one.
func TestKVWatchCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newKVFake()
		r := watchKV(t, f, "")
		f.put("a.hcl", "0")
		r.start(t)
		for i := range 100 {
			f.put("a.hcl", strconv.Itoa(i))
			time.Sleep(time.Millisecond)
		}
		pass(time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := len(r.took); n > 4 || r.took[n-1] != "a.hcl=99" {
			t.Errorf("took %q", r.took)
		}
	})
}

func TestKVWatchHolds(t *testing.T) {
	for name, tt := range map[string]struct {
		lose  func(f *kvFake)
		mend  func(f *kvFake)
		why   string
		after string
	}{
		"rights to all": {
			func(f *kvFake) { f.denied = true; f.index++ }, func(f *kvFake) { f.denied = false },
			`key_prefix "lictor/policies/" { policy = "read" }`, "",
		},
		"rights to some": {
			func(f *kvFake) { f.hidden = "b"; f.index++ }, func(f *kvFake) { f.hidden = "" },
			"may not read all keys", "",
		},
		"no leader": {
			func(f *kvFake) { f.leader = false; f.index++; clear(f.keys) }, func(f *kvFake) { f.leader = true },
			heldNoLeader, "empty",
		},
		"lost state": {
			func(f *kvFake) { f.index = 3; clear(f.keys) },
			func(f *kvFake) {
				f.index++
				f.keys[kvPrefix+"n.hcl"] = api.KVPair{Key: kvPrefix + "n.hcl", Value: []byte("new")}
			},
			kvLost, "n.hcl=new",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newKVFake()
				f.put("a.hcl", "1", "b.hcl", "2")
				r := watchKV(t, f, "").start(t)
				f.change(func() { tt.lose(f) })
				pass(5 * time.Minute)
				r.want(t, "a.hcl=1 b.hcl=2")
				s := r.Status()
				if !strings.Contains(s.Held, tt.why) || s.Warning() != s.Held || s.Age < 3*time.Minute {
					t.Errorf("held because %q for %v, warning %q", s.Held, s.Age, s.Warning())
				}
				f.change(func() { tt.mend(f) })
				pass(6 * time.Second)
				switch tt.after {
				case "":
					r.want(t, "a.hcl=1 b.hcl=2")
				case "empty":
					r.want(t, "a.hcl=1 b.hcl=2", "")
				default:
					r.want(t, "a.hcl=1 b.hcl=2", tt.after)
				}
				if s := r.Status(); s.Held != "" || s.Age != 0 {
					t.Errorf("mended, and the status is %+v", s)
				}
			})
		})
	}
}

func TestKVWatchOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newKVFake()
		f.put("a.hcl", "1")
		r := watchKV(t, f, "").start(t)
		f.change(func() { f.down = true })
		pass(time.Minute)
		if s := r.Status(); s.Err == nil || s.Age < 59*time.Second || s.Warning() != "" {
			t.Errorf("away, and the status is %+v", s)
		}
		f.put("a.hcl", "2")
		f.change(func() { f.down = false })
		pass(1100 * time.Millisecond)
		r.want(t, "a.hcl=1", "a.hcl=2")
		f.change(func() { f.stalled = true })
		pass(2 * time.Minute)
		f.change(func() { f.stalled = false; f.index-- }) // restored, as it was a moment ago
		f.put("a.hcl", "3")
		pass(12 * time.Second)
		r.want(t, "a.hcl=1", "a.hcl=2", "a.hcl=3")
	})
}

// A snapshot that is restored ends a query with what was before, and leaves an
// index that is lower.
func TestKVWatchRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newKVFake()
		f.put("a.hcl", "1")
		r := watchKV(t, f, "").start(t)
		f.put("a.hcl", "2")
		pass(time.Second)
		f.change(func() { f.abandon = true })
		f.change(func() {
			f.index = 7
			f.keys[kvPrefix+"a.hcl"] = api.KVPair{Key: kvPrefix + "a.hcl", Value: []byte("0"), ModifyIndex: 7}
		})
		pass(time.Second)
		r.want(t, "a.hcl=1", "a.hcl=2", "a.hcl=0")
	})
}

func TestKVWatchNeedsRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newKVFake()
		f.denied = true
		r := watchKV(t, f, "")
		now, kept, err := r.First(t.Context())
		if now != nil || kept != nil || err != nil {
			t.Errorf("without rights: %s, %s, %v", show(now), show(kept), err)
		}
		r.start(t)
		pass(time.Minute)
		r.want(t)
		if s := r.Status(); !strings.Contains(s.Warning(), `key_prefix "lictor/policies/" { policy = "read" }`) {
			t.Errorf("status %+v", s)
		}
		f.change(func() { f.denied = false })
		pass(6 * time.Second)
		r.want(t, "")
		f.change(func() { f.status, f.body, f.index = http.StatusForbidden, "ACL not found", f.index+1 })
		pass(time.Minute)
		if s := r.Status(); !strings.Contains(s.Warning(), "revoked") {
			t.Errorf("status %+v", s)
		}
	})
}

func TestKVWatchTakesAnotherToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	synctest.Test(t, func(t *testing.T) {
		f := newKVFake()
		f.put("a.hcl", "1")
		cfg := f.config()
		cfg.TokenFile = file
		w, err := NewKVWatch(cfg, kvPrefix)
		if err != nil {
			t.Fatal(err)
		}
		r := (&kvRunning{KVWatch: w}).start(t)
		pass(time.Second)
		write("two\n")
		pass(3 * time.Second)
		f.mu.Lock()
		defer f.mu.Unlock()
		if n := len(f.tokens); f.tokens[0] != "one" || f.tokens[n-1] != "two" {
			t.Errorf("asked with %q", f.tokens)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.took) != 1 {
			t.Errorf("took %q", r.took)
		}
	})
}

func TestKVWatchStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f := newKVFake()
		f.put("a.hcl", "1")
		r := watchKV(t, f, dir)
		now, kept, err := r.First(t.Context())
		if show(now) != "a.hcl=1" || kept != nil || err != nil {
			t.Fatalf("first %s, kept %s, %v", show(now), show(kept), err)
		}
		if err := r.Save(now); err != nil {
			t.Fatal(err)
		}
		r.start(t)
		pass(time.Second)
		r.want(t) // nothing that First has not told

		f.change(func() { f.down = true })
		r = watchKV(t, f, dir)
		now, kept, err = r.First(t.Context())
		if now != nil || show(kept) != "a.hcl=1 (stale)" || err == nil {
			t.Errorf("away: first %s, kept %s, %v", show(now), show(kept), err)
		}
		f.change(func() { f.down = false })
		r.start(t)
		pass(2 * time.Second)
		r.want(t, "a.hcl=1") // confirmed

		// Consul has forgotten everything: what was kept is not thrown away.
		f.change(func() { clear(f.keys); f.index = 2 })
		r = watchKV(t, f, dir)
		now, kept, err = r.First(t.Context())
		if now != nil || show(kept) != "a.hcl=1 (stale)" || err != nil || r.Status().Held != kvLost {
			t.Errorf("lost: first %s, kept %s, %v, %+v", show(now), show(kept), err, r.Status())
		}

		// Another prefix has its own.
		w, err := NewKVWatch(Config{DataDir: dir, Logger: hclog.NewNullLogger(), API: f.config().API}, "other/")
		if err != nil {
			t.Fatal(err)
		}
		if _, kept, _ := w.First(t.Context()); kept != nil {
			t.Errorf("another prefix starts with %s", show(kept))
		}
	})
}

func TestKVDiskRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, kvFile)
	for _, text := range []string{"{", `{"Version":99,"Prefix":"lictor/policies/"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if d, err := (kvDisk{path, kvPrefix}).load(); d != nil || err == nil {
			t.Errorf("%s: %v, %v", text, show(d), err)
		}
	}
	blocked := filepath.Join(path, "below a file")
	if err := (kvDisk{blocked, kvPrefix}).save(&Documents{}); err == nil {
		t.Error("wrote below a file")
	}
}

func TestKVRead(t *testing.T) {
	for name, tt := range map[string]struct {
		set  func(f *kvFake)
		want string // of the error, "" for none
	}{
		"keys":      {func(*kvFake) {}, ""},
		"no keys":   {func(f *kvFake) { clear(f.keys) }, ""},
		"denied":    {func(f *kvFake) { f.denied = true }, `key_prefix "lictor/policies/" { policy = "read" }`},
		"filtered":  {func(f *kvFake) { f.hidden = "a" }, "may not read all keys"},
		"no token":  {func(f *kvFake) { f.status, f.body = http.StatusForbidden, "ACL not found" }, "revoked"},
		"list":      {func(f *kvFake) { f.status, f.body = http.StatusForbidden, "Permission denied" }, `"list"`},
		"away":      {func(f *kvFake) { f.down = true }, "connection refused"},
		"no leader": {func(f *kvFake) { f.leader = false; clear(f.keys) }, heldNoLeader},
	} {
		t.Run(name, func(t *testing.T) {
			f := newKVFake()
			f.put("a.hcl", "1")
			tt.set(f)
			kv, err := NewKV(f.config(), kvPrefix)
			if err != nil {
				t.Fatal(err)
			}
			d, err := kv.Read(t.Context())
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("read %s, %v, want %q", show(d), err, tt.want)
			}
		})
	}
	if _, err := NewKV(newKVFake().config(), ""); err == nil {
		t.Error("a prefix that is empty would be the whole store")
	}
}

func TestKVWrite(t *testing.T) {
	changes := []Change{{Key: kvPrefix + "a", Was: 3, Text: []byte("x")}, {Key: kvPrefix + "b", Text: []byte{}}, {Key: kvPrefix + "c", Was: 5}}
	same := []Document{{Key: kvPrefix + "d", Version: 7}}
	for name, tt := range map[string]struct {
		set  func(f *kvFake)
		want string
	}{
		"written":    {func(*kvFake) {}, ""},
		"conflict":   {func(f *kvFake) { f.refuse = api.TxnErrors{{OpIndex: 1, What: `failed to set key "b", index is stale`}} }, "changed lictor/policies/b meanwhile"},
		"permission": {func(f *kvFake) { f.refuse = api.TxnErrors{{OpIndex: 0, What: "Permission denied: lacks"}} }, `key_prefix "lictor/policies/" { policy = "write" }`},
		"forbidden":  {func(f *kvFake) { f.status, f.body = http.StatusForbidden, "Permission denied" }, `policy = "write"`},
		"too large":  {func(f *kvFake) { f.status, f.body = http.StatusRequestEntityTooLarge, "too large" }, "512 KiB"},
		"other":      {func(f *kvFake) { f.refuse = api.TxnErrors{{OpIndex: 9, What: "odd"}} }, "odd"},
		"away":       {func(f *kvFake) { f.down = true }, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newKVFake()
			tt.set(f)
			kv, err := NewKV(f.config(), kvPrefix)
			if err != nil {
				t.Fatal(err)
			}
			err = kv.Write(t.Context(), changes, same)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			if _, conflict := errors.AsType[*ConflictError](err); conflict != (name == "conflict") {
				t.Errorf("%v is a conflict: %t", err, conflict)
			}
			if name != "written" {
				return
			}
			var got []string
			for _, op := range f.wrote[0] {
				got = append(got, fmt.Sprintf("%s %s %d %q", op.KV.Verb, strings.TrimPrefix(op.KV.Key, kvPrefix), op.KV.Index, op.KV.Value))
			}
			if want := []string{`cas a 3 "x"`, `cas b 0 ""`, `delete-cas c 5 ""`, `check-index d 7 ""`}; !slices.Equal(got, want) {
				t.Errorf("wrote %q, want %q", got, want)
			}
		})
	}
}

func TestKVWriteBounds(t *testing.T) {
	f := newKVFake()
	kv, err := NewKV(f.config(), kvPrefix)
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Write(t.Context(), make([]Change, mostOperations+1), nil); err == nil || !strings.Contains(err.Error(), "129 changes are more than the 128") {
		t.Errorf("%v", err)
	}
	if err := kv.Write(t.Context(), make([]Change, mostOperations-1), make([]Document, 9)); err != nil || len(f.wrote[0]) != mostOperations {
		t.Errorf("%v, wrote %d operations", err, len(f.wrote[0]))
	}
}
