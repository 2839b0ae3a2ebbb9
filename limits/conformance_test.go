package limits

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestConformance asks of every algorithm in the registry what the rest of the
// program relies on. The behaviour of its limiters is asked of all cases.
func TestConformance(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Algorithms() {
		t.Run(a.Name, func(t *testing.T) {
			if seen[a.Name] {
				t.Fatal("the name is taken")
			}
			seen[a.Name] = true
			if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(a.Name) {
				t.Errorf("the name isn't snake case")
			}
			if found, ok := Lookup(a.Name); !ok || found.Name != a.Name {
				t.Errorf("Lookup found %+v", found)
			}
			if a.New() == a.New() {
				t.Error("New returned one block twice")
			}
			checkTags(t, a.New())
			if spec, err := a.New().Spec(); a.Name == AdaptiveConcurrencyName {
				if err != nil {
					t.Errorf("an empty block, which is all defaults: %v", err)
				}
			} else if err == nil || spec != nil {
				t.Errorf("an empty block is valid: %+v", spec)
			} else {
				checkAttributeErrors(t, a.New(), err)
			}
			cased, of := false, cases()
			if a.Holds {
				of = holdCases()
			}
			for _, s := range of {
				_, holds := s.New(Options{}).(Holder)
				cased = cased || s.Algorithm() == a.Name && holds == a.Holds
			}
			if !cased {
				t.Error("no Spec of it is among the cases")
			}
		})
	}
}

// attributes maps the names that hcl tags give to a block's fields.
func attributes(b Block) map[string]reflect.Value {
	v := reflect.ValueOf(b).Elem()
	found := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("hcl"), ",")
		found[name] = v.Field(i)
	}
	return found
}

func checkTags(t *testing.T, b Block) {
	t.Helper()
	for name, v := range attributes(b) {
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(name) {
			t.Errorf("attribute %q isn't snake case", name)
		}
		if k := v.Kind(); k != reflect.String && k != reflect.Int64 && k != reflect.Float64 {
			t.Errorf("attribute %q is a %s", name, k)
		}
	}
}

// checkAttributeErrors finds an AttributeError, of an attribute that exists, at
// every leaf.
func checkAttributeErrors(t *testing.T, b Block, err error) {
	t.Helper()
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			checkAttributeErrors(t, b, err)
		}
		return
	}
	a, ok := errors.AsType[*AttributeError](err)
	if !ok {
		t.Errorf("%v is no AttributeError", err)
		return
	}
	if _, ok := attributes(b)[a.Attribute]; !ok {
		t.Errorf("%v: there is no attribute %q", err, a.Attribute)
	}
	if a.Err == nil || !errors.Is(err, a.Err) {
		t.Errorf("%v doesn't wrap its cause", err)
	}
}

func TestLookupUnknown(t *testing.T) {
	if a, ok := Lookup("token-bucket"); ok {
		t.Errorf("found %+v", a)
	}
}

// TestSpecConformance asks of every Spec what the rest of the program relies on.
func TestSpecConformance(t *testing.T) {
	all := cases()
	eachCase(t, func(t *testing.T, s Spec) {
		if _, ok := Lookup(s.Algorithm()); !ok {
			t.Errorf("there is no algorithm %q", s.Algorithm())
		}
		same := 0
		for _, other := range all {
			if other == s {
				same++
			}
		}
		if same != 1 {
			t.Errorf("equal to %d cases", same)
		}
		p := s.Policy()
		if p.Quota != s.Capacity() || p.Window <= 0 || p.Interval < 0 {
			t.Errorf("capacity %d, policy %+v", s.Capacity(), p)
		}
		l := s.New(Options{})
		if l.Policy() != p {
			t.Errorf("the limiter's policy is %+v", l.Policy())
		}
		if l.Keys() != 0 || len(l.Top(3, at(0))) != 0 {
			t.Error("a new limiter holds keys")
		}
		key := []byte("key")
		if d := l.Take(key, s.Capacity()+1, at(0)); d.Allowed || d.RetryAfter != Never {
			t.Errorf("more than the capacity: %+v", d)
		}
		if l.Keys() != 0 {
			t.Error("a denied key is held")
		}
		if d := l.Take(key, s.Capacity(), at(0)); !d.Allowed || d.Remaining != 0 {
			t.Errorf("the capacity at once: %+v", d)
		}
		if d := l.Peek([]byte("another"), s.Capacity(), at(0)); !d.Allowed {
			t.Errorf("keys share a budget: %+v", d)
		}
		if l.Keys() != 1 {
			t.Errorf("%d keys, want 1", l.Keys())
		}
		top := l.Top(3, at(0))
		if len(top) != 1 || top[0].Remaining != 0 || top[0].Reset <= 0 || !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(top[0].Digest) {
			t.Errorf("top %+v", top)
		}
	})
}

// TestHitsAllocateNothing covers every way to ask for a key that is held.
func TestHitsAllocateNothing(t *testing.T) {
	eachCase(t, func(t *testing.T, s Spec) {
		l := s.New(Options{})
		key, absent := []byte("key"), []byte("absent")
		step := int64(s.Policy().Window)
		var now int64
		l.Take(key, s.Capacity(), at(now))
		for name, f := range map[string]func(){
			"allowed": func() {
				now += 3 * step
				for range s.Capacity() {
					if !l.Take(key, 1, at(now)).Allowed {
						t.Error("denied")
					}
				}
			},
			"denied": func() {
				if l.Take(key, s.Capacity()+1, at(now)).Allowed {
					t.Error("allowed")
				}
			},
			"refunded": func() {
				now += 3 * step
				l.Take(key, 1, at(now))
				l.Refund(key, 1, at(now))
			},
			"peeked": func() { l.Peek(key, 1, at(now)) },
			"absent": func() { l.Peek(absent, 1, at(now)) },
		} {
			if n := testing.AllocsPerRun(50, f); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	})
}
