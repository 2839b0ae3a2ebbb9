//go:build e2e && unix

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/lictor/lictor/e2e/harness"
)

// browser asks by HTTP/3 and, where that can't be had, by TCP, as browsers do. It
// asks a second time only for what could not be asked by HTTP/3.
type browser struct {
	name          string
	url           string
	quic          *http3.Transport
	tcp           *http.Transport
	byQUIC, byTCP atomic.Int64
	why           sync.Map
}

func (b *browser) one(n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url, nil)
	if err != nil {
		return err
	}
	request.Header.Set(harness.IDField, fmt.Sprintf("%s-%d", b.name, n))
	by := &b.byQUIC
	response, err := b.quic.RoundTrip(request)
	if err != nil {
		by = &b.byTCP
		b.why.Store(err.Error(), true)
		response, err = b.tcp.RoundTrip(request)
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return fmt.Errorf("reading the body by %s: %w", response.Proto, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s by %s", response.Status, response.Proto)
	}
	by.Add(1)
	return nil
}

// tenMore waits until each of the browsers has had ten more answers in one way.
func tenMore(t *testing.T, what string, browsers []*browser, by func(*browser) *atomic.Int64) {
	t.Helper()
	from := make([]int64, len(browsers))
	for i, b := range browsers {
		from[i] = by(b).Load()
	}
	harness.Within(t, 2*harness.Patience, what, func() error {
		for i, b := range browsers {
			if n := by(b).Load() - from[i]; n < 10 {
				return fmt.Errorf("%d requests of %s", n, b.name)
			}
		}
		return nil
	})
}

// TestHTTP3OverUpgrades has one process after the other take over under load by
// HTTP/3. What is in flight is finished by the process that has it; until it has, new
// connections are refused and their clients come by TCP; then HTTP/3 goes on in the new
// process. No request fails, and none is served twice.
func TestHTTP3OverUpgrades(t *testing.T) {
	t.Parallel()
	counted, ledger := harness.StartInstance(t, "counted", "counted-1"), &harness.Ledger{}
	counted.Record(ledger)
	arrived, release := make(chan struct{}, 1), make(chan struct{}, 1)
	counted.Handle("/counted/slow", func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "late")
	})
	s := newSecuredWith(t, harness.Options{
		Upgradable: true, Config: staticService("counted", counted.Host, counted.Port),
		Policies: "route \"counted\" {\n  path_prefix = \"/counted\"\n  service = \"counted\"\n}\n",
	}, "http3 = true", "")
	quic, tcp := func(b *browser) *atomic.Int64 { return &b.byQUIC }, func(b *browser) *atomic.Int64 { return &b.byTCP }
	load := newPressure(t)
	var browsers []*browser
	for i := range 4 {
		b := &browser{
			name: fmt.Sprintf("browser %d", i), url: "https://" + s.Public + "/counted",
			quic: &http3.Transport{TLSClientConfig: s.config()},
			tcp:  &http.Transport{TLSClientConfig: s.config(), DisableKeepAlives: true},
		}
		t.Cleanup(func() { b.quic.Close() })
		browsers = append(browsers, b)
		load.run(b.name, b.one)
	}
	for n := range 3 {
		tenMore(t, "load by HTTP/3", browsers, quic)
		slow := make(chan error, 1)
		client := s.overQUIC(t, s.config())
		client.Timeout = 0
		go func() {
			response, err := client.Get("https://" + s.Public + "/counted/slow") //nolint:noctx // it ends with the instance
			if err == nil {
				var body []byte
				if body, err = io.ReadAll(response.Body); err == nil && string(body) != "late" {
					err = fmt.Errorf("%s %q", response.Status, body)
				}
				response.Body.Close()
			}
			slow <- err
		}()
		select {
		case <-arrived:
		case err := <-slow:
			t.Fatalf("the request that is to be in flight: %v", err)
		}
		before := s.Upgrade()
		tenMore(t, "load by TCP while the old process has a request by HTTP/3", browsers, tcp)
		release <- struct{}{}
		if err := <-slow; err != nil {
			t.Errorf("upgrade %d: the request in flight: %v", n, err)
		}
		gone(t, before)
		tenMore(t, "load by HTTP/3 again", browsers, quic)
	}
	failures, sent := load.finish()
	for _, f := range failures {
		t.Error(f)
	}
	if twice := ledger.Repeated(); len(twice) > 0 {
		t.Errorf("%d requests were served twice: %v", len(twice), twice)
	}
	var byQUIC, byTCP int64
	for _, b := range browsers {
		byQUIC, byTCP = byQUIC+b.byQUIC.Load(), byTCP+b.byTCP.Load()
		b.why.Range(func(why, _ any) bool {
			t.Logf("%s came by TCP: %v", b.name, why)
			return true
		})
	}
	t.Logf("%d requests over three upgrades, %d by HTTP/3, %d by TCP, %d failed", sent, byQUIC, byTCP, len(failures))
}
