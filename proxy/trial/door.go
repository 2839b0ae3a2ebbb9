package trial

import (
	"context"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
)

// Door is a gateway with one route for everything, for steps that decide who may come
// in. It keeps the last answer.
type Door struct {
	*Gateway
	Answer
	// Query is that of all requests to come, "" for none.
	Query string

	route *proxy.Route
}

// NewDoor returns a Door with a step. Its client's connections end with ctx.
func NewDoor(ctx context.Context, step proxy.Step) (*Door, error) {
	r := &proxy.Route{
		Rule: router.Rule{Name: "orders", PathPrefix: "/"}, Service: "orders", Steps: []proxy.Step{step}, Timeout: time.Minute,
	}
	g, err := New(ctx, r)
	if err != nil {
		return nil, err
	}
	return &Door{Gateway: g, route: r}, nil
}

// Knock sends a request with these fields, "Name: value" each, and returns the status
// of the answer.
func (d *Door) Knock(fields ...string) int {
	address := "/"
	if d.Query != "" {
		address += "?" + d.Query
	}
	d.Answer = d.Ask("GET", address, fields...)
	return d.Status
}

// Seen is what the instance got of the last request: who asks, the query if there is
// one, and the fields that it may take for these. It is nil when it got nothing.
func (d *Door) Seen(names ...string) []string {
	q := d.Upstream
	if q == nil {
		return nil
	}
	seen := []string{"user=" + q.User}
	if q.HasQuery {
		seen = append(seen, "?"+q.Query)
	}
	return append(seen, q.pick(names)...)
}

// Counted is how often the step has counted each result.
func (d *Door) Counted() map[string]uint64 {
	out := map[string]uint64{}
	d.route.Metrics.EachStepResult(func(_, result string, n uint64) { out[result] = n })
	return out
}
