package fabio

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
)

var known = []string{stepRedirect, stepRewrite, stepAccess}

// testSteps reads what a step's block says no further.
func testSteps() config.Options {
	var o config.Options
	for _, s := range known {
		o.StepBlocks = append(o.StepBlocks, config.StepBlock{
			Type: s, Decode: func(b hcl.Body, _ config.BlockContext) (any, hcl.Diagnostics) { return b.JustAttributes() },
		})
	}
	return o
}

// options know every step, and read texts as the gateway does, but for what steps
// say of their own blocks.
func options() Options {
	o := testSteps()
	return Options{
		Datacenter: "dc1",
		Step:       func(name string) bool { return slices.Contains(known, name) },
		Check: func(text string) error {
			_, _, diags := config.LoadPolicies(o, nil, config.Source{Name: "tag", Text: []byte(text), Remote: true, Last: true})
			if diags.HasErrors() {
				return errors.New(diags[0].Summary + ": " + diags[0].Detail)
			}
			return nil
		},
	}
}

// web is a service of one instance with these tags.
func web(tags ...string) Service {
	return Service{Name: "web", Instances: []Instance{{Key: "n1/web-1", Tags: tags}}}
}

// lines squeezes a policy text: a line each without what aligns it, and without the
// route's first and last line.
func lines(text string) string {
	var out []string
	for l := range strings.Lines(text) {
		out = append(out, strings.Join(strings.Fields(l), " "))
	}
	return strings.Join(out[1:len(out)-1], "; ")
}

// TestTags has the tags that fabio's own documentation shows, and what else may be
// in one.
func TestTags(t *testing.T) {
	for _, c := range []struct {
		tag  string
		want string // of the route's lines; empty for none
		note string // in a warning; empty for no warning
	}{
		// Quickstart.
		{"urlprefix-/css", `path_prefix = "/css"; service = "web"`, ""},
		{"urlprefix-i.com/static", `hosts = ["i.com"]; path_prefix = "/static"; service = "web"`, ""},
		{"urlprefix-mysite.com/", `hosts = ["mysite.com"]; service = "web"`, ""},
		{"urlprefix-/foo/bar strip=/foo", `path_prefix = "/foo/bar"; service = "web"; strip_prefix = "/foo"`, ""},
		{"urlprefix-/bar prepend=/foo", `path_prefix = "/bar"; service = "web"; rewrite {; prefix = "/foo"; }`, ""},
		{"urlprefix-/foo/bar proto=https", `path_prefix = "/foo/bar"; service = "web"; upstream_tls {; }`, ""},
		{"urlprefix-/foo/bar proto=https tlsskipverify=true", `path_prefix = "/foo/bar"; service = "web"; upstream_tls {; }`, "tlsskipverify is refused"},
		{"urlprefix-:3306 proto=tcp", "", "write a tcp_route"},
		{"urlprefix-:3306 proto=tcp pxyproto=true", "", "write a tcp_route"},
		{"urlprefix-/my.service/Method proto=grpc", `path_prefix = "/my.service/Method"; service = "web"; protocol = "grpc"`, ""},
		{"urlprefix-/my.service proto=grpcs grpcservername=my.service", `path_prefix = "/my.service"; service = "web"; protocol = "grpc"; upstream_tls {; server_name = "my.service"; }`, ""},
		{"urlprefix-/my.service proto=grpcs tlsskipverify=true", `path_prefix = "/my.service"; service = "web"; protocol = "grpc"; upstream_tls {; }`, "tlsskipverify is refused"},
		{"urlprefix-/my.service proto=grpc grpcservername=my.service", `path_prefix = "/my.service"; service = "web"; protocol = "grpc"`, "it is for grpcs"},
		// Path prepending, with stripping.
		{"urlprefix-/foo/bar prepend=/baz strip=/foo", `path_prefix = "/foo/bar"; service = "web"; strip_prefix = "/foo"; rewrite {; prefix = "/baz"; }`, ""},
		// Redirects.
		{"urlprefix-/path redirect=301,https://www.google.com/", `path_prefix = "/path"; service = "web"; redirect {; to = "https://www.google.com/"; status = 301; }`, ""},
		{"urlprefix-/path redirect=303,https://www.foo.com$path", `path_prefix = "/path"; service = "web"; redirect {; to = "https://www.foo.com{path}{query}"; status = 303; }`, ""},
		{"urlprefix-/path redirect=303,https://www.foo.com/$path", `path_prefix = "/path"; service = "web"; redirect {; to = "https://www.foo.com{path}{query}"; status = 303; }`, ""},
		{"urlprefix-/path strip=/path prepend=/new redirect=301,https://x.com$path?a=b", `path_prefix = "/path"; service = "web"; strip_prefix = "/path"; redirect {; to = "https://x.com/new{rest}?a=b"; status = 301; }`, ""},
		{"urlprefix-www.bar.com:80/foo redirect=302,https://www.bar.com$path", `hosts = ["www.bar.com"]; path_prefix = "/foo"; service = "web"; redirect {; to = "https://www.bar.com{path}{query}"; status = 302; }`, `the port "80" is not matched`},
		{"urlprefix-a.com/ redirect=301,https://$host$path", `hosts = ["a.com"]; service = "web"; redirect {; to = "https://{host}{path}{query}"; status = 301; }`, ""},
		{"urlprefix-/path redirect=301", "", "redirect=status,address"},
		{"urlprefix-/path redirect=200,https://x/", "", "the status is 301"},
		{"urlprefix-/path redirect=304,https://x/", "", "the status is 301"},
		{"urlprefix-/path redirect=301,https://{jwt.sub}/", "", "braces"},
		// Access control.
		{"urlprefix-/a allow=ip:10.0.0.0/8,ip:fe80::/10", `path_prefix = "/a"; service = "web"; ip_access {; allow = ["10.0.0.0/8", "fe80::/10"]; }`, ""},
		{"urlprefix-/a deny=ip:fe80::1234,100.123.0.0/16", `path_prefix = "/a"; service = "web"; ip_access {; deny = ["fe80::1234/128", "100.123.0.0/16"]; }`, ""},
		{"urlprefix-/a deny=ip:1.2.3.4 allow=ip:10.1.2.3/8", `path_prefix = "/a"; service = "web"; ip_access {; allow = ["10.0.0.0/8"]; }`, "deny is not looked at"},
		{"urlprefix-/a allow=", "", "name no addresses"},
		{"urlprefix-/a allow=ip:10.0.0.0/33", "", "neither ip:address nor"},
		{"urlprefix-/a allow=host:a.com", "", "neither ip:address nor"},
		{"urlprefix-/a deny=ip:fe80::1%eth0", "", "neither ip:address nor"},
		{"urlprefix-/ proto=https auth=mybasicauth", "", "a policy's to say"},
		// The rest of the language.
		{"urlprefix-/a host=internal.example", `path_prefix = "/a"; service = "web"; host_header = "internal.example"`, ""},
		{"urlprefix-/a host=internal.example:8443 proto=https", `path_prefix = "/a"; service = "web"; host_header = "internal.example:8443"; upstream_tls {; server_name = "internal.example"; }`, ""},
		{"urlprefix-/a host=dst", `path_prefix = "/a"; service = "web"`, "the client's Host"},
		{"urlprefix-/a weight=0.2", `path_prefix = "/a"; service = "web"`, ""},
		{"urlprefix-/a weight=-1", `path_prefix = "/a"; service = "web"`, ""},
		{"urlprefix-/a weight=half", `path_prefix = "/a"; service = "web"`, "weight=half is left out"},
		{"urlprefix-/a weight=NaN", `path_prefix = "/a"; service = "web"`, "weight=NaN is left out"},
		{"urlprefix-/a weight=Inf", `path_prefix = "/a"; service = "web"`, "weight=Inf is left out"},
		{"urlprefix-/a weight=0.1 weight=0.2", `path_prefix = "/a"; service = "web"`, "weight is there more than once"},
		{"urlprefix-/a register=other", `path_prefix = "/a"; service = "web"`, "register is ignored"},
		{"urlprefix-/a pxyproto=true", `path_prefix = "/a"; service = "web"`, "X-Forwarded-For"},
		{"urlprefix-/a sticky=true", `path_prefix = "/a"; service = "web"`, `the option "sticky" is not known`},
		{"urlprefix-/a strip=/a strip=/b", "", "only whole segments"},
		{"urlprefix-/a strip=/ab", "", "only whole segments"},
		{"urlprefix-/ab strip=/a", "", "only whole segments"},
		{"urlprefix-/a strip=/", `path_prefix = "/a"; service = "web"`, ""},
		{"urlprefix-/a proto=http", `path_prefix = "/a"; service = "web"`, ""},
		{"urlprefix-/a proto=tcp+sni", "", "write a tcp_route"},
		// Spelling, as fabio's tests have it.
		{" urlprefix-/", `service = "web"`, ""},
		{"urlprefix- / ", `service = "web"`, ""},
		{"urlprefix-WWW.BAR.COM/Foo/foo", `hosts = ["www.bar.com"]; path_prefix = "/Foo/foo"; service = "web"`, ""},
		{"urlprefix-", "", "names no host and no path"},
		{"urlprefix-foo.com", "", "has no slash"},
		{"urlprefix-1.1.1.1:999", "", "has no slash"},
		{"urlprefix-$DC.example.com/${DC}/x", `hosts = ["dc1.example.com"]; path_prefix = "/dc1/x"; service = "web"`, ""},
		{"urlprefix-/$HOME", "", "is not known"},
		{"urlprefix-/a$", "", "is not known"},
		{"urlprefix-/${DC", "", "is not known"},
		// Globs, and where fabio's prefixes end.
		{"urlprefix-*.example.com/", `hosts = ["*.example.com"]; service = "web"`, ""},
		{"urlprefix-*/x", `path_prefix = "/x"; service = "web"`, ""},
		{"urlprefix-www.*.com/", "", "of globs a host may be"},
		{"urlprefix-{a,b}.com/", "", "of globs a host may be"},
		{"urlprefix-/foo*", `path_regex = "/foo.*"; service = "web"`, ""},
		{"urlprefix-/foo/*", `path_prefix = "/foo"; service = "web"`, ""},
		{"urlprefix-/foo/*/bar", `path_regex = "/foo/.*/bar"; service = "web"`, ""},
		{"urlprefix-/foo.js*", `path_regex = "/foo\\.js.*"; service = "web"`, ""},
		{"urlprefix-/foo* strip=/foo", "", "nothing can be taken off"},
		{"urlprefix-/foo?", "", "of globs"},
		{"urlprefix-/api-", `path_prefix = "/api-"; service = "web"`, "looks like the beginning of one"},
		{"urlprefix-/foo/", `path_prefix = "/foo"; service = "web"`, ""},
		// What is not to get through.
		{"urlprefix-/../admin", "", "dot segment"},
		{"urlprefix-/a//b", "", "empty segment"},
		{"urlprefix-/a%zz", "", "no route is made of it"},
		{"urlprefix-a_b!.com/", "", "no route is made of it"},
		{"urlprefix-/a host=a\"b", "", "not a host"},
		{"urlprefix-/a\nservice=\"other\"", "", "can't be shown"},
		{"urlprefix-/\xff", "", "not UTF-8"},
		{"urlprefix-/" + strings.Repeat("a", 2000), "", "longer than"},
		{`urlprefix-/${file("/etc/passwd")}`, "", "is not known"},
		{`urlprefix-/%{if_true}`, "", "of globs"},
		{`urlprefix-/a prepend=/${x}`, "", "is not a path"},
		{`urlprefix-/a"b`, `path_prefix = "/a\"b"; service = "web"`, ""},
	} {
		r := Build([]Service{web(c.tag)}, options())
		got := ""
		if len(r.Routes) > 0 {
			got = lines(r.Routes[0].Text())
		}
		if got != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.tag, got, c.want)
		}
		said := fmt.Sprint(warningsOf(r))
		if c.note == "" && len(r.Warnings) > 0 || !strings.Contains(said, c.note) {
			t.Errorf("%q: warnings %s, want %q", c.tag, said, c.note)
		}
		if len(r.Routes) == 0 && len(r.Warnings) == 0 {
			t.Errorf("%q: neither a route nor a warning", c.tag)
		}
		for _, w := range r.Warnings {
			if w.Service != "web" || w.Instance != "n1/web-1" || w.Tag != c.tag {
				t.Errorf("%q: a warning without its place: %+v", c.tag, w)
			}
		}
	}
}

func warningsOf(r Result) []string {
	var out []string
	for i := range r.Warnings {
		out = append(out, r.Warnings[i].String())
	}
	return out
}

// TestStepsThatAreNotThere wants no route where one would let in who was kept out.
func TestStepsThatAreNotThere(t *testing.T) {
	o := options()
	o.Step = func(string) bool { return false }
	for _, tag := range []string{"urlprefix-/a allow=ip:10.0.0.0/8", "urlprefix-/a deny=ip:10.0.0.0/8", "urlprefix-/a redirect=301,https://x/", "urlprefix-/a prepend=/b"} {
		r := Build([]Service{web(tag)}, o)
		if len(r.Routes) != 0 || !strings.Contains(fmt.Sprint(warningsOf(r)), "which this version does not have") {
			t.Errorf("%s: %d routes, %v", tag, len(r.Routes), warningsOf(r))
		}
	}
	if r := Build([]Service{web("urlprefix-$DC.com/")}, Options{Check: o.Check, Step: o.Step}); len(r.Routes) != 0 || !strings.Contains(fmt.Sprint(warningsOf(r)), "datacenter") {
		t.Errorf("no datacenter: %v", warningsOf(r))
	}
}

// TestInstances wants a route to go to those that carry its tag.
func TestInstances(t *testing.T) {
	const a, b, other = "urlprefix-/a", "urlprefix-/a strip=/a", "urlprefix-/a/"
	for _, c := range []struct {
		name  string
		tags  [][]string // of each instance
		want  string     // the tag of the route, and what it is narrowed to
		warns int
	}{
		{"all", [][]string{{a}, {a, "v1"}}, a + " []", 0},
		{"some", [][]string{{a}, {}}, a + " [" + a + "]", 0},
		{"most", [][]string{{a}, {b}, {b}}, b + " [" + b + "]", 1},
		{"a draw", [][]string{{a}, {b}}, a + " [" + a + "]", 1},
		{"both on all", [][]string{{a, b}, {a, b}}, a + " []", 1},
		{"the same meaning", [][]string{{a}, {other}}, a + " []", 0},
		{"the same meaning, and none", [][]string{{a}, {other}, {}}, a + " []", 1},
	} {
		s := Service{Name: "web"}
		for i, tags := range c.tags {
			s.Instances = append(s.Instances, Instance{Key: fmt.Sprintf("n/%d", i), Tags: tags})
		}
		r := Build([]Service{s}, options())
		if len(r.Routes) != 1 || len(r.Warnings) != c.warns {
			t.Fatalf("%s: %d routes, %v", c.name, len(r.Routes), warningsOf(r))
		}
		if got := fmt.Sprint(r.Routes[0].Of, " ", r.Routes[0].Tags); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		slices.Reverse(s.Instances)
		if again := Build([]Service{s}, options()); again.Routes[0].Text() != r.Routes[0].Text() {
			t.Errorf("%s: the order of instances counts", c.name)
		}
	}
}

// TestConflicts has two services ask for the same.
func TestConflicts(t *testing.T) {
	one := func(name string, tags ...string) Service {
		return Service{Name: name, Instances: []Instance{{Key: "n/" + name, Tags: tags}}}
	}
	services := []Service{
		one("b", "urlprefix-x.com/foo", "urlprefix-/only-b"),
		one("a", "urlprefix-X.com/foo/ strip=/foo", "urlprefix-/%66oo"),
		one("c", "urlprefix-/foo", "urlprefix-x.com./foo"),
	}
	r := Build(services, options())
	var got []string
	for _, v := range r.Routes {
		got = append(got, v.Service+" "+v.Host+v.PathPrefix)
	}
	slices.Sort(got)
	if want := []string{"a /%66oo", "a x.com/foo", "b /only-b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q: %v", got, want, warningsOf(r))
	}
	if len(r.Warnings) != 3 || !strings.Contains(r.Warnings[0].Text, `that of the service "a" by its tag`) {
		t.Errorf("got %v", warningsOf(r))
	}
	slices.Reverse(services)
	again := Build(services, options())
	if fmt.Sprint(warningsOf(again)) != fmt.Sprint(warningsOf(r)) || len(again.Routes) != len(r.Routes) {
		t.Error("the order of services counts")
	}
}

// TestNames wants names that a policy may have, one each.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, service := range []string{"web", "Web", "w eb", "w/eb", strings.Repeat("x", 300), "wéb", "web-a"} {
		s := Service{Name: service, Instances: []Instance{{Key: "n/1", Tags: []string{
			"urlprefix-/a-b", "urlprefix-/a/b", "urlprefix-a/b", "urlprefix-a.com/", "urlprefix-/" + strings.Repeat("y", 200),
		}}}}
		r := Build([]Service{s}, options())
		if len(r.Routes) != 5 {
			t.Errorf("%s: %d routes: %v", service, len(r.Routes), warningsOf(r))
		}
		for _, v := range r.Routes {
			if seen[v.Name] {
				t.Errorf("%s twice", v.Name)
			}
			seen[v.Name] = true
		}
	}
}

// TestBounds has more than enough of everything.
func TestBounds(t *testing.T) {
	var many []Service
	for i := range MaxRoutes/maxTags + 2 {
		s := Service{Name: fmt.Sprintf("s%03d", i), Instances: []Instance{{Key: "n/1"}}}
		for j := range maxTags + 1 {
			s.Instances[0].Tags = append(s.Instances[0].Tags, fmt.Sprintf("urlprefix-/%d/%04d", i, j))
		}
		many = append(many, s)
	}
	o := options()
	o.Check = func(string) error { return nil }
	r := Build(many, o)
	if len(r.Routes) != MaxRoutes {
		t.Errorf("%d routes", len(r.Routes))
	}
	said := fmt.Sprint(warningsOf(r))
	if !strings.Contains(said, fmt.Sprintf("the first %d in the alphabet count", maxTags)) || !strings.Contains(said, fmt.Sprintf("the first %d count", MaxRoutes)) {
		t.Errorf("got %.300s", said)
	}
}

// FuzzTags wants of any tag one route to its own service that the gateway can read,
// or a warning.
func FuzzTags(f *testing.F) {
	for _, s := range []string{
		"urlprefix-/foo strip=/foo", "urlprefix-a.com:80/ redirect=301,https://$host$path", "urlprefix-/a allow=ip:10.0.0.0/8",
		"urlprefix-*.$DC.com/x* weight=1", "urlprefix-/a weight=1e-9", "urlprefix-:80 proto=tcp", "urlprefix-/${a} host=dst prepend=/%{x}", "urlprefix-/\" host=\\", "urlprefix-[::1]:80/",
	} {
		f.Add(s)
	}
	o := options()
	f.Fuzz(func(t *testing.T, tag string) {
		if !Is(tag) {
			tag = Prefix + tag
		}
		r := Build([]Service{web(tag)}, o)
		if len(r.Routes) > 1 || len(r.Routes) == 0 && len(r.Warnings) == 0 {
			t.Fatalf("%d routes and %v", len(r.Routes), warningsOf(r))
		}
		for _, v := range r.Routes {
			text := v.Text()
			p, _, diags := config.LoadPolicies(testSteps(), nil, config.Source{Name: "tag", Text: []byte(text), Remote: true, Last: true})
			if diags.HasErrors() || len(p.Routes) != 1 || len(p.Limits)+len(p.Gateway)+len(p.Defaults)+len(p.Providers) > 0 {
				t.Fatalf("%s\n%v", text, diags)
			}
			got := p.Routes[0]
			if got.Service != "web" || !got.Last || !got.InheritLimits || got.Name != v.Name {
				t.Fatalf("the route is %+v", got)
			}
		}
		for _, w := range warningsOf(r) {
			if strings.ContainsAny(w, "\n\r\x1b") {
				t.Fatalf("a warning of several lines: %q", w)
			}
		}
	})
}
