package connect

import (
	"slices"
	"testing"

	"github.com/hashicorp/consul/api"
)

// excluding decides as Consul has Envoy decide, which knows no order: of the
// permissions whose action is not the default's, each holds for what it is about
// and none before it is about; one that holds turns the default around.
func excluding(list []*api.IntentionPermission, byDefault bool, about func(*api.IntentionPermission) bool) bool {
	for i, p := range list {
		if (p.Action == api.IntentionActionAllow) == byDefault || !about(p) {
			continue
		}
		alone := true
		for _, before := range list[:i] {
			alone = alone && !about(before)
		}
		if alone {
			return !byDefault
		}
	}
	return byDefault
}

// TestOrder goes through all lists of up to four permissions, which overlap, and
// has all requests judged in order, and as Envoy would.
func TestOrder(t *testing.T) {
	paths := []string{"/", "/a", "/a/b", "/c"}
	var one []*api.IntentionPermission
	for _, prefix := range paths {
		for _, action := range []api.IntentionAction{api.IntentionActionAllow, api.IntentionActionDeny} {
			one = append(one, &api.IntentionPermission{Action: action, HTTP: &api.IntentionHTTPPermission{PathPrefix: prefix}})
		}
	}
	n := 0
	var lists func(list []*api.IntentionPermission)
	lists = func(list []*api.IntentionPermission) {
		if len(list) > 0 {
			x := allow("shop", 9)
			x.Action, x.Permissions = "", list
			for _, byDefault := range []bool{true, false} {
				judged := newRules([]*api.Intention{x}).judge(byDefault, nil)[0].judged
				for _, path := range paths {
					n++
					_, err := judged.judge(&lent{path: []byte(path)})
					got := err == nil
					want := excluding(list, byDefault, func(p *api.IntentionPermission) bool {
						return p.HTTP.PathPrefix == "/" || path == p.HTTP.PathPrefix || path == "/a/b" && p.HTTP.PathPrefix == "/a"
					})
					if got != want {
						t.Fatalf("%s of %s, default %t: %t", path, said(list...), byDefault, got)
					}
				}
			}
		}
		if len(list) == 4 {
			return
		}
		for _, p := range one {
			lists(append(slices.Clip(list), p))
		}
	}
	lists(nil)
	if n != 8*(8+8*8+8*8*8+8*8*8*8) {
		t.Errorf("%d requests were judged", n)
	}
}
