//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// ordersRoute sends everything below /orders to the service of that name.
const ordersRoute = `
route "orders" {
  path_prefix = "/orders"
  service     = "orders"
}
`

// world is the usual setting: Consul, instances of orders registered with it, and
// a gateway.
type world struct {
	consul  *harness.Consul
	orders  []*harness.Instance
	gateway *harness.Gateway
}

// newWorld runs n instances of orders and a gateway with these policies.
func newWorld(t *testing.T, n int, policies string) world {
	t.Helper()
	return newWorldWith(t, n, harness.Options{Policies: policies})
}

func newWorldWith(t *testing.T, n int, o harness.Options) world {
	t.Helper()
	w := world{consul: harness.StartConsul(t), orders: harness.StartInstances(t, "orders", n)}
	w.consul.Register(w.orders...)
	w.consul.Lists("orders", n)
	o.Consul = w.consul.Address()
	w.gateway = harness.StartGateway(t, o)
	return w
}

// shares sends requests one after another and counts which instance answered.
func shares(g *harness.Gateway, path string, requests int) (map[string]int, error) {
	got := map[string]int{}
	for range requests {
		a, err := g.Try(http.MethodGet, path, nil)
		if err != nil {
			return nil, err
		}
		if a.Status != http.StatusOK {
			return nil, fmt.Errorf("status %d: %s", a.Status, a.Body)
		}
		got[a.Instance()]++
	}
	return got, nil
}

// onlyBy checks that just these instances answer.
func onlyBy(g *harness.Gateway, path string, instances ...*harness.Instance) func() error {
	return func() error {
		got, err := shares(g, path, 2*len(instances)+2)
		if err != nil {
			return err
		}
		wrong := len(got) != len(instances)
		for _, i := range instances {
			wrong = wrong || got[i.ID] == 0
		}
		if wrong {
			return fmt.Errorf("answered by %v", got)
		}
		return nil
	}
}

// refused checks that the gateway itself answers with that status and problem.
func refused(g *harness.Gateway, path string, status int, problem string) func() error {
	return func() error {
		a, err := g.Try(http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		if a.Status != status {
			return fmt.Errorf("status %d from %q: %s", a.Status, a.Instance(), a.Body)
		}
		if !contains(a.Body, problemType(problem)) {
			return fmt.Errorf("no %s in %s", problem, a.Body)
		}
		return nil
	}
}

func problemType(kind string) string { return "urn:lictor:problem:" + kind }

// gate holds requests at their instance until it is opened.
type gate struct {
	arrived chan string // instance ids
	open    chan struct{}
	opening sync.Once
}

// newGate has the instances hold every request for the path.
func newGate(t *testing.T, path string, instances ...*harness.Instance) *gate {
	g := &gate{arrived: make(chan string, 1024), open: make(chan struct{})}
	for _, i := range instances {
		i.Handle(path, func(w http.ResponseWriter, r *http.Request) {
			g.arrived <- i.ID
			select {
			case <-g.open:
				w.WriteHeader(http.StatusOK)
			case <-r.Context().Done():
			}
		})
	}
	t.Cleanup(g.Open)
	return g
}

// Open lets all held and later requests pass.
func (g *gate) Open() { g.opening.Do(func() { close(g.open) }) }

// next returns where the next request arrived.
func (g *gate) next(t *testing.T) string {
	t.Helper()
	var id string
	harness.Within(t, harness.Patience, "a request arrives", func() error {
		select {
		case id = <-g.arrived:
			return nil
		default:
			return errors.New("none yet")
		}
	})
	return id
}

// hold sends n requests, each once the one before has arrived, and returns how
// many each instance holds. The answers come through the channel once the gate
// opens.
func (g *gate) hold(t *testing.T, gateway *harness.Gateway, path string, n int) (map[string]int, <-chan harness.Answer) {
	t.Helper()
	held := map[string]int{}
	answers := make(chan harness.Answer, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			a, err := gateway.Try(http.MethodGet, path, nil)
			if err != nil {
				a.Body = []byte(err.Error())
			}
			answers <- a
		})
		held[g.next(t)]++
	}
	t.Cleanup(func() {
		g.Open()
		wg.Wait()
	})
	return held, answers
}

func contains(body []byte, text string) bool { return strings.Contains(string(body), text) }
