//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// The gateway registers itself, passes while it is ready, and is gone from the
// catalog once it has ended.
func TestRegistersItself(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 1, harness.Options{Policies: ordersRoute, ConsulBlock: `
  service {
    name = "edge"
    tags = ["public"]
  }
`})
	type entry struct {
		Service struct {
			Port int
			Tags []string
		}
	}
	listed := func(want int) func() error {
		return func() error {
			var entries []entry
			if err := w.consul.Get(t.Context(), "/v1/health/service/edge?passing", &entries); err != nil {
				return err
			}
			if len(entries) != want {
				return fmt.Errorf("the catalog lists %d", len(entries))
			}
			for _, e := range entries {
				if !strings.HasSuffix(w.gateway.Public, fmt.Sprintf(":%d", e.Service.Port)) || len(e.Service.Tags) != 1 {
					return fmt.Errorf("it is listed as %+v", e)
				}
			}
			return nil
		}
	}
	harness.Within(t, harness.Patience, "the gateway is listed as passing", listed(1))
	if code := w.gateway.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	harness.Within(t, harness.Patience, "the gateway is gone from the catalog", listed(0))
}
