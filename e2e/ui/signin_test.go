//go:build e2e

package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/lictor/lictor/e2e/harness"
)

// alone returns the configuration and the policies of a gateway that needs no Consul.
func alone(t *testing.T) harness.Options {
	t.Helper()
	i := harness.StartInstance(t, "orders", "orders-1")
	return harness.Options{
		Policies: "route \"orders\" {\n  path_prefix = \"/orders\"\n  service = \"orders\"\n}\n",
		Config:   fmt.Sprintf("service \"orders\" {\n  instance {\n    address = %q\n    port = %d\n  }\n}\n", i.Host, i.Port),
	}
}

// TestSignIn: a wrong token is refused, the right one lets in, and nothing of it is
// left where a script could find it.
func TestSignIn(t *testing.T) {
	const token = "correct horse battery staple"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := alone(t)
	o.Admin, o.HealthPath = fmt.Sprintf("  token_file = %q", file), "/ui/sign-in"
	g := harness.StartGateway(t, o)
	p := open(t, g.Admin)
	p.expected = append(p.expected, "status of 403")
	if at := p.location(); at != "/ui/sign-in" {
		t.Fatalf("at %s", at)
	}
	if kind := of[string](p, `document.activeElement.id + " " + document.activeElement.type`); kind != "token password" {
		t.Errorf("the focus is on %s", kind)
	}
	p.picture("signin")
	p.do(chromedp.SendKeys(chromedp.CSS("#token"), "wrong\n"))
	p.says("[role=alert]", "That is not the gateway’s token.")
	if of[int](p, `document.cookie.length`) != 0 {
		t.Error("there is a cookie")
	}
	p.do(chromedp.SendKeys(chromedp.CSS("#token"), token+"\n"))
	p.says("#link", "live")
	p.says("#readiness", "ready")
	if left := of[string](p, `document.cookie + JSON.stringify({...localStorage, ...sessionStorage}) + document.documentElement.outerHTML.match(/staple/)`); left != "{}null" {
		t.Errorf("left over: %s", left)
	}
	p.view("explain")
	p.do(chromedp.SendKeys(chromedp.CSS("#x-url"), "/orders/1"), chromedp.Click(chromedp.CSS("form.explain button")))
	p.says(".outcome.ok", "Reaches")
	p.do(chromedp.Click(chromedp.CSS(`form[action="/ui/sign-out"] button`)))
	p.shows("the form is back", `document.querySelector("#token")`)
	p.do(chromedp.Navigate(p.base + "/ui/"))
	if at := p.location(); at != "/ui/sign-in" {
		t.Errorf("signed out, and at %s", at)
	}
}

// TestGoneGateway: what was known stays, and it is said that it is old.
func TestGoneGateway(t *testing.T) {
	g := harness.StartGateway(t, alone(t))
	p := open(t, g.Admin)
	p.expected = append(p.expected, "net::ERR_")
	p.says("#link", "live")
	g.Stop()
	p.says("#link", "no connection")
	p.says("tbody th b", "orders") // what was known is still shown
}
