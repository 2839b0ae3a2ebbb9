package grpcweb_test

import (
	"net/http"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/step/grpcweb"
	"github.com/lictor/lictor/proxy/trial"
)

// TestMediaTypes: what is a call by gRPC-Web becomes one by gRPC, and its answer one
// by gRPC-Web; nothing else changes.
func TestMediaTypes(t *testing.T) {
	var answer string
	g, err := trial.New(t.Context(), &proxy.Route{Rule: router.Rule{Name: "all", PathPrefix: "/"}, Service: "orders", Steps: []proxy.Step{grpcweb.New()}})
	if err != nil {
		t.Fatal(err)
	}
	g.Instance = func(r *proxy.Response) {
		r.Fields.AddName("Content-Type", answer)
		r.Fields.AddName("Grpc-Status", "5")
		r.Fields.AddName("Grpc-Message", "not here")
	}
	const end = "\x80\x00\x00\x00\x28grpc-status: 5\r\ngrpc-message: not here\r\n"
	for _, c := range []struct {
		method, asked, upstream  string
		answered, got, withFrame string
	}{
		{"POST", "application/grpc-web", "application/grpc", "application/grpc", "application/grpc-web", end},
		{"POST", "application/grpc-web+proto", "application/grpc+proto", "application/grpc+proto", "application/grpc-web+proto", end},
		{"POST", "Application/gRPC-Web-Text", "application/grpc", "application/grpc", "application/grpc-web-text", "gAAAAChncnBjLXN0YXR1czogNQ0KZ3JwYy1tZXNzYWdlOiBub3QgaGVyZQ0K"},
		{"POST", "application/grpc-web", "application/grpc", "text/html", "text/html", ""},
		{"POST", "application/grpc-web", "application/grpc", "application/grpc-other", "application/grpc-other", ""},
		{"GET", "application/grpc-web", "application/grpc-web", "application/grpc", "application/grpc", ""},
		{"POST", "application/grpc", "application/grpc", "application/grpc", "application/grpc", ""},
		{"POST", "application/json", "application/json", "application/json", "application/json", ""},
	} {
		answer = c.answered
		got := g.Ask(c.method, "example.com/a.Service/Call", "Content-Type: "+c.asked)
		if got.Status != http.StatusOK || got.Upstream == nil {
			t.Fatalf("%s %s: %d", c.method, c.asked, got.Status)
		}
		if got.Upstream.Header.Get("Content-Type") != c.upstream || got.Header.Get("Content-Type") != c.got || got.Body != c.withFrame {
			t.Errorf("%s %s became %q, its answer %q %q", c.method, c.asked, got.Upstream.Header["Content-Type"], got.Header["Content-Type"], got.Body)
		}
		if moved := got.Header["Grpc-Status"] == nil; moved != (c.withFrame != "") {
			t.Errorf("%s %s: the head says %v", c.method, c.asked, got.Header)
		}
	}
}

// TestOwnAnswers: what the gateway answers itself after the step is by gRPC-Web, too.
func TestOwnAnswers(t *testing.T) {
	g, err := trial.New(t.Context(), &proxy.Route{
		Rule: router.Rule{Name: "all", PathPrefix: "/"}, Service: "orders", Steps: []proxy.Step{grpcweb.New(), refuse{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := g.Ask("POST", "example.com/a.Service/Call", "Content-Type: application/grpc-web+proto")
	if got.Status != http.StatusOK || got.Header.Get("Content-Type") != "application/grpc-web" || len(got.Body) < 5 || got.Body[0] != 0x80 {
		t.Errorf("%d %v %q", got.Status, got.Header, got.Body)
	}
	if got = g.Ask("POST", "example.com/", "Content-Type: text/plain"); got.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("whoever came next got %v", got.Header)
	}
}

type refuse struct{}

func (refuse) Request(x *proxy.Exchange) bool {
	x.Answer(proxy.Overloaded, "", nil)
	return false
}
