package consul

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/catalog"
)

var testRules = rules{
	here: place{Node: "here", Datacenter: "dc1"},
	own:  func(ap netip.AddrPort) bool { return ap == netip.MustParseAddrPort("10.0.0.1:9980") },
}

func TestInstance(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(e *api.ServiceEntry)
		want func(in *catalog.Instance) // the difference from the plain one
		// why is part of the reason for not being eligible.
		why string
	}{
		{name: "plain", edit: func(*api.ServiceEntry) {}},
		{
			name: "own address", edit: func(e *api.ServiceEntry) { e.Service.Address = "10.9.9.9" },
			want: func(in *catalog.Instance) { in.Address = "10.9.9.9" },
		},
		{
			name: "IPv6", edit: func(e *api.ServiceEntry) { e.Service.Address = "2001:db8::5" },
			want: func(in *catalog.Instance) { in.Address = "2001:db8::5" },
		},
		{
			name: "IPv6 in brackets", edit: func(e *api.ServiceEntry) { e.Service.Address = "[2001:db8::5]" },
			want: func(in *catalog.Instance) { in.Address = "2001:db8::5" },
		},
		{
			name: "host name", edit: func(e *api.ServiceEntry) { e.Service.Address = "web.example.com" },
			want: func(in *catalog.Instance) { in.Address = "web.example.com" },
		},
		{name: "tags and meta", edit: func(e *api.ServiceEntry) {
			e.Service.Tags, e.Service.Meta = []string{"a"}, map[string]string{"k": "v"}
		}, want: func(in *catalog.Instance) { in.Tags, in.Meta = []string{"a"}, map[string]string{"k": "v"} }},
		{name: "protocol", edit: func(e *api.ServiceEntry) {
			e.Service.Meta = map[string]string{"protocol": "grpc"}
		}, want: func(in *catalog.Instance) {
			in.Protocol, in.Meta = catalog.GRPC, map[string]string{"protocol": "grpc"}
		}},
		{name: "protocol for us alone", edit: func(e *api.ServiceEntry) {
			e.Service.Meta = map[string]string{"protocol": "tcp", "lictor-protocol": "http2"}
		}, want: func(in *catalog.Instance) {
			in.Protocol, in.Meta = catalog.HTTP2, map[string]string{"protocol": "tcp", "lictor-protocol": "http2"}
		}},
		{name: "no protocol of HTTP", edit: func(e *api.ServiceEntry) {
			e.Service.Meta = map[string]string{"protocol": "tcp", "lictor-protocol": "HTTP2"}
		}, want: func(in *catalog.Instance) { in.Meta = map[string]string{"protocol": "tcp", "lictor-protocol": "HTTP2"} }},
		{
			name: "weights", edit: func(e *api.ServiceEntry) { e.Service.Weights = api.AgentWeights{Passing: 7, Warning: 2} },
			want: func(in *catalog.Instance) { in.Weight = 7 },
		},
		{name: "no weights", edit: func(e *api.ServiceEntry) { e.Service.Weights = api.AgentWeights{} }},
		{
			name: "weights out of bounds", edit: func(e *api.ServiceEntry) { e.Service.Weights = api.AgentWeights{Passing: 1 << 40} },
			want: func(in *catalog.Instance) { in.Weight = maxWeight },
		},
		{name: "warning", edit: func(e *api.ServiceEntry) {
			e.Service.Weights = api.AgentWeights{Passing: 7, Warning: 2}
			e.Checks[1].Status = api.HealthWarning
		}, want: func(in *catalog.Instance) {
			in.Weight, in.Health, in.Output = 2, catalog.Warning, "service:x:0"
		}},
		{name: "warning of weight 0", edit: func(e *api.ServiceEntry) {
			e.Service.Weights = api.AgentWeights{Passing: 7}
			e.Checks[1].Status = api.HealthWarning
		}, want: func(in *catalog.Instance) {
			in.Weight, in.Health, in.Output = 0, catalog.Warning, "service:x:0"
		}, why: "weight while warning is 0"},
		{name: "critical, with output", edit: func(e *api.ServiceEntry) {
			e.Checks[1].Status, e.Checks[1].Name, e.Checks[1].Output = api.HealthCritical, "ping", " refused\n"
		}, want: func(in *catalog.Instance) { in.Health, in.Output = catalog.Critical, "ping: refused" }, why: "critical"},
		{
			name: "its node is critical", edit: func(e *api.ServiceEntry) { e.Checks[0].Status = api.HealthCritical },
			want: func(in *catalog.Instance) { in.Health, in.Output = catalog.Critical, "serfHealth" }, why: "critical",
		},
		{
			name: "a state nobody knows", edit: func(e *api.ServiceEntry) { e.Checks[1].Status = "odd" },
			want: func(in *catalog.Instance) { in.Health, in.Output = catalog.Critical, "service:x:0" }, why: "critical",
		},
		{name: "no checks at all", edit: func(e *api.ServiceEntry) { e.Checks = nil }},
		{name: "a check that is null", edit: func(e *api.ServiceEntry) { e.Checks = append(e.Checks, nil) }},
		{name: "maintenance of the service", edit: func(e *api.ServiceEntry) {
			e.Checks = append(e.Checks, &api.HealthCheck{CheckID: api.ServiceMaintPrefix + "x", ServiceID: "x", Status: api.HealthCritical, Notes: "upgrade"})
		}, want: func(in *catalog.Instance) {
			in.Health, in.Output = catalog.Maintenance, "_service_maintenance:x: upgrade"
		}, why: "maintenance"},
		{name: "maintenance of the node", edit: func(e *api.ServiceEntry) {
			e.Checks = append(e.Checks, &api.HealthCheck{CheckID: api.NodeMaint, Status: api.HealthCritical})
		}, want: func(in *catalog.Instance) { in.Health, in.Output = catalog.Maintenance, "_node_maintenance" }, why: "maintenance"},
		{
			name: "port 0", edit: func(e *api.ServiceEntry) { e.Service.Port = 0 },
			want: func(in *catalog.Instance) { in.Port = 0 }, why: "no port",
		},
		{
			name: "port 70000", edit: func(e *api.ServiceEntry) { e.Service.Port = 70000 },
			want: func(in *catalog.Instance) { in.Port = 70000 }, why: "no valid port",
		},
		{
			name: "no address", edit: func(e *api.ServiceEntry) { e.Node.Address = "" },
			want: func(in *catalog.Instance) { in.Address = "" }, why: "no address",
		},
		{
			name: "the gateway itself", edit: func(e *api.ServiceEntry) { e.Service.Port = 9980 },
			want: func(in *catalog.Instance) { in.Port = 9980 }, why: "gateway's own",
		},
		{name: "the gateway itself, mapped", edit: func(e *api.ServiceEntry) {
			e.Service.Address, e.Service.Port = "::ffff:10.0.0.1", 9980
		}, want: func(in *catalog.Instance) { in.Address, in.Port = "::ffff:10.0.0.1", 9980 }, why: "gateway's own"},
		{
			name: "link-local", edit: func(e *api.ServiceEntry) { e.Service.Address = "169.254.169.254" },
			want: func(in *catalog.Instance) { in.Address = "169.254.169.254" }, why: "link-local",
		},
		{
			name: "unspecified", edit: func(e *api.ServiceEntry) { e.Service.Address = "0.0.0.0" },
			want: func(in *catalog.Instance) { in.Address = "0.0.0.0" }, why: "unspecified",
		},
		{
			name: "loopback elsewhere", edit: func(e *api.ServiceEntry) { e.Service.Address = "127.0.0.1" },
			want: func(in *catalog.Instance) { in.Address = "127.0.0.1" }, why: "loopback",
		},
		{
			name: "loopback here", edit: func(e *api.ServiceEntry) { e.Node.Node, e.Node.Address = "here", "127.0.0.1" },
			want: func(in *catalog.Instance) {
				in.Address, in.Local, in.Node, in.Key = "127.0.0.1", true, "here", "here/x"
			},
		},
		{name: "loopback on a namesake in another datacenter", edit: func(e *api.ServiceEntry) {
			e.Node.Node, e.Node.Address, e.Node.Datacenter = "here", "127.0.0.1", "dc2"
		}, want: func(in *catalog.Instance) {
			in.Address, in.Node, in.Key = "127.0.0.1", "here", "here/x"
		}, why: "loopback"},
		{
			name: "socket elsewhere", edit: func(e *api.ServiceEntry) { e.Service.SocketPath, e.Service.Port = "/run/web.sock", 0 },
			want: func(in *catalog.Instance) { in.Socket, in.Port = "/run/web.sock", 0 }, why: "another node",
		},
		{name: "socket here", edit: func(e *api.ServiceEntry) {
			e.Node.Node, e.Service.SocketPath, e.Service.Port = "here", "/run/web.sock", 0
		}, want: func(in *catalog.Instance) {
			in.Socket, in.Port, in.Local, in.Node, in.Key = "/run/web.sock", 0, true, "here", "here/x"
		}},
		{name: "socket with a relative path", edit: func(e *api.ServiceEntry) {
			e.Node.Node, e.Service.SocketPath, e.Service.Port = "here", "web.sock", 0
		}, want: func(in *catalog.Instance) {
			in.Socket, in.Port, in.Local, in.Node, in.Key = "web.sock", 0, true, "here", "here/x"
		}, why: "absolute"},
		{name: "named ports", edit: func(e *api.ServiceEntry) {
			e.Service.Port = 0
			e.Service.Ports = api.ServicePorts{{Name: "http", Port: 81, Default: true}, {Name: "admin", Port: 9980}, {Name: "bad", Port: -1}, {Name: "grpc", Port: 82}}
		}, want: func(in *catalog.Instance) { in.Port, in.Ports = 81, map[string]int{"http": 81, "grpc": 82} }},
		{name: "critical at a refused address: the address is told", edit: func(e *api.ServiceEntry) {
			e.Service.Address, e.Checks[0].Status = "224.0.0.1", api.HealthCritical
		}, want: func(in *catalog.Instance) {
			in.Address, in.Health, in.Output = "224.0.0.1", catalog.Critical, "serfHealth"
		}, why: "multicast"},
	} {
		e := entry("x", api.HealthPassing)
		c.edit(e)
		got := testRules.instances([]*api.ServiceEntry{e})
		if len(got) != 1 {
			t.Errorf("%s: %d instances", c.name, len(got))
			continue
		}
		in := got[0]
		if (in.Ineligible == "") != (c.why == "") || !strings.Contains(in.Ineligible, c.why) {
			t.Errorf("%s: not eligible because %q, want %q", c.name, in.Ineligible, c.why)
		}
		want := catalog.Instance{Key: "n1/x", Node: "n1", ID: "x", Address: "10.0.0.1", Port: 8080, Weight: 1}
		if c.want != nil {
			c.want(&want)
		}
		want.Ineligible = in.Ineligible
		if !reflect.DeepEqual(in, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, in, want)
		}
	}
}

func TestInstancesAreSortedAndComplete(t *testing.T) {
	a, b, c := entry("b"), entry("a"), entry("a")
	c.Node = &api.Node{Node: "n0", Address: "10.0.0.2"}
	noNode, noService := entry("z"), entry("z")
	noNode.Node, noService.Service = nil, nil
	var keys []string
	for _, in := range testRules.instances([]*api.ServiceEntry{a, nil, noNode, b, noService, c, a}) {
		keys = append(keys, in.Key)
	}
	if got := strings.Join(keys, " "); got != "n0/a n1/a n1/b" {
		t.Errorf("keys %q: one ID on two nodes is two instances, and one key is one", got)
	}
}

func TestInstanceWithoutACheckOfItsOwn(t *testing.T) {
	r := testRules
	r.checked = true
	got := r.instances([]*api.ServiceEntry{entry("bare"), entry("checked", api.HealthPassing)})
	if got[0].Eligible() || !strings.Contains(got[0].Ineligible, "require_service_check") {
		t.Errorf("an instance without a check: %q", got[0].Ineligible)
	}
	if !got[1].Eligible() {
		t.Errorf("an instance with a check that passed: %q", got[1].Ineligible)
	}
}

func TestOutputIsClipped(t *testing.T) {
	_, out := health(api.HealthChecks{{CheckID: "c", Status: "critical", Output: strings.Repeat("é", maxOutput) + "\xff"}})
	if len(out) > maxOutput || len(out) < maxOutput-4 || !utf8.ValidString(out) {
		t.Errorf("output of %d bytes, valid %v", len(out), utf8.ValidString(out))
	}
}

func decode(b []byte) (e *api.ServiceEntry, err error) {
	defer rescue(&err)
	return e, json.Unmarshal(b, &e)
}

// FuzzInstance feeds what Consul might answer to the decoder and the rules.
func FuzzInstance(f *testing.F) {
	for _, e := range []*api.ServiceEntry{entry("x", api.HealthPassing), entry("y", api.HealthCritical), {}, nil} {
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, address := range []string{"127.0.0.1", "::1", "[::1]", "0x7f.1", "localhost", "::ffff:169.254.1.1", "fe80::1%eth0", "0.0.0.0", "10.0.0.1:80"} {
		f.Add([]byte(`{"Node":{"Node":"here","Address":"10.0.0.1"},"Service":{"ID":"x","Port":80,"Address":"` + address + `"},"Checks":[null]}`))
	}
	f.Add([]byte(`{"Node":{"Node":"here"},"Service":{"SocketPath":"/run/x","Ports":[{"Name":"a","Port":80,"Default":true}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode(b)
		if err != nil {
			return
		}
		list := testRules.instances([]*api.ServiceEntry{e})
		if e == nil || e.Node == nil || e.Service == nil {
			if len(list) != 0 {
				t.Fatalf("an instance of nothing: %+v", list)
			}
			return
		}
		in := list[0]
		if !in.Equal(&in) || in.Key != e.Node.Node+"/"+e.Service.ID || len(in.Output) > maxOutput {
			t.Fatalf("not a proper instance: %+v", in)
		}
		reach := catalog.Reach{Local: e.Node.Node == "here", Own: testRules.own}
		for name, port := range in.Ports {
			if why := reach.RefuseHost(in.Address, port); why != "" {
				t.Fatalf("named port %q: %s", name, why)
			}
		}
		if !in.Eligible() {
			return
		}
		if in.Weight < 1 || in.Weight > maxWeight || in.Health > catalog.Warning {
			t.Fatalf("eligible with weight %d and health %v", in.Weight, in.Health)
		}
		if in.Socket != "" {
			if e.Node.Node != "here" || !strings.HasPrefix(in.Socket, "/") {
				t.Fatalf("eligible with socket %q on node %q", in.Socket, e.Node.Node)
			}
			return
		}
		if why := reach.RefuseHost(in.Address, in.Port); why != "" {
			t.Fatalf("eligible at %q port %d: %s", in.Address, in.Port, why)
		}
		target, ok := in.Target("")
		if !ok {
			t.Fatal("eligible without a target")
		}
		if ap, err := netip.ParseAddrPort(target); err == nil && ap.Addr().Unmap().IsLoopback() && e.Node.Node != "here" {
			t.Fatalf("eligible at %s, elsewhere", target)
		}
	})
}
