package agent

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
)

// free returns an address that was free a moment ago. Another test or program may
// take it at any time, so who wants to have it is undisturbed.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// undisturbed tries what others may disturb by taking a port just then. It can't
// go wrong every time, unless the gateway is to blame.
func undisturbed(t *testing.T, try func() error) {
	t.Helper()
	var err error
	for range 20 {
		if err = try(); err == nil {
			return
		}
	}
	t.Error(err)
}

// isFree returns an error when the address can't be listened on.
func isFree(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("the failed start has left its listener open: %w", err)
	}
	return l.Close()
}

func listenerAt(name, address string) string {
	return fmt.Sprintf("listener %q {\n  address = %q\n}\n", name, address)
}

func adminAt(address string, lines ...string) string {
	return fmt.Sprintf("admin {\n  address = %q\n  %s\n}\n", address, strings.Join(lines, "\n  "))
}

// A second gateway on the same addresses is told which of them is taken, all of
// them at once, and leaves none of the others open.
func TestNewOnTakenAddresses(t *testing.T) {
	t.Parallel()
	g := start(t, "")
	taken, admin := g.address().String(), g.admin.addr.String()
	undisturbed(t, func() error {
		other := free(t)
		_, err := build(t, listenerAt("open", other)+listenerAt("public", taken)+adminAt(admin)+
			"telemetry {\n  statsd_address = \"127.0.0.1:9\"\n  dogstatsd_addr = \"127.0.0.1:9\"\n}\n")
		if err == nil {
			t.Fatal("two gateways on one address")
		}
		for _, want := range []string{
			fmt.Sprintf("listener \"public\": listen tcp %s: bind: address already in use", taken),
			fmt.Sprintf("admin listener: listen tcp %s: bind: address already in use", admin),
		} {
			if !strings.Contains(err.Error(), want) {
				return fmt.Errorf("%q is not in %w", want, err)
			}
		}
		return isFree(other)
	})
}

// Whatever makes New fail, the addresses are free afterwards.
func TestNewFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"diagnostics", "route \"a\" {\n  service = \"a\"\n  limits = [\"none\"]\n}\n", `"none"`},
		{"access log", "access_log {\n  path = \"missing/access.log\"\n}\n", "opening the access log: open "},
		{"admin token", adminAt("127.0.0.1:0", `token_file = "missing"`), "admin token: open "},
		{"keys", "jwt \"main\" {\n  json_web_key_set {\n    local {\n      filename = \"missing.json\"\n    }\n  }\n}\n", `jwt provider "main"`},
		{"consul", "consul {\n  token_file = \"missing\"\n}\n", "opening the catalog consul"},
		{"dogstatsd", "telemetry {\n  dogstatsd_addr = \"no-such-host.invalid:8125\"\n}\n", "dogstatsd: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			undisturbed(t, func() error {
				address := free(t)
				_, err := build(t, listenerAt("public", address)+test.text)
				if err == nil {
					t.Fatalf("New returned no error, want %q in it", test.want)
				}
				if !strings.Contains(err.Error(), test.want) {
					return fmt.Errorf("New returned %w, want %q in it", err, test.want)
				}
				if _, ok := errors.AsType[*DiagnosticsError](err); ok != (test.name == "diagnostics") {
					return fmt.Errorf("the error is %T: %w", err, err)
				}
				return isFree(address)
			})
		})
	}
}

// An empty token would let everybody in.
func TestEmptyAdminToken(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/token"
	write(t, file, " \n")
	if _, err := build(t, adminAt("127.0.0.1:0", fmt.Sprintf("token_file = %q", file))); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("New returned %v", err)
	}
}

// A listener that breaks ends the gateway with an error.
func TestRunEndsWhenAListenerBreaks(t *testing.T) {
	t.Parallel()
	g := start(t, "").awaitReady()
	g.servers[0].ln.Close()
	g.await()
	if g.err == nil || !strings.Contains(g.err.Error(), `listener "public": `) {
		t.Errorf("Run returned %v", g.err)
	}
}

// The gateway is never an instance of its own services: a request would go round
// for ever.
func TestOwnAddressIsNoInstance(t *testing.T) {
	t.Parallel()
	public := listenerAt("public", "0.0.0.0:0")
	g := start(t, public).awaitReady()
	self := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), g.address().Port())
	g.accept(public + service("self", self) + route("self", "/", "self"))
	eventually(t, "the service is known", func() bool {
		a := ask(t, "GET", "http://"+self.String()+"/")
		if a.status != 503 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return strings.Contains(a.body, "no-healthy-instance")
	})
	if s := g.api("GET", "/v1/services").body; !strings.Contains(s, "the gateway") {
		t.Errorf("the reason is not shown: %s", s)
	}
}

// Nothing that Run started is left when it has returned. The test runs alone,
// for goroutines have no owner that could be asked. (DogStatsD's client is left
// out: of its two goroutines its Close ends one.)
func TestRunLeavesNothingBehind(t *testing.T) {
	one := says(t, "one")
	consul := newFakeConsul(t)
	consul.set("web", one.String())
	before := goroutines()
	g, err := build(t, consul.block("service {\n    name = \"edge\"\n  }")+service("s", one)+route("s", "/s", "s")+route("web", "/web", "web")+
		"telemetry {\n  statsd_address = \"127.0.0.1:9\"\n}\npolicies {\n  watch = true\n}\naccess_log {\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	g.run().awaitReady()
	for _, path := range []string{"/s", "/web", "/none"} {
		g.get(path)
	}
	g.api("GET", "/v1/services")
	eventually(t, "it is registered", func() bool { return consul.state() == "passing" })
	g.stop()
	g.await()
	consul.hangUp() // its client keeps an idle connection for a while
	left := func() []string { return ours(goroutines(), before) }
	defer func() {
		if t.Failed() {
			t.Errorf("there are %q", left())
		}
	}()
	eventually(t, "every goroutine has ended", func() bool { return len(left()) == 0 })
}

// goroutines counts the stacks of all goroutines by what began them.
func goroutines() map[string]int {
	b := make([]byte, 4<<20)
	b = b[:runtime.Stack(b, true)]
	all := map[string]int{}
	for stack := range strings.SplitSeq(string(b), "\n\n") {
		_, by, _ := strings.Cut(stack, "created by ")
		by, _, _ = strings.Cut(by, " in goroutine")
		all[by]++
	}
	return all
}

// ours lists what there is more of than before.
func ours(now, before map[string]int) []string {
	var out []string
	for by, n := range now {
		if n > before[by] && !strings.Contains(by, "httptest") && !strings.Contains(by, "net/http.(*Server)") {
			out = append(out, fmt.Sprintf("%d of %s", n-before[by], by))
		}
	}
	return out
}
