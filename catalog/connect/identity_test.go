package connect

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

func TestIdentityFollowsRotations(t *testing.T) {
	f := newFakeAgent(t)
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	end := time.Now().Add(time.Hour)
	i := f.identity(nil)
	if err := i.Check(); !isIdentityError(err) {
		t.Errorf("before anything is known: %v", err)
	}
	f.set(rootsPath, rootsOf(first))
	f.set(leafPath, first.leaf("edge", end))
	eventually(t, "there is an identity", func() bool { return i.Check() == nil })
	<-i.First()
	st := i.Status()
	if st.ID != uri("edge") || st.TrustDomain != domain || st.Roots != 1 || st.NotAfter.Unix() != end.Unix() || st.LeafRotations != 0 || st.RootRotations != 0 {
		t.Errorf("%+v", st)
	}

	f.set(rootsPath, rootsOf(second, first))
	f.set(leafPath, second.leaf("edge", end, first.cross(second)))
	eventually(t, "both have rotated", func() bool {
		now := i.Status()
		return now.LeafRotations == 1 && now.RootRotations == 1 && now.Serial != st.Serial && now.Roots == 2
	})
	if l := i.leaf.Load(); len(l.pair.Certificate) != 2 {
		t.Errorf("the leaf has %d certificates, the one between is missing", len(l.pair.Certificate))
	}
}

// What is known stays in force while Consul is away, forgets, or talks nonsense.
func TestIdentityOutlastsConsul(t *testing.T) {
	f := newFakeAgent(t)
	a := newAuthority(t, "a")
	f.set(rootsPath, rootsOf(a))
	f.set(leafPath, a.leaf("edge", time.Now().Add(time.Hour)))
	i := f.identity(nil)
	eventually(t, "there is an identity", func() bool { return i.Check() == nil })
	serial := i.Status().Serial

	f.fail(http.StatusInternalServerError)
	eventually(t, "it notices", i.stale)
	if err := i.away.err(); statusCode(err) != http.StatusInternalServerError {
		t.Errorf("why: %v", err)
	}
	if err := i.Check(); err != nil {
		t.Errorf("while Consul is away: %v", err)
	}
	f.fail(0)
	eventually(t, "it notices that Consul is back", func() bool { return !i.stale() })

	f.set(rootsPath, &api.CARootList{TrustDomain: domain})
	f.set(leafPath, a.leaf("another", time.Now().Add(time.Hour)))
	eventually(t, "it notices the nonsense", i.stale)
	if st := i.Status(); st.Serial != serial || st.Roots != 1 || st.Err != nil {
		t.Errorf("%+v", st)
	}
	b := newAuthority(t, "b")
	f.set(rootsPath, rootsOf(b))
	f.set(leafPath, b.leaf("edge", time.Now().Add(time.Hour)))
	eventually(t, "it goes on", func() bool { return !i.stale() && i.Status().Serial != serial })

	eventually(t, "both questions are held", func() bool { return f.held(rootsPath) && f.held(leafPath) })
	f.rewind()
	c := newAuthority(t, "c")
	before := i.Status().Serial
	f.set(rootsPath, rootsOf(c))
	f.set(leafPath, c.leaf("edge", time.Now().Add(time.Hour)))
	eventually(t, "an index that went back is followed", func() bool { return i.Status().Serial != before })
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.indexes[leafPath][2:], 0) {
		t.Errorf("the leaf was asked for with the indexes %d, none of them plain after the first", f.indexes[leafPath])
	}
}

func TestLeafExpires(t *testing.T) {
	f := newFakeAgent(t)
	a := newAuthority(t, "a")
	f.set(rootsPath, rootsOf(a))
	f.set(leafPath, a.leaf("edge", time.Now().Add(time.Hour)))
	var later atomic.Int64
	i := f.identity(func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	eventually(t, "there is an identity", func() bool { return i.Check() == nil })
	later.Store(int64(2 * time.Hour))
	if err := i.Check(); !isIdentityError(err) || !strings.Contains(err.Error(), "expired 1h") {
		t.Errorf("an hour after its end: %v", err)
	}
	if _, err := i.Destination("web").ClientConfig("").GetClientCertificate(nil); !isIdentityError(err) {
		t.Errorf("what is shown: %v", err)
	}
}

func isIdentityError(err error) bool {
	_, ok := errors.AsType[*IdentityError](err)
	return ok
}

func TestMissingRightIsNamed(t *testing.T) {
	f := newFakeAgent(t)
	f.fail(http.StatusForbidden)
	i := New(Config{Consul: f, Service: "edge"})
	_, err := i.askLeaf(t.Context(), 0, 0)
	if err == nil || !strings.Contains(err.Error(), `service "edge" { policy = "write" }`) {
		t.Error(err)
	}
}

func TestProtocols(t *testing.T) {
	f := newFakeAgent(t)
	a := newAuthority(t, "a")
	f.set(rootsPath, rootsOf(a))
	f.set(leafPath, a.leaf("edge", time.Now().Add(time.Hour)))
	f.set(chainPath+"web", "http")
	f.set(chainPath+"chat", "carrier-pigeon")
	i := f.identity(nil)
	web, chat := i.Destination("web"), i.Destination("chat")
	if web != i.Destination("web") {
		t.Error("a service has two destinations")
	}
	i.Follow([]string{"web", "chat"})
	eventually(t, "the protocols are known", func() bool {
		return web.Protocol() == "http" && chat.Protocol() == "carrier-pigeon" && i.Check() == nil
	})
	if err := web.Unspoken(); err != nil {
		t.Error(err)
	}
	if err := chat.Unspoken(); err == nil || !strings.Contains(err.Error(), "carrier-pigeon") {
		t.Error(err)
	}
	for _, p := range []string{"grpc", "http2", "tcp", "http"} {
		f.set(chainPath+"chat", p)
		i.Follow([]string{"web", "chat"})
		eventually(t, "a protocol changes", func() bool { return chat.Protocol() == p })
		if err := chat.Unspoken(); err != nil {
			t.Error(err)
		}
	}
}

// TestAble has a service that can be spoken to once there is all that it takes, whatever
// comes last, and is told of it. One whose protocol is not told is spoken to all the same.
func TestAble(t *testing.T) {
	for _, last := range []string{rootsPath, leafPath, chainPath + "web"} {
		t.Run(last, func(t *testing.T) {
			f := newFakeAgent(t)
			a := newAuthority(t, "a")
			give := map[string]any{rootsPath: rootsOf(a), leafPath: a.leaf("edge", time.Now().Add(time.Hour)), chainPath + "web": "http2"}
			for path, v := range give {
				if path != last {
					f.set(path, v)
				}
			}
			f.refuse(last)
			i := New(Config{Consul: f, Service: "edge", Logger: nullLogger})
			able := make(chan bool, 100)
			i.Progress = func() { able <- i.Able("web") }
			i.Follow([]string{"a", "web", "z"}) // the others are unknown to it
			f.run(i)
			eventually(t, "all else is known", func() bool {
				return f.times(last) > 0 && (i.leaf.Load() != nil) == (last != leafPath) && (i.roots.Load() != nil) == (last != rootsPath) &&
					i.Destination("a").Asked() && i.Destination("z").Asked() && (i.Destination("web").Asked() || last == chainPath+"web")
			})
			if last != chainPath+"web" && i.Able("web") {
				t.Error("it is said to be able already")
			}
			f.set(last, give[last])
			f.refuse("")
			i.Follow([]string{"a", "web", "z"})
			for !<-able {
			}
			eventually(t, "it can be spoken to", func() bool { return i.Able("web") && i.Destination("web").Protocol() == "http2" })
			if d := i.Destination("z"); !i.Able("z") || d.Protocol() != "" {
				t.Errorf("what is not told is %q", d.Protocol())
			}
		})
	}
}

// A service whose discovery chain is broken is not waited for without end.
func TestAskedOfABrokenChain(t *testing.T) {
	f := newFakeAgent(t)
	f.refuse(chainPath + "web")
	i := New(Config{Consul: f, Service: "edge", Logger: nullLogger})
	i.Follow([]string{"web"})
	for n := range protocolTries {
		if i.Destination("web").Asked() {
			t.Errorf("it is not asked for again after %d tries", n)
		}
		if i.askProtocols(t.Context()) {
			t.Error("it was told")
		}
	}
	if !i.Destination("web").Asked() {
		t.Error("it is waited for still")
	}
}

func TestFresh(t *testing.T) {
	f := newFakeAgent(t)
	a := newAuthority(t, "a")
	f.set(rootsPath, rootsOf(a))
	f.set(leafPath, a.leaf("edge", time.Now().Add(time.Hour)))
	i := f.identity(nil)
	d := i.Destination("web")
	eventually(t, "there is an identity", func() bool { return i.Check() == nil })
	for age, want := range map[time.Duration]bool{0: true, maxAge - 1: true, maxAge: false, time.Hour: false} {
		if got := d.Fresh(age); got != want {
			t.Errorf("after %v: %t", age, got)
		}
	}
	f.fail(http.StatusInternalServerError)
	eventually(t, "connections go on while Consul is away", func() bool { return d.Fresh(time.Hour) })
}

// TestDenied asks for Consul's verdict, many at once.
func TestDenied(t *testing.T) {
	f := newFakeAgent(t)
	var later atomic.Int64
	at := time.Now()
	i := New(Config{Consul: f, Service: "edge", Now: func() time.Time { return at.Add(time.Duration(later.Load())) }})
	a := newAuthority(t, "a")
	give(t, i, rootsOf(a), a.leaf("edge", at.Add(time.Hour)))
	d := i.Destination("web")
	say := func(list ...*api.Intention) { f.set(matchPath, map[string]any{"web": list}) }
	say(deny("edge", 9))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if denied, err := d.Denied(t.Context()); !denied || err != nil {
				t.Errorf("%t, %v", denied, err)
			}
		})
	}
	wg.Wait()
	if n := f.times(matchPath); n != 1 {
		t.Errorf("Consul was asked %d times", n)
	}
	for _, c := range []struct {
		name      string
		rules     []*api.Intention
		byDefault any
		denied    bool
		unknown   bool
	}{
		{"allowed", []*api.Intention{allow("edge", 9)}, nil, false, false},
		{"denied as everybody", []*api.Intention{deny("*", 8)}, nil, true, false},
		{"permissions", []*api.Intention{with(allow("edge", 9), func(x *api.Intention) {
			x.Action, x.Permissions = "", []*api.IntentionPermission{{Action: api.IntentionActionDeny}}
		})}, nil, false, false},
		{"denied by the default of ACLs", nil, byDefault(""), true, false},
		{"allowed by a default of its own", nil, byDefault("allow"), false, false},
		{"denied by a default of its own", nil, byDefault("deny"), true, false},
		{"nobody knows whom it means", []*api.Intention{with(deny("edge", 9), func(x *api.Intention) { x.SourceSamenessGroup = "all" })}, nil, false, true},
		{"nobody knows the default", nil, nil, false, true},
	} {
		later.Add(int64(verdictAge))
		say(c.rules...)
		f.set(selfPath, c.byDefault)
		if denied, err := d.Denied(t.Context()); denied != c.denied || (err != nil) != c.unknown {
			t.Errorf("%s: %t, %v", c.name, denied, err)
		}
	}
	later.Add(int64(verdictAge))
	f.fail(http.StatusForbidden)
	if denied, err := d.Denied(t.Context()); denied || err == nil {
		t.Errorf("nobody knows: %t, %v", denied, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	later.Add(int64(verdictAge))
	if denied, err := d.Denied(gone); denied || err == nil {
		t.Errorf("a client that has gone: %t, %v", denied, err)
	}
}

func TestPace(t *testing.T) {
	var p pace
	boom := errors.New("boom")
	for n, c := range []struct {
		err     error
		at      uint64
		index   uint64
		backoff time.Duration
	}{
		{nil, 0, 1, 0}, // index 0 would not block at all
		{nil, 7, 7, 0},
		{boom, 0, 0, 250 * time.Millisecond},
		{boom, 0, 0, 500 * time.Millisecond},
		{nil, 7, 7, 500 * time.Millisecond}, // a plain read proves little
		{boom, 0, 0, time.Second},
		{nil, 7, 7, time.Second},
		{nil, 8, 8, 0},
		{nil, 3, 0, 0}, // backwards
		{nil, 3, 3, 0},
		{boom, 0, 0, 250 * time.Millisecond},
	} {
		if c.err != nil {
			p.failed(c.err)
		} else {
			p.answered(c.at)
		}
		if p.index != c.index || p.backoff != c.backoff {
			t.Errorf("step %d: %+v", n, p)
		}
	}
	for err, most := range map[error]time.Duration{
		boom: backoffAway, // it may be back any moment
		api.StatusError{Code: http.StatusInternalServerError}: backoffMax,
		api.StatusError{Code: http.StatusForbidden}:           backoffRefused,
		api.StatusError{Code: http.StatusTooManyRequests}:     backoffRefused,
	} {
		for range 20 {
			p.failed(err)
		}
		if p.backoff != most {
			t.Errorf("after many times %v: %v", err, p.backoff)
		}
	}
	if p.wait() != 0 {
		t.Errorf("a plain read waits %v", p.wait())
	}
}
