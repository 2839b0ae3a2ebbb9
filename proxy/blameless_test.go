package proxy_test

import (
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
)

// TestBlameless lets attempts fail by what is not the instance's doing: each is
// answered as told, nobody else is asked, and nobody is blamed, however often.
func TestBlameless(t *testing.T) {
	for _, c := range []struct {
		name    string
		failure proxy.ForwardError
		status  int
	}{
		{"refused", proxy.ForwardError{Cause: proxy.Refused, Answer: proxy.MeshUnavailable}, 503},
		{"broke", proxy.ForwardError{Cause: proxy.Broke, Sent: true, Answer: proxy.IntentionDenied}, 403},
		{"broke unsent", proxy.ForwardError{Cause: proxy.Broke, Answer: proxy.InstanceBroke}, 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.failure.Err = errScripted
			m := &memory{script: fails(&c.failure)}
			g := newGateway(t, m, instances(2))
			for range 20 {
				g.serve(get("/orders"))
				if g.x.Response.Status != c.status || g.x.Problem != c.failure.Answer || g.x.Retries != 0 {
					t.Fatalf("status %d, problem %v, %d retries", g.x.Response.Status, g.x.Problem, g.x.Retries)
				}
			}
			for _, st := range g.set.Describe(time.Now()) {
				if st.Requests != 20 || st.Failures.Total() != 0 || st.InFlight != 0 {
					t.Errorf("%+v", st)
				}
				for _, e := range st.Endpoints {
					if e.Streak != 0 || e.Why != "" {
						t.Errorf("an instance is blamed: %+v", e)
					}
				}
			}
		})
	}
}
