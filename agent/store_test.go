package agent

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy/step/limit"
)

// sharedLimit is a limit of two requests whose budgets are in a store.
func sharedLimit(name, onStoreError string) string {
	return fmt.Sprintf("limit \"token_bucket\" %q {\n  rate = \"1/h\"\n  burst = 2\n  scope = \"shared\"\n  on_store_error = %q\n}\n", name, onStoreError)
}

// A store that has never answered stops nobody: each limit goes on as it says,
// over a reload too.
func TestStoreIsAway(t *testing.T) {
	t.Parallel()
	web := says(t, "web")
	text := fmt.Sprintf("store \"redis\" {\n  address = %q\n}\n", nobody(t)) + service("web", web)
	limited := func(name string) string {
		return fmt.Sprintf("route %q {\n  path = \"/%s\"\n  service = \"web\"\n  limits = [%q]\n}\n", name, name, name)
	}
	text += sharedLimit("share", "share") + sharedLimit("open", "open") + sharedLimit("closed", "closed") +
		limited("share") + limited("open") + limited("closed")
	g := start(t, text).awaitReady()
	eventually(t, "the instance answers", func() bool { return g.get("/open").status == 200 })
	if n := g.spend("/share"); n != 2 {
		t.Errorf("%d requests passed, want 2", n)
	}
	for range 5 {
		if a := g.get("/open"); a.status != 200 {
			t.Errorf("open: %d", a.status)
		}
		if a := g.get("/closed"); a.status != 503 || !strings.Contains(a.body, "problem:overloaded") {
			t.Errorf("closed: %d %s", a.status, a.body)
		}
	}
	var answer struct {
		Store  StoreInfo
		Limits []LimitInfo
	}
	if err := json.Unmarshal([]byte(g.api("GET", "/v1/limits").body), &answer); err != nil {
		t.Fatal(err)
	}
	if s := answer.Store; s.Answers || s.Calls == 0 || s.Failed == 0 {
		t.Errorf("the store: %+v", s)
	}
	for _, l := range answer.Limits {
		if l.Scope != limit.Shared.String() || l.StoreError == 0 || l.Allowed+l.Denied > 0 {
			t.Errorf("%+v", l)
		}
	}
	// What was granted without the store stays granted.
	if report := g.accept(strings.Replace(text, "burst = 2", "burst = 3", 1)); len(report.Notes) > 0 {
		t.Errorf("the report is %+v", report)
	}
	if n := g.spend("/share"); n != 1 {
		t.Errorf("%d more requests passed after 2 became 3", n)
	}
	report := g.accept(strings.Replace(text, "address =", "timeout = \"10ms\"\n  address =", 1))
	if len(report.Notes) != 1 || report.Notes[0] != "restart needed: store changed" {
		t.Errorf("the report is %+v", report)
	}
}

// A store's files are looked at when the gateway starts.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	empty := t.TempDir() + "/empty"
	write(t, empty, "\n")
	for attribute, want := range map[string]string{
		`password_file = "missing"`:              "store password: open ",
		`salt_file = "missing"`:                  "store salt: open ",
		fmt.Sprintf("password_file = %q", empty): "is empty",
	} {
		_, err := build(t, "store \"redis\" {\n  address = \"127.0.0.1:1\"\n  "+attribute+"\n}\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: New returned %v, want %q in it", attribute, err, want)
		}
	}
}
