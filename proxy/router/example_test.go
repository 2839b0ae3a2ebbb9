package router_test

import (
	"fmt"

	"github.com/lictor/lictor/proxy/router"
)

// The table of the package's documentation.
func Example() {
	rules := []router.Rule{
		{Name: "checkout", Hosts: []string{"shop.example.com"}, Path: "/cart/checkout", Methods: []string{"POST"}},
		{Name: "item", Hosts: []string{"shop.example.com"}, PathPattern: "/cart/{item}"},
		{Name: "beta", Hosts: []string{"*.example.com"}, PathPrefix: "/cart", Headers: map[string]string{"X-Beta": "1"}},
		{Name: "cart", Hosts: []string{"*.example.com"}, PathPrefix: "/cart"},
		{Name: "everything", PathPrefix: "/", Methods: []string{"GET"}},
	}
	r, err := router.New(rules)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, q := range []*router.Request{
		request("POST shop.example.com/cart/checkout"),
		request("GET shop.example.com/cart/checkout"),
		request("GET shop.example.com/cart/a/b"),
		request("GET eu.shop.example.com/cart", "x-beta", "1"),
		request("HEAD example.com/cart"),
		request("PUT example.com/cart"),
	} {
		fmt.Println(outcome(r, rules, q))
	}
	// Output:
	// checkout
	// item
	// cart
	// beta
	// everything
	// 405 GET, HEAD
}
