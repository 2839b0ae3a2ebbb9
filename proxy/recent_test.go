package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/proxy"
)

func TestRecentAnswers(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)}, silent)
	if got := g.proxy.RecentAnswers(0); len(got) != 0 {
		t.Fatalf("%v before anything", got)
	}
	g.serve(get("/orders")) // forwarded: not the gateway's own
	g.serve(get("/nothing?token=hush", "X-Request-Id: forged"))
	g.script = fails(slices.Repeat([]*proxy.ForwardError{failure(proxy.Refused, false, false)}, 20)...)
	g.serve(get("/orders/1?a=b"))
	got := g.proxy.RecentAnswers(0)
	if len(got) != 2 {
		t.Fatalf("%d: %+v", len(got), got)
	}
	bad, none := got[0], got[1]
	if bad.Problem != proxy.InstanceRefused || bad.Route != "orders" || bad.Path != "/orders/1" || bad.Err == "" || bad.Seq <= none.Seq {
		t.Errorf("%+v", bad)
	}
	if none.Problem != proxy.NoRoute || none.Route != "" || none.Path != "/nothing" || none.Method != "GET" || none.Err != "" || none.Limit != "" ||
		len(none.RequestID) != 32 || none.Client != bad.Client || len(none.Client) != 16 || strings.Trim(none.Client, "0123456789abcdef") != "" {
		t.Errorf("%+v", none)
	}
	if got := g.proxy.RecentAnswers(none.Seq); len(got) != 1 || got[0].Problem != proxy.InstanceRefused {
		t.Errorf("since the first: %+v", got)
	}
}

// A flood of one kind leaves the others where they are, and what is long is cut.
func TestRecentAnswersAreBounded(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)}, silent)
	g.serve(get("/%00"))
	long := "/" + strings.Repeat("x", 1000)
	for range 100 {
		g.serve(get(long))
	}
	kinds := map[string]int{}
	for _, a := range g.proxy.RecentAnswers(0) {
		kinds[a.Problem.Name]++
		if len(a.Path) > 160 {
			t.Errorf("a path of %d bytes", len(a.Path))
		}
	}
	if kinds["malformed"] != 1 || kinds["no-route"] != 16 {
		t.Errorf("%v", kinds)
	}
}

// Reading goes on while answers are made.
func TestRecentAnswersWhileServing(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)}, silent)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, a := range g.proxy.RecentAnswers(0) {
					if a.Problem != proxy.NoRoute || !strings.HasPrefix(a.Path, "/nothing") {
						t.Errorf("%+v", a)
					}
				}
			}
		})
	}
	for i := range 300 {
		g.serve(get(fmt.Sprintf("/nothing/%d", i)))
	}
	close(stop)
	wg.Wait()
	requests, missed, paths := g.proxy.Unknown.Totals()
	if requests != 300 || missed != 0 || paths != 1 {
		t.Errorf("%d requests, %d missed, %d paths", requests, missed, paths)
	}
}

func TestNearest(t *testing.T) {
	var routes []*proxy.Route
	for _, r := range []struct{ name, host, prefix, method string }{
		{"orders", "", "/orders", "GET"}, {"users", "", "/api/users", ""}, {"web", "web.example.com", "/shop", ""}, {"root", "other.example.com", "/", ""},
	} {
		route := &proxy.Route{}
		route.Rule.Name, route.Rule.PathPrefix = r.name, r.prefix
		if r.host != "" {
			route.Rule.Hosts = []string{r.host}
		}
		if r.method != "" {
			route.Rule.Methods = []string{r.method}
		}
		routes = append(routes, route)
	}
	table, err := proxy.NewTable(1, nil, routes)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ method, host, path, want string }{
		{"GET", "x.example.com", "/oders/1", "orders path"},
		{"GET", "x.example.com", "/Orders", "orders path"},
		{"GET", "x.example.com", "/api/user/7", "users path"},
		{"GET", "x.example.com", "/shop/cart", "web host"},
		{"GET", "x.example.com", "/wp-login.php", ""},
		{"GET", "", "*", ""},
		{"DELETE", "x.example.com", "/orders/1", "orders method"},
		{"GET", "x.example.com", "/orders/1", "orders "},
	} {
		got := ""
		if n := table.Nearest(test.method, test.host, test.path); n != nil {
			got = n.Route.Name() + " " + string(n.Lost)
		}
		if got != test.want {
			t.Errorf("%s %s%s: %q, want %q", test.method, test.host, test.path, got, test.want)
		}
	}
}
