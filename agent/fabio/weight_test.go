package fabio

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/agent/config"
)

// of makes a service of instances, each "tag|tag" and with a "-" in front when it is
// out. Every tag is the rest of one after the prefix.
func of(name string, instances ...string) Service {
	s := Service{Name: name}
	for i, text := range instances {
		tags, out := strings.CutPrefix(text, "-")
		in := Instance{Key: fmt.Sprintf("n/%s-%d", name, i), Out: out}
		for tag := range strings.SplitSeq(tags, "|") {
			if tag != "" {
				in.Tags = append(in.Tags, Prefix+tag)
			}
		}
		s.Instances = append(s.Instances, in)
	}
	return s
}

// TestWeights has the weights of fabio: fixed ones of an instance each, the rest in
// equal parts for those without.
func TestWeights(t *testing.T) {
	const tenth = "/p weight=0.1"
	for _, c := range []struct {
		name     string
		services []Service
		want     string // of routes, each share "service[tag] weight"
		warns    []string
	}{
		{"a canary", []Service{of("web", "/p", "/p", "/p", tenth)}, "web[/p] 90, web[/p weight=0.1] 10", nil},
		{"two canaries", []Service{of("web", "/p", tenth, tenth)}, "web[/p] 80, web[/p weight=0.1] 20", nil},
		{"two services", []Service{of("web", "/p", "/p"), of("next", tenth)}, "next 10, web 90", nil},
		{"all of one weight", []Service{of("web", tenth, tenth)}, "web", nil},
		{"brought up to one", []Service{of("a", "/p weight=0.1"), of("b", "/p weight=0.3")}, "a 25, b 75", nil},
		{"brought down to one", []Service{of("a", "/p weight=90"), of("b", "/p weight=10")}, "a 90, b 10", nil},
		{"three, one of them fixed", []Service{of("a", "/p weight=0.2"), of("b", "/p", "/p", "/p"), of("c", "/p")}, "a 20, b 60, c 20", nil},
		{"not of a hundred", []Service{of("a", "/p weight=0.125"), of("b", "/p")}, "a 1250, b 8750", nil},
		{"nothing is less than a slot", []Service{of("a", "/p weight=0.000001"), of("b", "/p")}, "a 1, b 10000", nil},
		{"nothing left", []Service{of("a", "/p weight=1"), of("b", "/p")}, "a 100, b 0", []string{"no requests go there by it, as in fabio"}},
		{"others without the tag", []Service{of("web", "/p", tenth, "", "/q")}, "web[/p] 90, web[/p weight=0.1] 10; web[/q]", nil},
		{"some with the tag", []Service{of("web", "/p", ""), of("next", tenth)}, "next 10, web[/p] 90", nil},
		{"two spellings of one weight", []Service{of("web", "/p|/p/", "/p/", tenth)}, "web[/p] 45, web[/p weight=0.1] 10, web[/p/] 45", nil},
		{"both on one instance", []Service{of("web", "/p|/p weight=0.2")}, "web[/p] 80, web[/p weight=0.2] 20", nil},
		{"no weight after all", []Service{of("a", "/p weight=0"), of("b", "/p")}, "a", []string{"the first service in the alphabet has it"}},
		{"another path", []Service{of("a", "/p"), of("b", "/q weight=0.5")}, "a; b", nil},
		{"another host", []Service{of("a", "/p"), of("b", "x.com/p weight=0.5")}, "a; b", nil},
		{
			"other options",
			[]Service{of("a", "/p strip=/p"), of("b", "/p weight=0.5"), of("c", "/p strip=/p weight=0.1")},
			"a 90, c 10",
			[]string{`the service "a", by its tag "urlprefix-/p strip=/p", has the same host and path with other options`},
		},
		{"other options of one service", []Service{of("a", "/p", "/p", "/p strip=/p weight=0.1")}, "a[/p]", []string{"has other options in the tag"}},
		{"one that keeps somebody out", []Service{of("a", "/p deny=ip:10.0.0.0/8"), of("b", "/p weight=1")}, "a", []string{"with other options"}},
		{"an odd name", []Service{of("a", "/p"), of("b${x}", tenth)}, "a", []string{"with a service of such a name"}},
		// Only who is up counts, but for a part that is wholly out: the others get its
		// requests meanwhile by themselves.
		{"one is out", []Service{of("web", "/p", "-/p", "/p", tenth, "-"+tenth)}, "web[/p] 90, web[/p weight=0.1] 10", nil},
		{"of those without weight, one is out", []Service{of("a", "/p weight=0.4"), of("b", "/p", "-/p"), of("c", "/p")}, "a 40, b 30, c 30", nil},
		{"the canary is out", []Service{of("web", "/p", "-"+tenth)}, "web[/p] 100, web[/p weight=0.1] 10", nil},
		{"all but the canary are out", []Service{of("web", "-/p", tenth)}, "web[/p] 90, web[/p weight=0.1] 100", nil},
		{"who had it all is out", []Service{of("a", "-/p weight=1"), of("b", "/p")}, "a 100, b 100", nil},
		{"all are out", []Service{of("web", "-/p", "-"+tenth)}, "web[/p] 90, web[/p weight=0.1] 10", nil},
	} {
		r := Build(c.services, options())
		if got := shared(r); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if len(r.Warnings) != len(c.warns) {
			t.Errorf("%s: warnings %q", c.name, warningsOf(r))
		}
		for i := range min(len(c.warns), len(r.Warnings)) {
			if w := r.Warnings[i]; !strings.Contains(w.Text, c.warns[i]) || w.Instance == "" || w.Tag == "" {
				t.Errorf("%s: warning %s, want %s", c.name, w.String(), c.warns[i])
			}
		}
		for i := range c.services {
			slices.Reverse(c.services[i].Instances)
		}
		slices.Reverse(c.services)
		again := Build(c.services, options())
		for i := range r.Routes {
			if len(again.Routes) != len(r.Routes) || again.Routes[i].Text() != r.Routes[i].Text() {
				t.Errorf("%s: the order of services and instances counts", c.name)
				break
			}
		}
	}
}

// shared writes routes by who gets their requests.
func shared(r Result) string {
	var routes []string
	for _, v := range r.Routes {
		parts := v.Split
		if len(parts) == 0 {
			parts = []Share{{Service: v.Service, Tags: v.Tags}}
		}
		var all []string
		for _, s := range parts {
			text := s.Service
			for _, tag := range s.Tags {
				text += "[" + strings.TrimPrefix(tag, Prefix) + "]"
			}
			if len(v.Split) > 0 {
				text += fmt.Sprint(" ", s.Weight)
			}
			all = append(all, text)
		}
		routes = append(routes, strings.Join(all, ", "))
	}
	return strings.Join(routes, "; ")
}

// TestWeightsText wants the route as a person would write it.
func TestWeightsText(t *testing.T) {
	r := Build([]Service{of("web", "x.com/p strip=/p"), of("next", "x.com/p strip=/p weight=0.25")}, options())
	if len(r.Routes) != 1 {
		t.Fatal(warningsOf(r))
	}
	const want = `hosts = ["x.com"]; path_prefix = "/p"; split "next" {; weight = 25; }; split "web" {; weight = 75; }; strip_prefix = "/p"`
	if got := lines(r.Routes[0].Text()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if v := r.Routes[0]; v.Service != "next" || !strings.HasPrefix(v.Name, "fabio-next-") || v.Of != "urlprefix-x.com/p strip=/p weight=0.25" {
		t.Errorf("%+v", v)
	}
}

// TestManyWeights has more than may share a path.
func TestManyWeights(t *testing.T) {
	var all []Service
	for i := range maxShares + 2 {
		all = append(all, of(fmt.Sprintf("s%02d", i), "/p weight=0.01"))
	}
	r := Build(all, options())
	if len(r.Routes) != 1 || len(r.Routes[0].Split) != maxShares || len(r.Warnings) != 2 || !strings.Contains(r.Warnings[0].Text, "the first 32 count") {
		t.Errorf("%s, %v", shared(r), warningsOf(r))
	}
}

// TestRefusedWeights falls back to who is first in the alphabet.
func TestRefusedWeights(t *testing.T) {
	o := options()
	check := o.Check
	o.Check = func(text string) error {
		if strings.Contains(text, "split") {
			return errors.New("not today")
		}
		return check(text)
	}
	r := Build([]Service{of("a", "/p"), of("b", "/p weight=0.1")}, o)
	if got := shared(r); got != "a" || !strings.Contains(fmt.Sprint(warningsOf(r)), "not shared by weight: not today") {
		t.Errorf("%s, %v", got, warningsOf(r))
	}
}

// TestWeighs tells tags with a weight from others.
func TestWeighs(t *testing.T) {
	for text, want := range map[string]bool{"urlprefix-/p weight=0.1": true, "urlprefix-/p": false, "weight=0.1": false} {
		if Weighs(text) != want {
			t.Errorf("%q", text)
		}
	}
}

// FuzzWeights wants of any two tags, of a service each, routes to these services alone
// that the gateway can read.
func FuzzWeights(f *testing.F) {
	for _, s := range [][2]string{
		{"/p", "/p weight=0.1"}, {"x.com/p strip=/p", "X.com/p/ strip=/p weight=1e6"}, {"/p weight=1", "/p weight=-0"}, {"/p* weight=1e-320", "/p* weight=0x1p-3"}, {"/p weight=1", "/%70 weight=2"},
	} {
		f.Add(s[0], s[1], false, false)
	}
	o := options()
	f.Fuzz(func(t *testing.T, one, other string, out, otherOut bool) {
		r := Build([]Service{
			{Name: "a", Instances: []Instance{{Key: "n/a", Tags: []string{Prefix + one}, Out: out}, {Key: "n/a2", Tags: []string{Prefix + other}}}},
			{Name: "b", Instances: []Instance{{Key: "n/b", Tags: []string{Prefix + other}, Out: otherOut}}},
		}, o)
		text := ""
		for _, v := range r.Routes {
			text += v.Text()
		}
		p, _, diags := config.LoadPolicies(testSteps(), nil, config.Source{Name: "tags", Text: []byte(text), Remote: true, Last: true})
		if diags.HasErrors() || len(p.Routes) != len(r.Routes) {
			t.Fatalf("%s\n%v", text, diags)
		}
		for i := range p.Routes {
			for _, name := range p.Routes[i].Services() {
				if name != "a" && name != "b" {
					t.Fatalf("a route to %q:\n%s", name, text)
				}
			}
			for _, s := range p.Routes[i].Split {
				for _, tag := range s.Tags {
					if tag != Prefix+one && tag != Prefix+other {
						t.Fatalf("a share of the tag %q:\n%s", tag, text)
					}
				}
			}
		}
	})
}
