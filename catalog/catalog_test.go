package catalog_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/lictor/lictor/catalog"
)

// TestInstanceEqualSeesEveryField changes one field at a time, so that a field
// added later without a line in Equal is noticed.
func TestInstanceEqualSeesEveryField(t *testing.T) {
	for i := range reflect.TypeFor[catalog.Instance]().NumField() {
		var a, b catalog.Instance
		f := reflect.ValueOf(&b).Elem().Field(i)
		switch f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Int:
			f.SetInt(1)
		case reflect.Uint8:
			f.SetUint(1)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"x"}))
		case reflect.Map:
			m := reflect.MakeMap(f.Type())
			m.SetMapIndex(reflect.ValueOf("x"), reflect.New(f.Type().Elem()).Elem())
			f.Set(m)
		default:
			t.Fatalf("field %s has a kind this test does not know", reflect.TypeFor[catalog.Instance]().Field(i).Name)
		}
		if a.Equal(&b) {
			t.Errorf("Equal ignores %s", reflect.TypeFor[catalog.Instance]().Field(i).Name)
		}
		if !b.Equal(&b) {
			t.Errorf("an instance with %s differs from itself", reflect.TypeFor[catalog.Instance]().Field(i).Name)
		}
	}
}

func TestInstanceTarget(t *testing.T) {
	for _, c := range []struct {
		in   catalog.Instance
		port string
		want string
		ok   bool
	}{
		{catalog.Instance{Address: "10.0.0.1", Port: 80}, "", "10.0.0.1:80", true},
		{catalog.Instance{Address: "2001:db8::1", Port: 80}, "", "[2001:db8::1]:80", true},
		{catalog.Instance{Address: "10.0.0.1"}, "", "", false},
		{catalog.Instance{Address: "10.0.0.1", Port: 80, Ports: map[string]int{"admin": 81}}, "admin", "10.0.0.1:81", true},
		{catalog.Instance{Address: "10.0.0.1", Port: 80}, "admin", "", false},
		{catalog.Instance{Socket: "/run/web.sock"}, "", "unix:/run/web.sock", true},
		{catalog.Instance{Socket: "/run/web.sock"}, "admin", "unix:/run/web.sock", false},
	} {
		if got, ok := c.in.Target(c.port); got != c.want || ok != c.ok {
			t.Errorf("Target(%q) of %+v = %q, %v, want %q, %v", c.port, c.in, got, ok, c.want, c.ok)
		}
	}
}

func TestInstanceHasTags(t *testing.T) {
	in := catalog.Instance{Tags: []string{"a", "b"}}
	if !in.HasTags(nil) || !in.HasTags([]string{"b", "a"}) || in.HasTags([]string{"a", "c"}) {
		t.Error("HasTags must mean every one of the tags")
	}
}

func TestServiceEqualAndRegistered(t *testing.T) {
	var none *catalog.Service
	one := &catalog.Service{Name: "web", Index: 1, Instances: []catalog.Instance{{Key: "n/1"}}}
	for name, c := range map[string]struct {
		other *catalog.Service
		equal bool
	}{
		"another index":    {&catalog.Service{Name: "web", Index: 2, Instances: []catalog.Instance{{Key: "n/1"}}}, true},
		"another name":     {&catalog.Service{Name: "api", Instances: []catalog.Instance{{Key: "n/1"}}}, false},
		"another instance": {&catalog.Service{Name: "web", Instances: []catalog.Instance{{Key: "n/2"}}}, false},
		"fewer":            {&catalog.Service{Name: "web"}, false},
		"stale":            {&catalog.Service{Name: "web", Stale: true, Instances: []catalog.Instance{{Key: "n/1"}}}, false},
		"nil":              {nil, false},
	} {
		if one.Equal(c.other) != c.equal || c.other.Equal(one) != c.equal {
			t.Errorf("%s: Equal is not %v both ways", name, c.equal)
		}
	}
	if !none.Equal(nil) || none.Registered() || (&catalog.Service{}).Registered() || !one.Registered() {
		t.Error("nil services are equal, and a service without instances is not registered")
	}
}

func TestSnapshotCopies(t *testing.T) {
	empty := &catalog.Snapshot{Source: "test"}
	a := empty.With(&catalog.Service{Name: "a"})
	b := a.With(&catalog.Service{Name: "b"})
	c := b.Without("a")
	if len(empty.Services) != 0 || len(a.Services) != 1 || len(b.Services) != 2 || len(c.Services) != 1 {
		t.Fatalf("sizes %d %d %d %d, want 0 1 2 1: an older snapshot was written to",
			len(empty.Services), len(a.Services), len(b.Services), len(c.Services))
	}
	if c.Services["b"] == nil || c.Source != "test" {
		t.Error("Without lost another service or the source")
	}
}

func TestFeedLatestWins(t *testing.T) {
	var f catalog.Feed
	for range 3 {
		f.Publish(&catalog.Snapshot{Source: "old"})
	}
	f.Publish(&catalog.Snapshot{Source: "new"})
	got, err := f.Next(t.Context())
	if err != nil || got.Source != "new" {
		t.Fatalf("Next = %v, %v, want the newest", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a snapshot was returned twice: %v", err)
	}
}

func TestFeedWakesAWaitingFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f catalog.Feed
		var wg sync.WaitGroup
		var got *catalog.Snapshot
		wg.Go(func() { got, _ = f.Next(t.Context()) })
		synctest.Wait()
		want := &catalog.Snapshot{Source: "x"}
		f.Publish(want)
		wg.Wait()
		if got != want {
			t.Errorf("Next = %v, want what was published", got)
		}
	})
}
