package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/lictor/lictor/agent"
)

func runUnknown(e env, args []string) int {
	return show(e, "unknown", "/v1/unknown", args, func(v *agent.UnknownReport) []*grid {
		t := newGrid(keys{1, 2}, "REQUESTS", "HOST", "PATH", "METHODS", "CALLERS", "LAST", "NEAREST ROUTE", "WHY NOT")
		for _, p := range v.Paths {
			route, why := "-", "-"
			if n := p.Nearest; n != nil {
				route, why = n.Route, n.Why
			}
			t.row(requestsOf(&p), cmp.Or(p.Host, "-"), p.Path, strings.Join(p.Methods, ","), fmt.Sprintf("~%d", p.Callers), p.Last.Local().Format(time.DateTime), route, why)
		}
		return []*grid{t}
	})
}

// requestsOf says how many requests there were, and when that is not certain.
func requestsOf(p *agent.UnknownPath) string {
	if p.Over > 0 {
		return fmt.Sprintf("%d-%d", p.Requests-p.Over, p.Requests)
	}
	return fmt.Sprint(p.Requests)
}
