package consul

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// testLock is what locks do in any store.
func testLock(t *testing.T, kv *KV) {
	ctx := t.Context()
	const key, other, value = acmePrefix + "locks/a", acmePrefix + "locks/b", acmePrefix + "certificates/a"
	first, err := kv.Acquire(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	apart, err := kv.Acquire(ctx, other) // holds up nobody
	if err != nil {
		t.Fatal(err)
	}
	if err := apart.Release(ctx); err != nil {
		t.Error(err)
	}
	var mu sync.Mutex
	var order []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, what)
	}
	begun, got := make(chan struct{}), make(chan *KVLock)
	go func() {
		close(begun)
		second, err := kv.Acquire(ctx, key)
		if err != nil {
			t.Error(err)
		}
		note("second")
		got <- second
	}()
	<-begun
	if err := kv.Put(ctx, value, []byte("by the first"), first); err != nil {
		t.Errorf("under the lock: %v", err)
	}
	note("first")
	if err := first.Release(ctx); err != nil {
		t.Error(err)
	}
	second := <-got
	if second == nil {
		t.Fatal("the second has no lock")
	}
	if !slices.Equal(order, []string{"first", "second"}) {
		t.Errorf("in the order %q", order)
	}
	if err := kv.Put(ctx, value, []byte("too late"), first); err == nil {
		t.Error("what was given back is good for writing")
	}
	if err := kv.Put(ctx, value, []byte("by the second"), second); err != nil {
		t.Error(err)
	}

	// One that is lost is good for nothing.
	if _, err := kv.con.api.Session().Destroy(second.session, kv.con.writeOptions(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := kv.Put(ctx, value, []byte("after the loss"), second); err == nil {
		t.Error("what was lost is good for writing")
	}
	third, err := kv.Acquire(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Release(ctx); err == nil || !strings.Contains(err.Error(), "it was lost") {
		t.Errorf("giving back what was lost: %v", err)
	}
	if err := kv.Put(ctx, value, []byte("by the third"), third); err != nil {
		t.Errorf("the third has lost its lock by that: %v", err)
	}
	if text, err := kv.Get(ctx, value); err != nil || string(text) != "by the third" {
		t.Errorf("%q, %v", text, err)
	}
	if err := third.Release(ctx); err != nil {
		t.Error(err)
	}
}

func TestKVLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStoreFake()
		testLock(t, openKV(t, f.config()))
		if n := f.living(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// TestKVLockIsKept renews a lock for as long as it is held, and no longer.
func TestKVLockIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStoreFake()
		kv := openKV(t, f.config())
		ctx, cancel := context.WithCancel(t.Context())
		l, err := kv.Acquire(ctx, acmePrefix+"locks/a")
		if err != nil {
			t.Fatal(err)
		}
		cancel() // it bounds the wait, not the lock
		time.Sleep(10 * lockLife)
		synctest.Wait()
		if err := kv.Put(t.Context(), acmePrefix+"a", nil, l); err != nil {
			t.Errorf("after a long time: %v", err)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
		was := f.renewed
		time.Sleep(10 * lockLife)
		if f.renewed != was || was < 20 || f.living() != 0 {
			t.Errorf("renewed %d times while it was held and %d after, %d sessions are left", was, f.renewed-was, f.living())
		}
	})
}

// TestKVLockOfOneThatIsGone gets a lock whose holder is not heard of any more.
func TestKVLockOfOneThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStoreFake()
		gone, err := openKV(t, f.config()).Acquire(t.Context(), acmePrefix+"locks/a")
		if err != nil {
			t.Fatal(err)
		}
		gone.stop() // as if its gateway had been killed
		gone.renewals.Wait()
		start := time.Now()
		f.change(func() { f.delay = 2 }) // Consul refuses a lock for a while that was lost so
		l, err := openKV(t, f.config()).Acquire(t.Context(), acmePrefix+"locks/a")
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited < lockLife-time.Second || waited > lockLife+2*lockWait {
			t.Errorf("it was waited for %v", waited)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestKVLockGivenUp leaves nothing behind when nobody waits any more.
func TestKVLockGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStoreFake()
		kv := openKV(t, f.config())
		l, err := kv.Acquire(t.Context(), acmePrefix+"locks/a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := kv.Acquire(ctx, acmePrefix+"locks/a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if n := f.living(); n != 1 {
			t.Errorf("%d sessions live, want that of the holder", n)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestKVLockRefused names the rule that a token lacks: of sessions, or of keys.
func TestKVLockRefused(t *testing.T) {
	const denied = "Permission denied: lacks permission"
	for name, c := range map[string]struct {
		path   string // whose requests fail
		status int
		body   string
		want   string
	}{
		"no sessions":  {"/v1/session/create", http.StatusForbidden, denied, `session_prefix "" { policy = "write" }`},
		"no keys":      {"/v1/kv/", http.StatusForbidden, denied, `key_prefix "lictor/acme/" { policy = "write" }`},
		"no token":     {"/v1/session/create", http.StatusForbidden, "ACL not found", "ACL not found"},
		"no leader":    {"/v1/session/create", http.StatusInternalServerError, "No cluster leader", "No cluster leader"},
		"away":         {"/v1/session/create", 0, "", "connection refused"},
		"away by then": {"/v1/kv/", 0, "", "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newStoreFake()
				f.fails = func(r *http.Request) (int, string, bool) {
					return c.status, c.body, strings.HasPrefix(r.URL.Path, c.path)
				}
				_, err := openKV(t, f.config()).Acquire(t.Context(), acmePrefix+"locks/a")
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "locking lictor/acme/locks/a") {
					t.Errorf("got %v, want %q", err, c.want)
				}
				if n := f.living(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		})
	}
}
