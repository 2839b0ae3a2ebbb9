package consul

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const acmePrefix = "lictor/acme/"

func openKV(t *testing.T, cfg Config) *KV {
	t.Helper()
	kv, err := NewKV(cfg, acmePrefix)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// testKeys is what single keys do in any store, which is empty.
func testKeys(t *testing.T, kv *KV) {
	ctx := t.Context()
	key := func(name string) string { return acmePrefix + name }
	if _, err := kv.Get(ctx, key("a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	if got, err := kv.Keys(ctx, key("")); err != nil || len(got) != 0 {
		t.Errorf("nothing: %q, %v", got, err)
	}
	if err := kv.Remove(ctx, key("a")); err != nil {
		t.Errorf("removing nothing: %v", err)
	}
	for _, name := range []string{"a", "a/b/c", "a/d", "ab", "z"} {
		for _, text := range []string{"old", "text of " + name} {
			if err := kv.Put(ctx, key(name), []byte(text), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := kv.Get(ctx, key("a/b/c")); err != nil || string(got) != "text of a/b/c" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := kv.Get(ctx, key("a/b")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what others begin with: %v", err)
	}
	if got, err := kv.Keys(ctx, key("a/")); err != nil || !slices.Equal(got, []string{key("a/b/c"), key("a/d")}) {
		t.Errorf("%q, %v", got, err)
	}
	if err := kv.Remove(ctx, key("a")); err != nil {
		t.Error(err)
	}
	if got, err := kv.Keys(ctx, key("")); err != nil || !slices.Equal(got, []string{key("ab"), key("z")}) {
		t.Errorf("%q are left, %v", got, err)
	}
	if err := kv.Put(ctx, key("empty"), nil, nil); err != nil {
		t.Error(err)
	}
	if got, err := kv.Get(ctx, key("empty")); err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
}

// followed is what a Follow has handed out.
type followed struct {
	texts string // joined
	err   error
}

// follow runs a Follow of what lies below "c/", until the test ends.
func follow(t *testing.T, kv *KV) (next <-chan followed, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan followed)
	var run sync.WaitGroup
	run.Go(func() {
		kv.Follow(ctx, acmePrefix+"c/", func(texts [][]byte, err error) {
			f := followed{err: err}
			for _, text := range texts {
				f.texts += string(text) + " "
			}
			select {
			case out <- f:
			case <-ctx.Done():
			}
		})
	})
	return out, func() { cancel(); run.Wait() }
}

// testFollow is what Follow does in any store.
func testFollow(t *testing.T, kv *KV) {
	next, stop := follow(t, kv)
	defer stop()
	if f := <-next; f.texts != "" || f.err != nil {
		t.Errorf("of nothing: %+v", f)
	}
	for _, step := range []struct{ key, text, want string }{
		{"c/1", "one", "one "}, {"c/2", "two", "one two "}, {"c/1", "uno", "uno two "}, {"c/1", "", "two "}, {"c/2", "", ""},
	} {
		var err error
		if step.text == "" {
			err = kv.Remove(t.Context(), acmePrefix+step.key)
		} else {
			err = kv.Put(t.Context(), acmePrefix+step.key, []byte(step.text), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		f := <-next
		for f.err == nil && f.texts != step.want { // it may be told of what it knows
			f = <-next
		}
		if f.err != nil {
			t.Fatal(f.err)
		}
	}
}

func TestKVKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { testKeys(t, openKV(t, newStoreFake().config())) })
}

func TestKVFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { testFollow(t, openKV(t, newStoreFake().config())) })
}

// TestKVKeysRefused names the rule that a token lacks, whatever was asked.
func TestKVKeysRefused(t *testing.T) {
	const rule = `key_prefix "lictor/acme/" { policy = "write" }`
	ctx := t.Context()
	for name, do := range map[string]func(*KV) error{
		"get":    func(kv *KV) error { _, err := kv.Get(ctx, acmePrefix+"a"); return err },
		"put":    func(kv *KV) error { return kv.Put(ctx, acmePrefix+"a", nil, nil) },
		"remove": func(kv *KV) error { return kv.Remove(ctx, acmePrefix+"a") },
		"keys":   func(kv *KV) error { _, err := kv.Keys(ctx, acmePrefix); return err },
		"follow": func(kv *KV) (err error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			kv.Follow(ctx, acmePrefix+"c/", func(_ [][]byte, why error) { err = why; cancel() })
			return err
		},
	} {
		for _, c := range []struct {
			status int
			body   string
			want   string
		}{
			{http.StatusForbidden, "Permission denied: token with AccessorID 'x' lacks permission 'key:write' on \"a\"", rule},
			{http.StatusForbidden, "ACL not found", "revoked"},
			{http.StatusInternalServerError, "No cluster leader", "No cluster leader"},
			{0, "", "connection refused"},
		} {
			f := newStoreFake()
			f.fails = func(*http.Request) (int, string, bool) { return c.status, c.body, true }
			err := do(openKV(t, f.config()))
			if err == nil || !strings.Contains(err.Error(), c.want) && (name == "get" || name == "keys" || name == "follow" || c.want != "revoked") {
				t.Errorf("%s by %d %s: %v, want %q", name, c.status, c.body, err, c.want)
			}
			if errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s by %d %s: it is said that there is none", name, c.status, c.body)
			}
		}
	}
	f := newStoreFake()
	f.leader = false
	if _, err := openKV(t, f.config()).Get(ctx, acmePrefix+"a"); !errors.Is(err, errNoLeader) {
		t.Errorf("without a leader: %v", err)
	}
}

// TestKVFollowOutage tells of an outage once, and goes on after it, from the beginning
// if Consul has lost its state.
func TestKVFollowOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStoreFake()
		kv := openKV(t, f.config())
		if err := kv.Put(t.Context(), acmePrefix+"c/1", []byte("one"), nil); err != nil {
			t.Fatal(err)
		}
		next, stop := follow(t, kv)
		defer stop()
		if got := <-next; got.texts != "one " || got.err != nil {
			t.Errorf("%+v", got)
		}
		synctest.Wait() // until it waits for a change
		asked := 0
		f.change(func() {
			f.fails = func(*http.Request) (int, string, bool) { asked++; return 0, "", true }
		})
		if got := <-next; got.texts != "one " { // which it waited for
			t.Errorf("%+v", got)
		}
		if got := <-next; got.err == nil || !strings.Contains(got.err.Error(), "connection refused") {
			t.Errorf("%+v", got)
		}
		time.Sleep(10 * time.Minute) // by the clock of the bubble: nobody waits
		synctest.Wait()
		select {
		case got := <-next:
			t.Errorf("told again: %+v", got)
		default:
		}
		if asked < 300 || asked > 1300 {
			t.Errorf("asked %d times in ten minutes, want about once in a second", asked)
		}
		f.change(func() {
			f.fails = func(*http.Request) (int, string, bool) { return 0, "", false }
			f.index = 3
			clear(f.keys)
		})
		if got := <-next; got.texts != "" || got.err != nil {
			t.Errorf("after it: %+v", got)
		}
		if err := kv.Put(t.Context(), acmePrefix+"c/2", []byte("two"), nil); err != nil {
			t.Fatal(err)
		}
		if got := <-next; got.texts != "two " || got.err != nil {
			t.Errorf("after it: %+v", got)
		}
	})
}

func TestNextIndex(t *testing.T) {
	for _, c := range [][3]uint64{{0, 0, 1}, {0, 5, 5}, {5, 5, 5}, {5, 6, 6}, {5, 4, 0}, {1, 0, 0}} {
		if got := nextIndex(c[0], c[1]); got != c[2] {
			t.Errorf("%d after %d: %d, want %d", c[1], c[0], got, c[2])
		}
	}
}
