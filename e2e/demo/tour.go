package main

import (
	"net/http"
	"time"
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
	orders := request{url: public + "/orders/42?delay=300ms", times: 6, shows: instances}
	account := request{url: public + "/account", token: d.token}
	paced := func(path string) request {
		return request{url: public + path, times: 15, every: 200 * time.Millisecond}
	}

	return []line{
		settling(curl("A request to a service that Consul lists", request{url: public + "/orders/42"},
			each(status(http.StatusOK), field("X-Instance", "orders-"), field("X-Request-Id", ""), body(`"service": "orders"`)))),
		curl("A route may cover a host", request{url: public + "/any/path", host: "web.localhost"},
			each(status(http.StatusOK), field("X-Instance", "web-"))),
		curl("or take its prefix off: the service sees /7", request{url: public + "/users/7"},
			each(status(http.StatusOK), body(`"path": "/7"`))),
		settling(curl("Least connections: six slow requests at once, two for each of the three instances", orders,
			shared(map[string]int{"orders-1": 2, "orders-2": 2, "orders-3": 2}))),

		curl("An API that no route names is refused", request{url: public + "/nothing/here"}, problem(http.StatusNotFound, "no-route")),
		curl("So is a method that the route does not take", request{method: http.MethodDelete, url: public + "/orders/42"}, problem(http.StatusMethodNotAllowed, "method-not-allowed")),
		curl("A route to a service that nobody has registered", request{url: public + "/billing/1"}, problem(http.StatusServiceUnavailable, "service-not-registered")),
		curl("A route that asks for a token", request{url: public + "/account"}, problem(http.StatusUnauthorized, "token-missing")),
		defining("TOKEN", d.token, curl("and gets one: the service is told the user, and not the token", account,
			each(status(http.StatusOK), body(`"X-User"`), body(`"ada"`), lacks("Authorization")))),
		curl("The user has three requests an hour, of which one is spent", request{url: account.url, token: d.token, times: 4}, passed(2)),
		curl("What a refused client is told: when to come back, the policy, what is left", account,
			each(status(http.StatusTooManyRequests), field("Retry-After", ""), field("RateLimit-Policy", "per_user"), field("RateLimit", "r=0"), body("quota-exceeded"))),

		curl("Token bucket, two a second: a burst of four, then one each half second", paced("/limited/tokens"), bucket(2, 4)),
		curl("Leaky bucket with a queue, two a second: six are spaced out, the others refused",
			request{url: public + "/limited/queue", times: 8, shows: delays}, queued(6, 2)),
		curl("Fixed window, four in two seconds: four at once after each edge", paced("/limited/fixed"), windows(4, 2*time.Second)),
		curl("Sliding window, four in two seconds: they come back one by one", paced("/limited/sliding"), bucket(2, 4)),
		lictor("How the limits stand", []string{"tokens", "queue", "fixed", "sliding", "per_user", "flood"}, "limits"),

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
