//go:build e2e

package ui

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/lictor/lictor/e2e/harness"
)

const policies = `
limit "token_bucket" "per_client" {
  rate  = "6/m"
  burst = 5
  key   = [client.ip]
}
route "orders" {
  path_prefix = "/orders"
  methods     = ["GET", "POST"]
  service     = "orders"
}
route "limited" {
  path_prefix = "/limited"
  service     = "orders"
  limits      = ["per_client"]
}
route "billing" {
  path_prefix = "/billing"
  service     = "billing"
}
`

// TestEveryViewIsLive goes through all views of a gateway at work.
func TestEveryViewIsLive(t *testing.T) {
	consul, orders := harness.StartConsul(t), harness.StartInstances(t, "orders", 3)
	consul.Register(orders...)
	consul.Lists("orders", len(orders))
	g := harness.StartGateway(t, harness.Options{Consul: consul.Address(), Policies: policies})
	load := harness.Load{URL: g.URL("/orders/42"), Workers: 4, Every: 20 * time.Millisecond}.Start(t)
	some := func() { // of all that can go wrong
		g.Get("/billing/1")
		g.Get("/oders/17?token=hush")
		for range 8 {
			g.Get("/limited")
		}
		g.Get("/%3Cimg%20src=x%20onerror=window.pwned=1%3E'onclick='window.pwned=1")
	}
	some()
	p := open(t, g.Admin)

	p.says("#link", "live")
	p.says("#readiness", "ready")
	p.says("tbody th b", "orders")
	p.shows("requests are counted", `[...document.querySelectorAll("table.routes tbody tr")].some((r) => r.querySelector("b")?.innerText === "orders" && parseFloat(r.querySelector("td.num").innerText) > 20)`)
	p.shows("the chart has something", `document.querySelector("figure.large path.area.calm").getAttribute("d").length > 40`)
	p.shows("so has the route's", `[...document.querySelectorAll("table.routes tbody tr")].some((r) => r.querySelector("b")?.innerText === "orders" && r.querySelector("path.area.calm").getAttribute("d").length > 40)`)
	p.shows("the median is known", `/ms$/.test([...document.querySelectorAll(".tile")].find((x) => x.innerText.includes("Median")).querySelector("b").innerText)`)

	p.view("services")
	p.says(".services summary", "3 of 3 open")
	p.says(".services summary", "not registered")
	consul.Report(orders[0], "critical")
	p.says(".services summary", "2 of 3 open")
	p.shows("why the instance gets none", `[...document.querySelectorAll("table.instances tr")].some((r) => r.innerText.includes("orders-1") && r.querySelector(".pill.bad")?.innerText === "critical")`)
	p.says(".changes", "orders-1 of orders: passing → critical")
	p.says("#said", "orders-1 of orders is critical")
	consul.Report(orders[0], "passing")
	p.says(".services summary", "3 of 3 open")
	consul.Deregister(orders[2])
	p.says(".services summary", "2 of 2 open")
	p.do(chromedp.SendKeys(chromedp.CSS("#service-filter"), "orders-2"))
	p.shows("the filter leaves one", `document.querySelectorAll(".services > details").length === 1`)

	p.view("limits")
	p.says("article.card", "per_client")
	for range 8 {
		g.Get("/limited")
	}
	p.shows("denials are drawn", `document.querySelector("article.card path.area.bad").getAttribute("d").length > 20`)
	p.shows("the key with the least left is a digest", `/^[0-9a-f]{16}$/.test(document.querySelector("article.card tbody code")?.textContent)`)

	p.view("answers")
	some()
	for _, text := range []string{"no-route", "quota-exceeded", "limit per_client", "service-not-registered", "/oders/17", "/%3Cimg%20src=x%20onerror=window.pwned=1%3E'onclick='window.pwned=1"} {
		p.says("table.answers tbody tr", text)
	}
	p.shows("no query is shown", `!document.body.innerText.includes("hush") && !document.body.innerText.includes("127.0.0.1,")`)
	p.do(chromedp.SetValue(chromedp.CSS("#kind"), "quota-exceeded"), chromedp.Evaluate[chromedp.Void](`document.querySelector("#kind").dispatchEvent(new Event("change"))`))
	p.shows("only one kind is left", `[...document.querySelectorAll("table.answers tbody tr")].every((r) => r.innerText.includes("quota-exceeded"))`)

	p.view("unknown")
	p.says("table.unknown tbody tr", "/oders/{n}")
	p.shows("the nearest route", `[...document.querySelectorAll("table.unknown tbody tr")].some((r) => r.innerText.includes("/oders/{n}") && r.innerText.includes("orders is for paths from /orders on"))`)

	p.view("explain")
	p.do(chromedp.SendKeys(chromedp.CSS("#x-url"), g.URL("/orders/1")), chromedp.Click(chromedp.CSS("form.explain button")))
	p.says(".outcome.ok", "Reaches")
	p.says(".tree", "by least_conn")
	p.do(chromedp.SetValue(chromedp.CSS("#x-url"), "/<script>window.pwned=1</script>"), chromedp.SendKeys(chromedp.CSS("#x-token"), "secret-token"), chromedp.Click(chromedp.CSS("form.explain button")))
	p.says(".outcome.bad", "404")
	p.shows("the token is gone", `document.querySelector("#x-token").value === "" && document.querySelector("#x-token").type === "password"`)
	p.shows("and kept nowhere", `!JSON.stringify({...localStorage, ...sessionStorage}).includes("secret") && !document.body.innerHTML.includes("secret-token")`)
	p.expected = append(p.expected, "status of 400")
	p.do(chromedp.SetValue(chromedp.CSS("#x-from"), "nowhere"), chromedp.Click(chromedp.CSS("form.explain button")))
	p.says("[role=alert]", `From: "nowhere" is no address.`)

	g.WritePolicies(policies + "route \"broken\" {\n}\n")
	if r := g.Run("reload"); r.Code == 0 {
		t.Error("a broken policy was taken")
	}
	p.view("status")
	p.says("main p.bad", "Refused, the configuration before stays")
	p.says("pre", `route "broken"`)
	g.WritePolicies(policies)
	g.Reload()
	p.says("main p", "generation 2 serves")
	p.says("footer", "generation 2")

	hostile(p, consul, orders[1])
	if of[bool](p, `window.pwned !== undefined || document.querySelector("main img, main script, main b b") !== null`) {
		t.Error("what a client sent was taken for HTML")
	}
	if err := load.Finish().Err(); err != nil {
		t.Error(err)
	}
}

// hostile has whoever can reach Consul or the gateway try to be HTML: by what a
// service registers, by what a check puts out, and by what the stream could hold.
func hostile(p *page, consul *harness.Consul, i *harness.Instance) {
	p.t.Helper()
	const text = "<img src=x onerror=window.pwned=1><script>window.pwned=1</script>"
	r := i.Registration()
	r.Tags = []string{text}
	consul.RegisterAs(r)
	if err := consul.Put(p.t.Context(), "/v1/agent/check/update/"+i.CheckID(), map[string]string{"Status": "critical", "Output": text}, nil); err != nil {
		p.t.Fatal(err)
	}
	p.view("services")
	p.says("table.instances td:last-child", text)
	p.says("table.instances th .muted", text)
	p.view("explain")
	p.do(chromedp.SendKeys(chromedp.CSS("#x-url"), "/orders/1"), chromedp.Click(chromedp.CSS("form.explain button")))
	p.says(".tree", text)
	of[chromedp.Void](p, fmt.Sprintf(`import("/ui/static/store.js").then((m) => { const text = %q;
		m.state.answers.unshift({ n: 1e9, time: text, status: text, problem: text, method: text, host: text, path: text, route: text, id: text, client: text, limit: text, cause: text });
		m.state.unknown = { requests: 1, paths: [{ host: text, path: text, methods: [text], requests: 1, callers: 1, top_callers: [{ caller: text, requests: text }], last: text, nearest: { route: text, why: text } }] };
		m.state.gateway = { ...m.state.gateway, node: text, reasons: [text], warnings: [text], load: { ok: false, time: text, diagnostics: text, notes: [text] } };
		m.state.limits.set(text, { algorithm: text, key: text, routes: [text], mode: text, scope: text, keys: 1, max_keys: 1, quota: 1, window_ms: 1 });
		m.state.routes.set(text, { hosts: text, path: text, service: text, at: text }); })`, text))
	for _, view := range []string{"answers", "unknown", "status", "limits", "traffic"} {
		p.view(view)
		p.says("main", text)
	}
}

// TestManyServices shows 200 services with ten instances each.
func TestManyServices(t *testing.T) {
	const services, instances = 200, 10
	config, policies := "", ""
	for s := range services {
		config += fmt.Sprintf("service \"service-%03d\" {\n", s)
		for i := range instances {
			config += fmt.Sprintf("  instance {\n    address = \"127.0.%d.%d\"\n    port = 1\n  }\n", 1+s/25, 1+s%25*instances+i)
		}
		config += "}\n"
		policies += fmt.Sprintf("route \"route-%03d\" {\n  path_prefix = \"/%03d\"\n  service = \"service-%03d\"\n}\n", s, s, s)
	}
	g := harness.StartGateway(t, harness.Options{Config: config, Policies: policies})
	p := open(t, g.Admin)
	p.says("#link", "live")
	p.shows("all routes are there", `document.querySelectorAll("table.routes tbody tr").length >= 200`)
	p.view("services")
	p.says("main p", "200 services, 2000 of 2000 instances open")
	p.do(chromedp.Click(chromedp.CSS(".services > details:nth-child(3) > summary")))
	p.shows("a service opens", `document.querySelectorAll(".services > details:nth-child(3) tbody tr").length === 10`)
	// Nobody listens there: each request benches instances.
	if a := g.Get("/007"); a.Status != http.StatusBadGateway {
		t.Errorf("%d", a.Status)
	}
	p.says(".changes", "of service-007")
	p.do(chromedp.SendKeys(chromedp.CSS("#service-filter"), "service-007"))
	p.shows("the filter leaves one", `document.querySelectorAll(".services > details").length === 1`)
	// How long the page is busy, and how much it is sent, is told and not judged: this
	// machine may be busy itself.
	p.view("traffic")
	busy := of[float64](p, `(() => { const o = new PerformanceObserver((l) => { for (const e of l.getEntries()) window.longest = Math.max(window.longest ?? 0, e.duration); }); o.observe({ entryTypes: ["longtask"] }); return 0; })()`)
	for range 3 {
		p.settle()
	}
	busy += of[float64](p, "window.longest ?? 0")
	t.Logf("longest task %.0f ms; %.0f KiB of stream, %d nodes", busy,
		of[float64](p, `performance.getEntriesByType("resource").filter((e) => e.name.endsWith("/ui/events")).reduce((n, e) => n + e.transferSize, 0) / 1024`), of[int](p, `document.querySelectorAll("*").length`))
	p.picture("many")
}
