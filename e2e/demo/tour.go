package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// tour lists what to try, in an order that tells a story.
func (d *demo) tour() []line {
	public := "http://" + d.public
	lictor := func(says string, contains []string, name string) line {
		args := []string{name}
		if d.admin != "127.0.0.1:9980" { // the default
			args = append(args, "-address", d.admin)
		}
		return command(says, contains, d.options.lictor, args...)
	}
	settling := func(l line) line {
		l.settles = true
		return l
	}
	first := d.samples[0] // orders-1
	orders := request{url: public + "/orders/42?delay=300ms", times: 6, together: true}

	return []line{
		settling(curl("A request to a service that Consul lists", request{url: public + "/orders/42"},
			each(status(http.StatusOK), field("X-Instance", "orders-"), field("X-Request-Id", ""), body(`"service": "orders"`)))),
		curl("A route may cover a host", request{url: public + "/any/path", host: "web.localhost"},
			each(status(http.StatusOK), field("X-Instance", "web-"))),
		settling(curl("Least connections: six slow requests at once, two for each of the three instances", orders,
			shared(map[string]int{"orders-1": 2, "orders-2": 2, "orders-3": 2}))),
		curl("A limit: five at once, then one a second; the prefix /users stays at the gateway",
			request{url: public + "/users/7", times: 8}, limited),
		settling(curl("What a refused client is told: when to come back, the policy, what is left",
			request{url: public + "/users/7"},
			each(status(http.StatusTooManyRequests), field("Retry-After", ""), field("RateLimit-Policy", "handful"), field("RateLimit", ""), body("quota-exceeded")))),
		lictor("How the limits stand", []string{"handful", "flood"}, "limits"),
		curl("An API that no route names is refused", request{url: public + "/nothing/here"}, problem(http.StatusNotFound, "no-route")),
		curl("So is a method that the route does not take", request{method: http.MethodDelete, url: public + "/orders/42"}, problem(http.StatusMethodNotAllowed, "method-not-allowed")),
		curl("A route to a service that nobody has registered", request{url: public + "/billing/1"}, problem(http.StatusServiceUnavailable, "service-not-registered")),
		lictor("The routes", []string{"orders", "users", "web", "billing"}, "routes"),
		lictor("The services and their instances", []string{"orders-1", "orders-2", "orders-3", "users-1", "web-2"}, "services"),
		curl("Turn an instance critical (this asks the instance itself)",
			request{method: http.MethodPost, url: "http://" + first.address + "/_control/fail"}, each(status(http.StatusOK))),
		settling(lictor("Within a second of Consul's next check it is out", []string{"orders-1", "critical"}, "services")),
		settling(curl("and no request reaches it: three for each of the two that are left", orders,
			shared(map[string]int{"orders-2": 3, "orders-3": 3}))),
		curl("Let it come back",
			request{method: http.MethodPost, url: "http://" + first.address + "/_control/ok"}, each(status(http.StatusOK))),
		settling(curl("and it takes its share again", orders,
			shared(map[string]int{"orders-1": 2, "orders-2": 2, "orders-3": 2}))),
	}
}

// wants checks one answer.
type wants func(answer) error

// each says that every answer meets all wants.
func each(all ...wants) func([]answer) error {
	return func(answers []answer) error {
		for _, a := range answers {
			for _, want := range all {
				if err := want(a); err != nil {
					return fmt.Errorf("%w; the answer was %d %v %s", err, a.status, a.header, a.body)
				}
			}
		}
		return nil
	}
}

func status(code int) wants {
	return func(a answer) error {
		if a.status != code {
			return fmt.Errorf("status %d instead of %d", a.status, code)
		}
		return nil
	}
}

// field wants the named field to be there and to contain a text, which may be empty.
func field(name, contains string) wants {
	return func(a answer) error {
		value := a.header.Get(name)
		if value == "" {
			return fmt.Errorf("no field %s", name)
		}
		if !strings.Contains(value, contains) {
			return fmt.Errorf("%s is %q, without %q", name, value, contains)
		}
		return nil
	}
}

func body(contains string) wants {
	return func(a answer) error {
		if !strings.Contains(a.body, contains) {
			return fmt.Errorf("no %q in the body", contains)
		}
		return nil
	}
}

func problem(code int, kind string) func([]answer) error {
	return each(status(code), field("Content-Type", "application/problem+json"), body("urn:lictor:problem:"+kind))
}

// shared wants each instance to have answered that often.
func shared(want map[string]int) func([]answer) error {
	return func(answers []answer) error {
		got := map[string]int{}
		for _, a := range answers {
			if a.status != http.StatusOK {
				return fmt.Errorf("status %d: %s", a.status, a.body)
			}
			got[a.header.Get("X-Instance")]++
		}
		for instance, n := range want {
			if got[instance] != n {
				return fmt.Errorf("shared as %v instead of %v", got, want)
			}
		}
		return nil
	}
}

// limited wants the first answer to pass and one beyond the burst to be refused.
func limited(answers []answer) error {
	var codes []int
	for _, a := range answers {
		codes = append(codes, a.status)
	}
	if codes[0] != http.StatusOK || !slices.Contains(codes[5:], http.StatusTooManyRequests) {
		return fmt.Errorf("statuses %v: the first must pass and one beyond the fifth be refused", codes)
	}
	return nil
}
