package connect

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

// asked is a request in a test: its fields are joined as the gateway joins them.
type asked struct {
	method, path, host string
	fields             http.Header
}

func (r asked) Method() []byte { return []byte(r.method) }
func (r asked) Path() []byte   { return []byte(r.path) }
func (r asked) Host() []byte   { return []byte(r.host) }
func (r asked) Field(name string) ([]byte, bool) {
	values, ok := r.fields[http.CanonicalHeaderKey(name)]
	return []byte(strings.Join(values, ",")), ok
}

// permissionsOf reads permissions as a configuration entry has them.
func permissionsOf(t *testing.T, text string) *api.Intention {
	t.Helper()
	x := allow("shop", 9)
	x.Action = ""
	if err := json.Unmarshal([]byte(text), &x.Permissions); err != nil {
		t.Fatal(err)
	}
	return x
}

func judge(x *api.Intention, byDefault bool, r Request) error {
	_, err := newRules([]*api.Intention{x}).judge(byDefault, nil)[0].judged.judge(r)
	return err
}

// TestConditions has one permission that allows what meets its condition, under a
// default that denies, and the same one that denies under a default that allows:
// the verdicts must be each other's opposite.
func TestConditions(t *testing.T) {
	get := func(path string) asked { return asked{method: "GET", path: path, host: "edge:8443"} }
	field := func(values ...string) asked {
		r := get("/")
		if values != nil {
			r.fields = http.Header{"X-Tier": values}
		}
		return r
	}
	method := func(m string) asked { return asked{method: m, path: "/"} }
	head := func(condition string) string { return `"Header":[{"Name":"x-TIER",` + condition + `}]` }
	for _, c := range []struct {
		name, http string
		r          asked
		is         bool
	}{
		// Paths: "Exact path to match on the HTTP request path", without the query.
		{"exact", `"PathExact":"/v1"`, get("/v1"), true},
		{"exact, longer", `"PathExact":"/v1"`, get("/v1/"), false},
		{"exact, in another case", `"PathExact":"/v1"`, get("/V1"), false},
		{"prefix", `"PathPrefix":"/v1"`, get("/v1/x"), true},
		{"prefix, itself", `"PathPrefix":"/v1"`, get("/v1"), true},
		{"prefix is of text, not of segments", `"PathPrefix":"/v1"`, get("/v10"), true},
		{"prefix, in another case", `"PathPrefix":"/v1"`, get("/V1/x"), false},
		{"prefix, shorter", `"PathPrefix":"/v1/"`, get("/v1"), false},
		{"the asterisk is below no path", `"PathPrefix":"/"`, get("*"), false},
		// Expressions match all of a text (Envoy's safe_regex, RE2).
		{"regex", `"PathRegex":"/v[0-9]+/.*"`, get("/v12/x/y"), true},
		{"regex, in the middle", `"PathRegex":"/v[0-9]+"`, get("/a/v1"), false},
		{"regex, longer", `"PathRegex":"/v[0-9]+"`, get("/v1/x"), false},
		{"regex, alternatives are whole", `"PathRegex":"/a|/b"`, get("/b"), true},
		{"regex, alternatives are whole, longer", `"PathRegex":"/a|/b"`, get("/a/c"), false},
		{"regex, flags", `"PathRegex":"(?i)/admin"`, get("/Admin"), true},
		{"regex, anchored by itself", `"PathRegex":"^/a$"`, get("/a"), true},
		// Methods: "If unspecified all HTTP methods are matched".
		{"method", `"Methods":["GET","POST"]`, method("POST"), true},
		{"another method", `"Methods":["GET","POST"]`, method("PUT"), false},
		{"methods have a case", `"Methods":["GET"]`, method("get"), false},
		{"a method is no prefix", `"Methods":["GET"]`, method("GETS"), false},
		// Header: "If more than one is configured all must match".
		{"present", head(`"Present":true`), field(""), true},
		{"not present", head(`"Present":true`), field(), false},
		{"absent", head(`"Present":true,"Invert":true`), field(), true},
		{"not absent", head(`"Present":true,"Invert":true`), field("x"), false},
		{"value", head(`"Exact":"gold"`), field("gold"), true},
		{"value, in another case", head(`"Exact":"gold"`), field("Gold"), false},
		{"value, ignoring case", head(`"Exact":"gOld","IgnoreCase":true`), field("GoLD"), true},
		{"value, ignoring case, longer", head(`"Exact":"gold","IgnoreCase":true`), field("golden"), false},
		{"another value", head(`"Exact":"gold"`), field("silver"), false},
		{"not that value", head(`"Exact":"gold","Invert":true`), field("silver"), true},
		{"that value", head(`"Exact":"gold","Invert":true`), field("gold"), false},
		// Envoy: a header that is missing matches nothing but an inverted Present.
		{"an absent field has not another value", head(`"Exact":"gold","Invert":true`), field(), false},
		{"an absent field has no prefix", head(`"Prefix":"g","Invert":true`), field(), false},
		{"an absent field matches no expression", head(`"Regex":".*"`), field(), false},
		{"an absent field fails no expression", head(`"Regex":"g","Invert":true`), field(), false},
		{"an absent field has no value", head(`"Exact":"gold"`), field(), false},
		// Envoy: several lines are one value, joined by commas.
		{"two lines are not the first", head(`"Exact":"gold"`), field("gold", "silver"), false},
		{"two lines are joined", head(`"Exact":"gold,silver"`), field("gold", "silver"), true},
		{"two lines hold the second", head(`"Contains":"silver"`), field("gold", "silver"), true},
		{"two lines end with the second", head(`"Suffix":"silver"`), field("gold", "silver"), true},
		{"field prefix", head(`"Prefix":"go"`), field("gold"), true},
		{"field prefix, elsewhere", head(`"Prefix":"ol"`), field("gold"), false},
		{"field prefix, ignoring case", head(`"Prefix":"GO","IgnoreCase":true`), field("gold"), true},
		{"field prefix, longer than the value", head(`"Prefix":"golden","IgnoreCase":true`), field("gold"), false},
		{"suffix", head(`"Suffix":"ld"`), field("gold"), true},
		{"suffix, elsewhere", head(`"Suffix":"go"`), field("gold"), false},
		{"suffix, ignoring case", head(`"Suffix":"LD","IgnoreCase":true`), field("Gold"), true},
		{"suffix, longer than the value", head(`"Suffix":"marigold","IgnoreCase":true`), field("gold"), false},
		{"contains", head(`"Contains":"ol"`), field("gold"), true},
		{"contains not", head(`"Contains":"OL"`), field("gold"), false},
		{"contains, ignoring case", head(`"Contains":"OL","IgnoreCase":true`), field("gold"), true},
		{"contains not, ignoring case", head(`"Contains":"LO","IgnoreCase":true`), field("gold"), false},
		{"case is that of ASCII", head(`"Exact":"k","IgnoreCase":true`), field("\u212a"), false},
		{"field regex", head(`"Regex":"g.*d"`), field("gold"), true},
		{"field regex, longer", head(`"Regex":"g"`), field("gold"), false},
		{"field regex, inverted", head(`"Regex":"g","Invert":true`), field("gold"), true},
		{"both fields", `"Header":[{"Name":"x-tier","Exact":"gold"},{"Name":"x-other","Present":true}]`, field("gold"), false},
		// The authority, which Envoy calls :authority however it was sent.
		{"host", `"Header":[{"Name":"Host","Exact":"edge:8443"}]`, get("/"), true},
		{"authority", `"Header":[{"Name":":authority","Prefix":"edge:"}]`, get("/"), true},
		{"another authority", `"Header":[{"Name":":authority","Exact":"edge"}]`, get("/"), false},
		{"method as a field", `"Header":[{"Name":":method","Exact":"GET"}]`, get("/"), true},
		// All of it.
		{"all", `"PathPrefix":"/","Methods":["GET"],` + head(`"Exact":"gold"`), field("gold"), true},
		{"all but the path", `"PathPrefix":"/v","Methods":["GET"],` + head(`"Exact":"gold"`), field("gold"), false},
		{"all but the method", `"PathPrefix":"/","Methods":["PUT"],` + head(`"Exact":"gold"`), field("gold"), false},
		{"all but the field", `"PathPrefix":"/","Methods":["GET"],` + head(`"Exact":"gold"`), field("tin"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := judge(permissionsOf(t, `[{"Action":"allow","HTTP":{`+c.http+`}}]`), false, c.r); (err == nil) != c.is {
				t.Errorf("allowed alone: %v", err)
			}
			if err := judge(permissionsOf(t, `[{"Action":"deny","HTTP":{`+c.http+`}}]`), true, c.r); (err != nil) != c.is {
				t.Errorf("denied alone: %v", err)
			}
		})
	}
}

// TestPermissionsInOrder follows Consul's documentation: "Permission precedence is
// applied top to bottom. For any given request the first permission to match in
// the list is terminal [...]. Traffic that fails to match any of the provided
// permissions in this intention will be subject to the default intention
// behavior".
func TestPermissionsInOrder(t *testing.T) {
	const (
		allowAll   = `{"Action":"allow","HTTP":{"PathPrefix":"/"}}`
		denyAdmin  = `{"Action":"deny","HTTP":{"PathPrefix":"/admin"}}`
		allowAdmin = `{"Action":"allow","HTTP":{"PathExact":"/admin/health"}}`
		allowRead  = `{"Action":"allow","HTTP":{"PathPrefix":"/v1","Methods":["GET"]}}`
	)
	for _, c := range []struct {
		name      string
		list      []string
		byDefault bool
		allowed   []string
		denied    []string
	}{
		{"deny, then allow", []string{denyAdmin, allowAll}, false, []string{"/", "/v1"}, []string{"/admin", "/admin/health"}},
		{"allow, then deny: the latter is never reached", []string{allowAll, denyAdmin}, false, []string{"/", "/admin"}, nil},
		{"an exception first", []string{allowAdmin, denyAdmin, allowAll}, false, []string{"/admin/health", "/x"}, []string{"/admin", "/admin/x"}},
		{"an exception last", []string{denyAdmin, allowAdmin}, false, nil, []string{"/admin/health", "/x"}},
		{"none is met, by default denied", []string{allowRead}, false, []string{"/v1/x"}, []string{"/v2"}},
		{"none is met, by default allowed", []string{denyAdmin}, true, []string{"/v2"}, []string{"/admin"}},
		{"denials alone, by default denied", []string{denyAdmin}, false, nil, []string{"/v2", "/admin"}},
		{"leave alone, by default allowed", []string{allowRead}, true, []string{"/v1", "/v2"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := permissionsOf(t, "["+strings.Join(c.list, ",")+"]")
			for _, path := range c.allowed {
				if err := judge(x, c.byDefault, asked{method: "GET", path: path}); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			}
			for _, path := range c.denied {
				if err := judge(x, c.byDefault, asked{method: "GET", path: path}); err == nil {
					t.Errorf("%s is let pass", path)
				}
			}
		})
	}
}

// TestDoubtDenies has permissions that can't be judged, each before one that
// allows everything and under a default that allows: what reaches the former is
// denied, what plainly fails a condition of it is not its business.
func TestDoubtDenies(t *testing.T) {
	for _, c := range []struct{ name, permission, why string }{
		{"an action", `{"Action":"audit","HTTP":{"PathPrefix":"/v1"}}`, "audit"},
		{"no action", `{"HTTP":{"PathPrefix":"/v1"}}`, "action"},
		{"a token", `{"Action":"allow","HTTP":{"PathPrefix":"/v1"},"JWT":{"Providers":[{"Name":"okta"}]}}`, "token"},
		{"a token, to deny", `{"Action":"deny","HTTP":{"PathPrefix":"/v1"},"JWT":{}}`, "token"},
		{"an expression", `{"Action":"allow","HTTP":{"PathPrefix":"/v1","Header":[{"Name":"x","Regex":"("}]}}`, "compile"},
		{"an expression that would close ours", `{"Action":"allow","HTTP":{"PathPrefix":"/v1","Header":[{"Name":"x","Regex":"a)|(b"}]}}`, "compile"},
		{"nothing of a field", `{"Action":"allow","HTTP":{"PathPrefix":"/v1","Header":[{"Name":"x","Invert":true}]}}`, "0 things"},
		{"two things of a field", `{"Action":"allow","HTTP":{"PathPrefix":"/v1","Header":[{"Name":"x","Exact":"a","Prefix":"a"}]}}`, "2 things"},
		{"an expression without case", `{"Action":"allow","HTTP":{"PathPrefix":"/v1","Header":[{"Name":"x","Regex":"a","IgnoreCase":true}]}}`, "case"},
		{"no field", `{"Action":"allow","HTTP":{"PathPrefix":"/v1","Header":[{"Present":true}]}}`, "names none"},
		{"a pseudo-header", `{"Action":"allow","HTTP":{"PathPrefix":"/v1","Header":[{"Name":":scheme","Exact":"https"}]}}`, ":scheme"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := permissionsOf(t, "["+c.permission+`,{"Action":"allow","HTTP":{"PathPrefix":"/"}}]`)
			err := judge(x, true, asked{method: "GET", path: "/v1/x", fields: http.Header{"X": {"a"}}})
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("what meets it: %v", err)
			}
			if err := judge(x, true, asked{method: "GET", path: "/v2"}); err != nil {
				t.Errorf("what fails a condition: %v", err)
			}
			doubts := newRules([]*api.Intention{x}).judge(true, nil).doubts()
			if len(doubts) != 1 || !strings.Contains(doubts[0], c.why) || !strings.Contains(doubts[0], "permission 1 of shop") {
				t.Errorf("the doubts are %q", doubts)
			}
		})
	}
	for _, c := range []struct{ name, permission string }{
		{"nothing", `null`},
		{"no condition", `{"Action":"allow"}`},
		{"an empty condition", `{"Action":"allow","HTTP":{}}`},
		{"two things of the path", `{"Action":"allow","HTTP":{"PathExact":"/a","PathPrefix":"/"}}`},
		{"an expression of the path", `{"Action":"allow","HTTP":{"PathRegex":"[z-a]"}}`},
	} {
		if err := judge(permissionsOf(t, "["+c.permission+"]"), true, asked{method: "GET", path: "/"}); err == nil {
			t.Errorf("%s is let pass", c.name)
		}
	}
}

// What is no UTF-8 is matched in one way by RE2 and in another one by Go.
func TestOctetsDeny(t *testing.T) {
	r := asked{method: "GET", path: "/", fields: http.Header{"X": {"a\xff"}}}
	for _, action := range []string{"allow", "deny"} {
		x := permissionsOf(t, `[{"Action":"`+action+`","HTTP":{"Header":[{"Name":"x","Regex":"b"}]}}]`)
		if judge(x, true, r) == nil {
			t.Errorf("%s lets it pass", action)
		}
	}
}

// A path that no request can have would make a denial be for nobody.
func TestPathsAreNormal(t *testing.T) {
	normal := func(path string) bool { return !strings.Contains(path, "/.x") && !strings.Contains(path, "%c3") }
	for _, c := range []struct {
		http  string
		doubt bool
	}{
		{`"PathExact":"/caf%c3%a9"`, true},
		{`"PathPrefix":"/caf%c3%a9"`, true},
		{`"PathPrefix":"/."`, true}, // of this normal, which is asked about a path that goes on
		{`"PathExact":"/."`, false},
		{`"PathPrefix":"/"`, false},
	} {
		x := permissionsOf(t, `[{"Action":"deny","HTTP":{`+c.http+`}}]`)
		if got := len(newRules([]*api.Intention{x}).judge(true, normal).doubts()) > 0; got != c.doubt {
			t.Errorf("%s: %t", c.http, got)
		}
	}
}

// What an entry says and Consul's client does not know is not passed over.
func TestEntryDetails(t *testing.T) {
	for _, c := range []struct {
		name, entry string
		token       bool
		doubt       string
		changed     bool
	}{
		{"the same", `{"Sources":[{"Name":"api","Action":"deny"},{"Name":"shop","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/","Methods":[]}}]}]}`, false, "", false},
		{"null", `{"JWT":null,"Sources":[{"Name":"shop","Namespace":"default","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/"}}]}]}`, false, "", false},
		{"a token", `{"JWT":{"Providers":[{"Name":"okta"}]},"Sources":[{"Name":"shop","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/"}}]}]}`, true, "", false},
		{"a condition", `{"Sources":[{"Name":"shop","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/","Query":"a"}}]}]}`, false, "Query", false},
		{"a requirement", `{"Sources":[{"Name":"shop","Permissions":[{"Action":"allow","GRPC":{},"HTTP":{"PathPrefix":"/"}}]}]}`, false, "GRPC", false},
		{"another path", `{"Sources":[{"Name":"shop","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/a"}}]}]}`, false, "", true},
		{"one more", `{"Sources":[{"Name":"shop","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/"}},{"Action":"deny","HTTP":{"PathPrefix":"/"}}]}]}`, false, "", true},
		{"a peer's", `{"Sources":[{"Name":"shop","Peer":"east","Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/"}}]}]}`, false, "", true},
		{"gone", `{}`, false, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e entry
			if err := json.Unmarshal([]byte(c.entry), &e); err != nil {
				t.Fatal(err)
			}
			r := newRules([]*api.Intention{permitting("shop", 9)})
			if err := e.detail(r[0]); errors.Is(err, errChanged) != c.changed || (err != nil) != c.changed {
				t.Fatal(err)
			}
			if r[0].token != c.token {
				t.Errorf("token is %t", r[0].token)
			}
			r.judge(false, nil)
			_, err := r[0].judged.judge(asked{method: "GET", path: "/"})
			if (err != nil) != (c.doubt != "") || err != nil && !strings.Contains(err.Error(), c.doubt) {
				t.Errorf("judged: %v", err)
			}
		})
	}
}

// A source that needs a token is not let in without one, whatever it is allowed.
func TestTokensDeny(t *testing.T) {
	shop := ID{Service: "shop"}
	for _, c := range []struct {
		name   string
		x      *api.Intention
		doubts int
	}{
		{"allow", allow("shop", 9), 1}, {"deny", deny("shop", 9), 0}, {"permissions", permitting("shop", 9), 1},
	} {
		r := newRules([]*api.Intention{c.x})
		r[0].token = true
		if d, byRule := r.judge(true, nil).decide(shop); d.allowed || !byRule {
			t.Errorf("%s: %+v", c.name, d)
		}
		if got := r.doubts(); len(got) != c.doubts {
			t.Errorf("%s: the doubts are %q", c.name, got)
		}
	}
}

// TestRulesChange tells changes of what is judged from none.
func TestRulesChange(t *testing.T) {
	base := func() rules { return newRules([]*api.Intention{permitting("shop", 9)}) }
	if !base().equal(base()) {
		t.Error("the same differ")
	}
	for name, change := range map[string]func(x *rule){
		"a path":       func(x *rule) { x.Permissions[0].HTTP.PathPrefix = "/a" },
		"an action":    func(x *rule) { x.Permissions[0].Action = api.IntentionActionDeny },
		"a token":      func(x *rule) { x.token = true },
		"a strange":    func(x *rule) { x.strange = []error{errors.New("strange")} },
		"one more":     func(x *rule) { x.Permissions = append(x.Permissions, x.Permissions[0]) },
		"a permission": func(x *rule) { x.Permissions[0].JWT = &api.IntentionJWTRequirement{} },
	} {
		r := base()
		change(r[0])
		if r.equal(base()) {
			t.Errorf("%s is no change", name)
		}
	}
}
