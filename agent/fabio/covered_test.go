package fabio

import (
	"testing"

	"github.com/lictor/lictor/agent/config"
)

func TestCovered(t *testing.T) {
	policies := []config.Route{
		{Name: "orders", PathPrefix: "/orders"},
		{Name: "beta", PathPrefix: "/beta", Headers: map[string]string{"x-beta": "1"}},
		{Name: "hosted", Hosts: []string{"a.example.com"}},
		{Name: "exact", Path: "/exact"},
		{Name: "get", PathPrefix: "/get", Methods: []string{"GET"}},
		{Name: "tagged", PathPrefix: "/tagged", Last: true},
	}
	for _, c := range []struct {
		route Route
		want  string
	}{
		{Route{PathPrefix: "/orders"}, "orders"},
		{Route{PathPrefix: "/orders/deeper", Host: "b.example.com"}, "orders"},
		{Route{PathPrefix: "/order"}, ""},
		{Route{}, ""},
		{Route{PathPrefix: "/beta"}, ""},
		{Route{PathPrefix: "/x", Host: "a.example.com"}, "hosted"},
		{Route{PathPrefix: "/x", Host: "*.example.com"}, ""},
		{Route{PathPrefix: "/exact"}, ""},
		{Route{PathPrefix: "/get"}, "get"},
		{Route{PathPrefix: "/tagged"}, ""},
		{Route{PathRegex: "/orders.*"}, ""},
	} {
		if got := Covered(&c.route, policies); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.route, got, c.want)
		}
	}
}
