//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// A replay of a gateway's log, against the policies that it had, refuses what the
// gateway refused. The log has milliseconds and the gateway nanoseconds: a request
// is decided on up to a millisecond earlier than it was, so that one in each
// interval between two units of the limit may be decided otherwise.
func TestSimulateAsRecorded(t *testing.T) {
	t.Parallel()
	policies := `
limit "fixed_window" "per_day" {
  limit  = 40
  window = "24h"
  key    = [request.header["User-Agent"]]
}
limit "token_bucket" "steady" {
  rate  = "20/s"
  burst = 30
  key   = []
}
route "counted" {
  path_prefix = "/counted"
  service     = "orders"
  limits      = ["per_day"]
}
route "steady" {
  path_prefix = "/steady"
  service     = "orders"
  limits      = ["steady"]
}
`
	d := newDoor(t, "", policies, nil)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	statuses := map[string]map[int]int{"/counted/x": {}, "/steady/x": {}}
	for i := range 400 {
		for path, got := range statuses {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL(path), nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("User-Agent", fmt.Sprintf("agent/%d", i%3))
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			got[response.StatusCode]++
		}
	}
	d.Stop() // and all is in the log
	r := harness.RunLictor(t, nil, "simulate", "-json", "-policy", filepath.Join(d.files, "routes.hcl"), "-log", filepath.Join(d.Dir, "access.log"))
	if r.Code != 0 {
		t.Fatalf("lictor simulate ended with %d: %s", r.Code, r.Stderr)
	}
	var report struct {
		Requests, Denied int
		Recorded         int `json:"recorded_429"`
		From, To         string
		Limits           []struct {
			Name     string
			Requests int
			Denied   int
		}
	}
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		t.Fatal(err)
	}
	counted, steady := statuses["/counted/x"][429], statuses["/steady/x"][429]
	if report.Requests != 800 || report.Recorded != counted+steady || counted == 0 || counted == 400 {
		t.Fatalf("%d requests, %d recorded as refused, of %v", report.Requests, report.Recorded, statuses)
	}
	for _, l := range report.Limits {
		want, off := counted, 0
		if l.Name == "steady" {
			want, off = steady, 2
		}
		if l.Requests != 400 || l.Denied < want-off || l.Denied > want+off {
			t.Errorf("%s: %d of %d refused, the gateway refused %d (and may differ by %d)", l.Name, l.Denied, l.Requests, want, off)
		}
	}
}
