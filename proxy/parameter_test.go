package proxy

import (
	"slices"
	"testing"
)

func TestParameter(t *testing.T) {
	for _, c := range []struct {
		query, name string
		values      []string
		left        string
	}{
		{"", "key", nil, ""},
		{"key=1", "key", []string{"1"}, ""},
		{"key", "key", []string{""}, ""},
		{"a=1&key=2&b=3", "key", []string{"2"}, "a=1&b=3"},
		{"key=1&a=2&key=3", "key", []string{"1", "3"}, "a=2"},
		{"a=1&&key=2&", "key", []string{"2"}, "a=1&&"},
		{"k%65y=1&%6B%65%79=2&Key=3&key%=4&key%3D5", "key", []string{"1", "2"}, "Key=3&key%=4&key%3D5"},
		{"keys=1&ke=2&xkey=3&=4", "key", nil, "keys=1&ke=2&xkey=3&=4"},
		{"&key=1", "key", []string{"1"}, ""},
		{"k%zzy=1&key%6=2&%6", "k%zzy", []string{"1"}, "key%6=2&%6"},
		{"key=a=b", "key", []string{"a=b"}, ""},
	} {
		r := Request{Query: []byte(c.query), HasQuery: true}
		var got []string
		for v := range r.Parameter(c.name) {
			got = append(got, string(v))
		}
		if !slices.Equal(got, c.values) {
			t.Errorf("%q: %s is %q, want %q", c.query, c.name, got, c.values)
		}
		received := r.Query
		r.DropParameter(c.name)
		if string(r.Query) != c.left {
			t.Errorf("%q without %s is %q, want %q", c.query, c.name, r.Query, c.left)
		}
		if string(received) != c.query {
			t.Errorf("%q was changed into %q", c.query, received)
		}
		if !r.HasQuery && c.left != "" {
			t.Errorf("%q: nothing is left", c.query)
		}
		for range r.Parameter(c.name) {
			t.Errorf("%q: %s is still there", c.query, c.name)
		}
	}
	r := Request{Query: []byte("a=1&b=2&key=3&c=4"), HasQuery: true}
	n := 0
	if allocs := testing.AllocsPerRun(100, func() {
		for v := range r.Parameter("key") {
			n += len(v)
		}
		r.DropParameter("other")
	}); allocs != 0 || n == 0 {
		t.Errorf("%v allocations, %d bytes", allocs, n)
	}
}

func TestOnlyParameterLeavesNoQuery(t *testing.T) {
	r := Request{Query: []byte("key=1&key=2"), HasQuery: true}
	r.DropParameter("key")
	if r.HasQuery || len(r.Query) != 0 {
		t.Errorf("%q is left", r.Query)
	}
}
