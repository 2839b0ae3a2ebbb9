package http3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
)

// TestShutdown: what is in flight ends, then the connection is closed; nobody else is
// let in.
func TestShutdown(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	g := startGateway(t, nil, startInstance(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-release
		}
		_, _ = io.WriteString(w, "fine")
	}))
	busy, idle := dial(t, g.addr), dial(t, g.addr)
	if status := idle.ask("GET", "/"); status != 200 {
		t.Fatal(status)
	}
	s := busy.send("GET", "/slow")
	await(t, "the request", arrived)
	ended := make(chan error, 1)
	go func() { ended <- g.server.Shutdown(t.Context()) }()
	await(t, "the idle connection to end", idle.quic.Context().Done())
	if resp, err := newClient(t, nil).Do(newRequest(t, "GET", g.url+"/", nil)); err == nil {
		resp.Body.Close()
		t.Errorf("a new client got %s", resp.Status)
	}
	if busy.quic.Context().Err() != nil {
		t.Error("the connection with a request in flight was closed")
	}
	close(release)
	if status := busy.answer(s); status != 200 {
		t.Errorf("in flight: %d", status)
	}
	if err := await(t, "Shutdown to return", ended); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	await(t, "the other connection to end", busy.quic.Context().Done())
}

// TestShutdownInVain ends with its context, and Close with everything.
func TestShutdownInVain(t *testing.T) {
	arrived := make(chan struct{})
	g := startGateway(t, nil, startInstance(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	v := dial(t, g.addr)
	v.send("GET", "/slow")
	await(t, "the request", arrived)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.server.Shutdown(ctx) }()
	cancel()
	if err := await(t, "Shutdown to return", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := g.server.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	await(t, "the connection to end", v.quic.Context().Done())
}
