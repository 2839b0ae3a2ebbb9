package agent

import (
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
)

func newTestMesh() (*Agent, *mesh) {
	a := &Agent{log: hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off})}
	return a, &mesh{
		identity: connect.New(connect.Config{Service: "edge", Logger: a.log}),
		offered:  map[string]bool{}, lacking: map[string]bool{},
		able: func(string) bool { return true },
	}
}

// snapshot is Consul's word on services, each with its instances: "up" or "down".
func snapshot(services map[string][]string) *catalog.Snapshot {
	s := &catalog.Snapshot{Source: "consul", Services: map[string]*catalog.Service{}}
	for name, instances := range services {
		v := &catalog.Service{Name: name}
		for _, i := range instances {
			in := catalog.Instance{Key: i, Address: "10.0.0.1", Port: 80, Weight: 1}
			if i == "down" {
				in.Ineligible = "critical"
			}
			v.Instances = append(v.Instances, in)
		}
		s.Services[name] = v
	}
	return s
}

// TestMeshLearns follows what Consul says of who offers the mesh.
func TestMeshLearns(t *testing.T) {
	const web, side = "web", "web@mesh"
	type step struct {
		services map[string][]string
		changed  bool
		pool     string
		followed []string
	}
	both, mesh := []string{web, side}, []string{side}
	none, up, down := map[string][]string{web: {"up"}, side: nil}, map[string][]string{web: {"up"}, side: {"up"}}, map[string][]string{web: {"up"}, side: {"down"}}
	for name, steps := range map[string][]step{
		"never asked":             {{map[string][]string{web: {"up"}}, false, side, both}},
		"offers it":               {{up, true, side, mesh}},
		"offers it, all critical": {{down, true, side, mesh}},
		"does not":                {{none, true, web, both}, {none, false, web, both}},
		"comes to":                {{none, true, web, both}, {down, false, web, both}, {up, true, side, mesh}, {up, false, side, mesh}},
		"never came to":           {{none, true, web, both}, {down, false, web, both}, {none, false, web, both}},
		"comes to, and goes":      {{none, true, web, both}, {up, true, side, mesh}, {map[string][]string{side: nil}, false, side, mesh}, {none, false, side, mesh}},
		"offers it, and goes":     {{up, true, side, mesh}, {none, false, side, mesh}},
		"is forgotten in between": {{none, true, web, both}, {map[string][]string{}, false, side, both}, {none, true, web, both}},
	} {
		t.Run(name, func(t *testing.T) {
			a, m := newTestMesh()
			route := &config.Route{Name: "r", Service: web, Mesh: config.MeshAuto}
			for n, s := range steps {
				if got := m.learn(a, snapshot(s.services)); got != s.changed {
					t.Errorf("step %d: changed is %t", n, got)
				}
				w := m.way(&config.Config{}, route)
				followed := slices.Sorted(slices.Values(w.followed))
				if w.pool != s.pool || !slices.Equal(followed, s.followed) || (w.secure != nil) != (s.pool == side) {
					t.Errorf("step %d: %+v", n, w)
				}
			}
		})
	}
}

func TestMeshLearnsFromConsulAlone(t *testing.T) {
	a, m := newTestMesh()
	s := snapshot(map[string][]string{"web@mesh": nil})
	s.Source = "static"
	if m.learn(a, s) || len(m.lacking) > 0 {
		t.Error("another source was believed")
	}
	if (*mesh)(nil).learn(a, snapshot(map[string][]string{"web@mesh": {"up"}})) {
		t.Error("a gateway without a mesh has learnt something")
	}
}

// TestWay goes by what a route says.
func TestWay(t *testing.T) {
	_, m := newTestMesh()
	m.offered["web"], m.offered["legacy"] = true, true
	c := &config.Config{Services: []config.Service{{Name: "legacy"}}}
	for _, s := range []struct {
		name, service, mode string
		m                   *mesh
		pool                string
	}{
		{"through", "web", config.MeshOn, m, "web@mesh"},
		{"past", "web", config.MeshOff, m, "web"},
		{"as offered", "web", config.MeshAuto, m, "web@mesh"},
		{"static", "legacy", config.MeshAuto, m, "legacy"},
		{"no mesh", "web", config.MeshAuto, nil, "web"},
	} {
		w := s.m.way(c, &config.Route{Service: s.service, Mesh: s.mode})
		if w.pool != s.pool || !slices.Equal(w.followed, []string{s.pool}) || (w.secure != nil) != (s.pool != s.service) {
			t.Errorf("%s: %+v", s.name, w)
		}
	}
}

// What looks like a denial is asked about; nothing else is.
func TestMayBeDenied(t *testing.T) {
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for _, c := range []struct {
		name string
		fe   proxy.ForwardError
		want bool
	}{
		{"closed", proxy.ForwardError{Cause: proxy.Broke, Sent: true, Err: errors.New("EOF")}, true},
		{"closed, the body lost", proxy.ForwardError{Cause: proxy.Broke, Sent: true, Received: true, Err: alert}, true},
		{"an alert in the handshake", proxy.ForwardError{Cause: proxy.Refused, Err: alert}, true},
		{"nobody there", proxy.ForwardError{Cause: proxy.Refused, Err: refused}, false},
		{"an impostor", proxy.ForwardError{Cause: proxy.Refused, Err: &connect.VerifyError{Err: errors.New("it is another")}}, false},
		{"too slow", proxy.ForwardError{Cause: proxy.TimedOut, Err: errors.New("slow")}, false},
		{"the client has gone", proxy.ForwardError{Cause: proxy.ClientGone, Err: errors.New("gone")}, false},
	} {
		if got := mayBeDenied(&c.fe); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// TestMeshMemory keeps over a restart who has offered the mesh.
func TestMeshMemory(t *testing.T) {
	m := newMeshMemory(t.TempDir() + "/state")
	if got, err := m.load(); err != nil || len(got) != 0 {
		t.Errorf("at first: %v, %v", got, err)
	}
	want := map[string]bool{"web": true, "a b/\u00e9": true}
	if err := m.save(want); err != nil {
		t.Fatal(err)
	}
	if got, err := m.load(); err != nil || !maps.Equal(got, want) {
		t.Errorf("afterwards: %v, %v", got, err)
	}
	write(t, m.path, "{")
	if _, err := m.load(); err == nil || !strings.Contains(err.Error(), m.path) {
		t.Errorf("a broken file: %v", err)
	}
	if err := (meshMemory{}).save(want); err != nil {
		t.Error(err)
	}
	if got, err := (meshMemory{}).load(); err != nil || len(got) != 0 {
		t.Errorf("without a directory: %v, %v", got, err)
	}
}

// A route that goes in clear stays there until the gateway can speak to the service
// through the mesh, and moves then without another word of the catalog.
func TestMeshLearnsToMoveOnceAble(t *testing.T) {
	a, m := newTestMesh()
	m.moved = make(chan struct{}, 1)
	able := false
	m.able = func(service string) bool {
		if service != "web" {
			t.Errorf("asked whether it can speak to %q", service)
		}
		return able
	}
	m.takeAgain(a) // before the catalog has said anything
	m.take(a, snapshot(map[string][]string{"web": {"up"}, "web@mesh": nil}))
	<-m.moved // into the clear
	m.take(a, snapshot(map[string][]string{"web": {"up"}, "web@mesh": {"up"}}))
	m.takeAgain(a)
	goes := func() string {
		return m.way(&config.Config{}, &config.Route{Service: "web", Mesh: config.MeshAuto}).pool
	}
	if pool, before := goes(), a.ways.Load(); pool != "web" || len(m.moved) > 0 || before != 1 {
		t.Errorf("without an identity: it goes to %q, %d changes", pool, before)
	}
	able = true
	m.takeAgain(a)
	<-m.moved
	if pool, now := goes(), a.ways.Load(); pool != "web@mesh" || now != 2 {
		t.Errorf("with an identity: it goes to %q, %d changes", pool, now)
	}
	m.takeAgain(a)
	if len(m.moved) > 0 {
		t.Error("it has moved twice")
	}
}
