//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// Without Consul the gateway serves what its configuration names.
func TestStaticServices(t *testing.T) {
	t.Parallel()
	legacy := harness.StartInstances(t, "legacy", 2)
	var failing atomic.Bool
	legacy[0].Handle("/health", func(w http.ResponseWriter, _ *http.Request) {
		if failing.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	gateway := harness.StartGateway(t, harness.Options{
		Config: fmt.Sprintf(`
service "legacy" {
  instance {
    address = %q
    port    = %d
  }
  instance {
    address = %q
    port    = %d
  }
  check {
    http            = "/health"
    interval        = "1s"
    timeout         = "500ms"
    healthy_after   = 1
    unhealthy_after = 1
  }
}
`, legacy[0].Host, legacy[0].Port, legacy[1].Host, legacy[1].Port),
		Policies: `
route "legacy" {
  path_prefix = "/"
  service     = "legacy"
}
`,
	})
	harness.Within(t, harness.Patience, "both instances serve", onlyBy(gateway, "/", legacy...))
	failing.Store(true)
	harness.Within(t, harness.Patience, "an instance that fails its ping is out", onlyBy(gateway, "/", legacy[1]))
	failing.Store(false)
	harness.Within(t, harness.Patience, "it is back once it answers", onlyBy(gateway, "/", legacy...))
}
