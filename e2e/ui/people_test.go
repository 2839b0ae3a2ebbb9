//go:build e2e

package ui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/lictor/lictor/e2e/harness"
)

var allViews = []string{"traffic", "services", "limits", "answers", "unknown", "explain", "status"}

// inUse returns a gateway that has something to show in every view.
func inUse(t *testing.T) *harness.Gateway {
	t.Helper()
	o := alone(t)
	o.Policies += `
limit "token_bucket" "per_client" {
  rate  = "6/m"
  burst = 5
}
route "limited" {
  path_prefix = "/limited"
  service     = "orders"
  limits      = ["per_client"]
}
route "billing-and-a-rather-long-name-of-a-route" {
  hosts       = ["a-long-name.of-some-department.internal.example.com"]
  path_prefix = "/billing/with/a/path/that/goes/on/and/on"
  service     = "billing"
}
`
	g := harness.StartGateway(t, o)
	for range 9 {
		g.Get("/orders/1")
		g.Get("/limited")
		g.Get("/oders/a-rather-long-path-that-nobody-offers/and/that/goes/on/and/on/for/ever")
	}
	g.Get("/billing/with/a/path/that/goes/on/and/on", "Host: a-long-name.of-some-department.internal.example.com")
	return g
}

// contrast finds texts that are hard to read: less than 4.5 to 1 against what is
// behind them, 3 to 1 for large ones (WCAG 2.2, 1.4.3).
const contrast = `(() => {
  const rgb = (s) => { const c = document.createElement("canvas").getContext("2d", { willReadFrequently: true }); c.fillStyle = s; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => { const f = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const behind = (n) => { for (; n; n = n.parentElement) { const c = rgb(getComputedStyle(n).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255]; };
  const bad = [], known = new Map();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const n = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !n.checkVisibility() || n.closest(".away, .skip, noscript, script")) continue;
    const s = getComputedStyle(n), key = s.color + n.tagName + n.className + s.fontSize;
    if (known.has(key)) continue;
    known.set(key, 1);
    const a = light(rgb(s.color)), b = light(behind(n)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(s.fontSize) >= 24 || (parseFloat(s.fontSize) >= 18.6 && s.fontWeight >= 600);
    if (ratio < (large ? 3 : 4.5)) bad.push(n.tagName + "." + n.className + " " + ratio.toFixed(2) + " " + walk.currentNode.textContent.trim().slice(0, 40));
  }
  return bad.join("\n");
})()`

// wide names what makes the page scroll sideways.
const wide = `(() => {
  const most = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= most) return "";
  return [...document.querySelectorAll("main *")].filter((n) => n.getBoundingClientRect().right > most + 1).map((n) => n.tagName + "." + n.className).join(" ") || "something";
})()`

// TestLooks: every view is readable in light and dark, and on a phone of 360 pixels.
func TestLooks(t *testing.T) {
	g := inUse(t)
	p := open(t, g.Admin)
	p.says("#link", "live")
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"desk", 1280, 900}, {"phone", 360, 740}} {
		p.do(chromedp.EmulateViewport(size.width, size.height))
		for _, theme := range []string{"light", "dark"} {
			p.theme(theme)
			for _, view := range allViews {
				p.view(view)
				if view == "explain" {
					p.do(chromedp.SendKeys(chromedp.CSS("#x-url"), "/limited/1"), chromedp.SendKeys(chromedp.CSS("#x-headers"), "X-Long: value"), chromedp.Click(chromedp.CSS("form.explain button")))
					p.says(".outcome", "e") // whatever it is
				}
				p.settle()
				if bad := of[string](p, contrast); bad != "" {
					t.Errorf("%s, %s, %s: hard to read:\n%s", view, theme, size.name, bad)
				}
				if bad := of[string](p, wide); bad != "" {
					t.Errorf("%s, %s, %s: too wide: %s", view, theme, size.name, bad)
				}
				p.picture(strings.Join([]string{"looks", view, size.name, theme}, "-"))
			}
		}
	}
	background := `getComputedStyle(document.body).backgroundColor`
	dark := of[string](p, background)
	p.do(chromedp.Click(chromedp.CSS("#theme")))
	p.says("#theme", "Theme: light")
	if got := of[string](p, background); got == dark {
		t.Errorf("chosen light, and still %s", got)
	}
	p.do(chromedp.Reload())
	p.says("#theme", "Theme: light")
	if got := of[string](p, background); got == dark {
		t.Errorf("forgotten: %s", got)
	}
}

// TestKeyboardAndScreenReader: all is reached by the keyboard, in the order of the
// page, with the focus to be seen, and has a name.
func TestKeyboardAndScreenReader(t *testing.T) {
	g := inUse(t)
	p := open(t, g.Admin)
	p.says("#link", "live")
	p.says("tbody th b", "orders")
	focused := func() string {
		return of[string](p, `(() => { const n = document.activeElement; return n === document.body ? "BODY" : (n.id || n.className?.baseVal || n.getAttribute("href") || n.innerText || n.tagName).slice(0, 40); })()`)
	}
	// The first stop leads past everything.
	p.do(chromedp.KeyEvent(kb.Tab))
	if got := focused(); got != "#main" {
		t.Errorf("the first stop is %s", got)
	}
	p.do(chromedp.KeyEvent(kb.Enter))
	p.shows("the content has the focus", `document.activeElement.id === "main"`)
	p.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur(); document.querySelector(".skip").focus()`))
	var stops []string
	for range 40 {
		p.do(chromedp.KeyEvent(kb.Tab))
		stop := focused()
		if stop == "BODY" || len(stops) > 0 && stop == stops[0] {
			break
		}
		stops = append(stops, stop)
		if !of[bool](p, `(() => { const n = document.activeElement, s = getComputedStyle(n); return n.matches(":focus-visible") && parseFloat(s.outlineWidth) >= 2 && s.outlineStyle !== "none" && n.getBoundingClientRect().width > 0; })()`) {
			t.Errorf("the focus on %s can't be seen", stop)
		}
	}
	if got, want := strings.Join(stops[:min(len(stops), 16)], " "),
		"readiness pause theme #traffic #services #limits #answers #unknown #explain #status chart chart route-filter Route Requests Errors"; !strings.HasPrefix(got, want) {
		t.Errorf("the order is %s\nwant %s", got, want)
	}
	// A chart is read by the arrow keys.
	p.do(chromedp.Focus(chromedp.CSS("figure.large svg")), chromedp.KeyEvent(kb.ArrowLeft))
	p.shows("the chart is read out", `/^\d.*: requests .*\/s · 4xx/.test(document.querySelector("figure.large .reading").innerText)`)
	// A view is opened by the keyboard, and the focus follows.
	p.do(chromedp.Focus(chromedp.CSS(`nav a[href="#services"]`)), chromedp.KeyEvent(kb.Enter))
	p.shows("the content has the focus", `document.activeElement.id === "main" && document.title.startsWith("Services")`)
	p.do(chromedp.Focus(chromedp.CSS(".services > details > summary")), chromedp.KeyEvent(kb.Enter))
	p.shows("a service folds", `!document.querySelector(".services > details").open`)
	p.do(chromedp.Focus(chromedp.CSS("#pause")), chromedp.KeyEvent(" "))
	p.shows("the page is paused", `document.querySelector("#pause").getAttribute("aria-pressed") === "true" && document.querySelector("#pause").innerText === "Resume"`)
	p.do(chromedp.KeyEvent(" "))

	for _, view := range allViews {
		p.view(view)
		p.settle()
		tree, err := chromedp.Call(p.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		if err != nil {
			t.Fatal(err)
		}
		roles := map[string]int{}
		for _, n := range tree.Nodes {
			if n.Ignored || n.Role == nil {
				continue
			}
			role, name := strings.Trim(string(n.Role.Value), `"`), ""
			if n.Name != nil {
				name = strings.Trim(string(n.Name.Value), `"`)
			}
			roles[role]++
			switch role {
			case "button", "link", "textbox", "searchbox", "combobox", "checkbox", "image", "img", "table", "figure", "navigation", "DisclosureTriangle", "columnheader":
				if strings.TrimSpace(name) == "" && role != "figure" {
					t.Errorf("%s: a %s without a name", view, role)
				}
			}
		}
		for _, role := range []string{"banner", "navigation", "main", "contentinfo", "heading"} {
			if roles[role] == 0 {
				t.Errorf("%s: there is no %s: %v", view, role, fmt.Sprint(roles))
			}
		}
	}
}
