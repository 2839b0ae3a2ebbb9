package proxy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/limit"
)

func readForwarded(s *setup) { s.listener.ReadForwarded = true }

func phase(list ...*limit.Limit) []proxy.Step {
	return []proxy.Step{limit.NewPhase(list, limits.NewWaiters(1))}
}

// trusted are the proxies of these tests. The peer 192.0.2.7 is one of them.
func trustedProxies(s *setup) {
	s.listener.TrustedProxies = []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48"),
	}
}

func TestClientBehindProxies(t *testing.T) {
	long := strings.TrimSuffix(strings.Repeat("10.0.0.1, ", 40), ", ")
	for _, c := range []struct {
		name, client string
		lines        []string
	}{
		{"nothing said", "192.0.2.7", nil},
		{"one client", "203.0.113.5", []string{"X-Forwarded-For: 203.0.113.5"}},
		{"forged in front", "203.0.113.5", []string{"X-Forwarded-For: 6.6.6.6, 203.0.113.5"}},
		{"forged as a proxy", "203.0.113.5", []string{"X-Forwarded-For: 10.0.0.1, 203.0.113.5"}},
		{"through two proxies", "203.0.113.5", []string{"X-Forwarded-For: 6.6.6.6, 203.0.113.5, 10.1.2.3"}},
		{"two lines", "203.0.113.5", []string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.5"}},
		{"two lines, chain", "203.0.113.5", []string{"X-Forwarded-For: 6.6.6.6, 203.0.113.5", "x-forwarded-for: 10.0.0.1"}},
		{"all trusted", "10.0.0.3", []string{"X-Forwarded-For: 10.0.0.3, 10.0.0.2, 10.0.0.1"}},
		{"IPv6", "2001:db8:9::1", []string{"X-Forwarded-For: 2001:db8:9::1"}},
		{"IPv6 proxy", "203.0.113.5", []string{"X-Forwarded-For: 203.0.113.5, 2001:db8:1::9"}},
		{"IPv6 in brackets", "2001:db8:9::1", []string{"X-Forwarded-For: [2001:db8:9::1]"}},
		{"IPv6 with a port", "2001:db8:9::1", []string{"X-Forwarded-For: [2001:db8:9::1]:4711"}},
		{"IPv6 with a zone", "fe80::1", []string{"X-Forwarded-For: fe80::1%eth0"}},
		{"mapped", "203.0.113.5", []string{"X-Forwarded-For: ::ffff:203.0.113.5"}},
		{"mapped proxy", "203.0.113.5", []string{"X-Forwarded-For: 203.0.113.5, ::ffff:10.0.0.1"}},
		{"IPv4 with a port", "203.0.113.5", []string{"X-Forwarded-For: 203.0.113.5:80"}},
		{"empty elements", "203.0.113.5", []string{"X-Forwarded-For: , 203.0.113.5 ,, ,"}},
		{"tabs", "203.0.113.5", []string{"X-Forwarded-For: \t203.0.113.5\t"}},
		{"garbage alone", "192.0.2.7", []string{"X-Forwarded-For: unknown"}},
		{"garbage behind a proxy", "10.0.0.1", []string{"X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.1"}},
		{"garbage in front of the client", "203.0.113.5", []string{"X-Forwarded-For: <script>, 203.0.113.5"}},
		{"a name", "192.0.2.7", []string{"X-Forwarded-For: localhost"}},
		{"leading zeros", "192.0.2.7", []string{"X-Forwarded-For: 010.0.0.1"}},
		{"garbage for a port", "192.0.2.7", []string{"X-Forwarded-For: 203.0.113.5:http"}},
		{"a port too long", "192.0.2.7", []string{"X-Forwarded-For: 203.0.113.5:655350"}},
		{"no port", "192.0.2.7", []string{"X-Forwarded-For: 203.0.113.5:"}},
		{"open bracket", "192.0.2.7", []string{"X-Forwarded-For: [2001:db8:9::1"}},
		{"IPv4 in brackets", "192.0.2.7", []string{"X-Forwarded-For: [203.0.113.5]"}},
		{"after the bracket", "192.0.2.7", []string{"X-Forwarded-For: [2001:db8:9::1]4711"}},
		{"endless", "10.0.0.1", []string{"X-Forwarded-For: 203.0.113.5, " + long}},
		{"the other field", "192.0.2.7", []string{"Forwarded: for=203.0.113.5"}},
		{"both fields", "203.0.113.5", []string{"Forwarded: for=6.6.6.6", "X-Forwarded-For: 203.0.113.5"}},
		{"X-Real-IP", "192.0.2.7", []string{"X-Real-IP: 203.0.113.5"}},
		{"lookalike", "192.0.2.7", []string{"X_Forwarded_For: 203.0.113.5"}},
		{"nominated away", "203.0.113.5", []string{"X-Forwarded-For: 203.0.113.5", "Connection: X-Forwarded-For"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, &memory{reply: []byte(reply)}, trustedProxies, unlimited)
			g.serve(get("/orders", c.lines...))
			if got := g.x.Client.String(); got != c.client {
				t.Errorf("the client is %s, want %s", got, c.client)
			}
			if got := g.logged()["client"]; got != c.client {
				t.Errorf("logged as %v, want %s", got, c.client)
			}
		})
	}
}

// TestUntrustedPeerIsTheClient sends what a trusted peer would be believed.
func TestUntrustedPeerIsTheClient(t *testing.T) {
	for _, peer := range []string{"198.51.100.1:1", "[2001:db8:2::1]:1", "[::ffff:198.51.100.1]:1", "[fe80::1%eth0]:1"} {
		for _, read := range []bool{false, true} {
			g := newGateway(t, &memory{reply: []byte(reply)}, trustedProxies, unlimited, func(s *setup) {
				s.peer, s.listener.ReadForwarded = peer, read
			})
			g.serve(get("/orders", "X-Forwarded-For: 203.0.113.5", "Forwarded: for=203.0.113.5", "X-Real-IP: 203.0.113.5"))
			want := netip.MustParseAddrPort(peer).Addr().Unmap().WithZone("")
			if g.x.Client != want {
				t.Errorf("%s: the client is %s", peer, g.x.Client)
			}
			if got := g.forwarded().get("X-Forwarded-For"); got != want.String() {
				t.Errorf("%s: sent as %q", peer, got)
			}
		}
	}
}

func TestRequestID(t *testing.T) {
	long := strings.Repeat("x", 128)
	for _, c := range []struct {
		name, id      string
		trusted, kept bool
	}{
		{"from a trusted peer", "Root=1-67891233-abcdef012345678912345678", true, true},
		{"from anybody", "abc", false, false},
		{"as long as may be", long, true, true},
		{"too long", long + "x", true, false},
		{"empty", "", true, false},
		{"with a space", "a b", true, false},
		{"not ASCII", "caf\xc3\xa9", true, false},
		{"control", "a\x01b", true, false},
		{"DEL", "a\x7fb", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) {
				if c.trusted {
					trustedProxies(s)
				}
			})
			g.serve(get("/orders", "X-Request-Id: "+c.id))
			id := string(g.x.RequestID())
			if (id == c.id) != c.kept {
				t.Errorf("%q became %q", c.id, id)
			}
			if len(id) == 0 || len(id) > 128 {
				t.Errorf("%q is no id", id)
			}
			if got := g.forwarded().get("X-Request-Id"); got != id {
				t.Errorf("the instance was sent %q, the id is %q", got, id)
			}
			if got := g.answered().get("X-Request-Id"); got != id {
				t.Errorf("the client was sent %q, the id is %q", got, id)
			}
			if got := g.logged()["request_id"]; got != id {
				t.Errorf("logged as %q, the id is %q", got, id)
			}
			g.serve(get("/orders"))
			if again := string(g.x.RequestID()); again == id || len(again) != 32 {
				t.Errorf("the next request's id is %q", again)
			}
		})
	}
}

// seen records the fields that a step could read.
type seen struct{ forged []string }

func (s *seen) Request(x *proxy.Exchange) bool {
	for _, name := range forgedNames {
		if v, ok := x.Request.Fields.Lookup(name); ok {
			s.forged = append(s.forged, name+": "+string(v))
		}
	}
	return true
}

var forgedNames = []string{
	"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server",
	"forwarded", "x-real-ip", "x-original-url", "x-rewrite-url", "proxy", "x-request-id", "traceparent", "tracestate",
	"x_forwarded_for", "x-forwarded_proto", "x_real_ip", "x_original_url", "x_request_id", "content_length", "transfer_encoding",
}

func forgedLines() (lines []string) {
	for _, n := range forgedNames {
		lines = append(lines, n+": 6.6.6.6")
	}
	return lines
}

// TestStepsSeeNothingForged would let in whoever a route's header condition or a
// limit's key believes.
func TestStepsSeeNothingForged(t *testing.T) {
	for _, before := range []bool{true, false} {
		s := new(seen)
		g := newGateway(t, &memory{reply: []byte(reply)}, func(c *setup) {
			if c.route.Steps = []proxy.Step{s}; before {
				c.gateway, c.route.Steps = []proxy.Step{s}, nil
			}
		})
		g.serve(get("/orders", forgedLines()...))
		if len(s.forged) > 0 {
			t.Errorf("a step saw %q", s.forged)
		}
	}
	m := &memory{reply: []byte(reply)}
	g := newGateway(t, m, func(c *setup) { c.route.Rule.Headers = map[string]string{"x-forwarded-proto": "https"} })
	if g.serve(get("/orders", "X-Forwarded-Proto: https")); m.x.Response.Status != 404 {
		t.Errorf("a forged field matched: %d", m.x.Response.Status)
	}
}

// FuzzXForwardedFor looks for texts of which the reader makes more than is there.
func FuzzXForwardedFor(f *testing.F) {
	for _, s := range []string{"203.0.113.5", "a, b", `"1.2.3.4, 5.6.7.8"`, "[::1]:80", ",,,", "1.2.3.4:", `\"`, "::ffff:10.0.0.1%x"} {
		f.Add(s, "10.0.0.1")
	}
	fuzzClient(f, "X-Forwarded-For", false)
}

func FuzzForwarded(f *testing.F) {
	for _, s := range []string{`for=203.0.113.5`, `For="[2001:db8::1]:80";proto=https`, `for="a,b`, `for=a;for=b`, `;;,=`, `for="\"`} {
		f.Add(s, "for=10.0.0.1")
	}
	fuzzClient(f, "Forwarded", true)
}

// fuzzClient holds two things of whatever one sends: an untrusted peer is the
// client, and a trusted one that adds an untrusted address at the end is
// believed, whatever stands before it.
func fuzzClient(f *testing.F, name string, read bool) {
	outside := netip.MustParseAddr("203.0.113.77")
	f.Fuzz(func(t *testing.T, first, second string) {
		if strings.ContainsAny(first+second, "\r\n") {
			return
		}
		m := &memory{reply: []byte(reply)}
		forms := func(s *setup) { s.listener.ReadForwarded = read; s.silent = true }
		open := newGateway(t, m, unlimited, forms)
		open.serve(get("/orders", name+": "+first, name+": "+second))
		if got := m.x.Client; got != open.conn.Peer.Addr() {
			t.Fatalf("an untrusted peer became %s", got)
		}
		behind := newGateway(t, m, unlimited, trustedProxies, forms)
		behind.serve(get("/orders", name+": "+first, name+": "+second))
		if !m.x.Client.IsValid() || m.x.Client.Is4In6() || m.x.Client.Zone() != "" {
			t.Fatalf("the client is %v", m.x.Client)
		}
		last := outside.String()
		if read {
			last = "for=" + last
		}
		for _, lines := range [][]string{
			{name + ": " + first + ", " + last},
			{name + ": " + first, name + ": " + second, name + ": " + last},
		} {
			behind.serve(get("/orders", lines...))
			if m.x.Client != outside {
				t.Fatalf("%q made the client %s", lines, m.x.Client)
			}
			if got := m.forwarded().get("X-Forwarded-For"); got != outside.String()+", 192.0.2.7" {
				t.Fatalf("%q was sent on as %q", lines, got)
			}
		}
	})
}

// TestClientCertFields: whether a client has shown a certificate is a proxy's to say
// (RFC 9440 section 4).
func TestClientCertFields(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		g := newGateway(t, &memory{reply: []byte(reply)}, unlimited, func(s *setup) {
			if trusted {
				trustedProxies(s)
			}
		})
		g.serve(get("/orders", "Client-Cert: :ZGVy:", "client-cert-chain: :ZGVy:", "Client_Cert: :ZGVy:"))
		want := "-"
		if trusted {
			want = ":ZGVy:"
		}
		m := g.forwarded()
		for name, want := range map[string]string{"Client-Cert": want, "Client-Cert-Chain": want, "Client_Cert": "-"} {
			if got := m.get(name); got != want {
				t.Errorf("%s by a trusted peer %t: %s, want %s", name, trusted, got, want)
			}
		}
	}
}
