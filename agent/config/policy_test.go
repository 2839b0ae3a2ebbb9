package config

import (
	"slices"
	"testing"

	"github.com/lictor/lictor/proxy/step/limit"
)

func TestEffectiveLimits(t *testing.T) {
	p := Policy{Gateway: []string{"g", "both"}, Defaults: []string{"d", "both", "dd"}}
	for _, c := range []struct {
		name    string
		own     []string
		inherit bool
		want    []string
	}{
		{"none", nil, true, []string{"d", "dd"}},
		{"alone", nil, false, nil},
		{"defaults first", []string{"own"}, true, []string{"d", "dd", "own"}},
		{"own alone", []string{"own"}, false, []string{"own"}},
		{"once", []string{"dd", "own", "own", "d"}, true, []string{"d", "dd", "own"}},
		{"not the gateway's again", []string{"g", "own", "both"}, false, []string{"own"}},
	} {
		got := p.EffectiveLimits(&Route{Limits: c.own, InheritLimits: c.inherit})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPolicyLimit(t *testing.T) {
	p := Policy{Limits: []limit.Spec{{Name: "a"}, {Name: "b"}}}
	if got := p.Limit("b"); got != &p.Limits[1] {
		t.Errorf("got %+v", got)
	}
	if got := p.Limit("c"); got != nil {
		t.Errorf("got %+v for a name that isn't there", got)
	}
}
