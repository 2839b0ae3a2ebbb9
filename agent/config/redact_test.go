package config

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/proxy/logfield"
	"github.com/lictor/lictor/proxy/step/limit"
)

func view(t *testing.T, c *Config) string {
	t.Helper()
	b, err := json.Marshal(c.Redacted())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRedactedHidesSecrets puts a secret wherever one might be written.
func TestRedactedHidesSecrets(t *testing.T) {
	const secret = "hunter2"
	for _, c := range []*Config{
		{Consul: &Consul{Address: "https://user:hunter2@consul:8501"}},
		{Consul: &Consul{Address: "https://hunter2@consul:8501"}},
		{Consul: &Consul{Address: "user:hunter2@consul:8501"}},
		{Consul: &Consul{Address: "https://consul:8501/?token=hunter2"}},
		{Consul: &Consul{Address: "://user:hunter2@consul"}},
		{Services: []Service{{Check: &Check{HTTP: "/health?key=hunter2"}}}},
		{Policy: Policy{Routes: []Route{{Headers: map[string]string{"authorization": "Bearer hunter2"}}}}},
		{Policy: Policy{Routes: []Route{{Headers: map[string]string{"cookie": "a=hunter2"}}}}},
		{Policy: Policy{Routes: []Route{{Headers: map[string]string{"x-api-key": "hunter2"}}}}},
		{Policy: Policy{Routes: []Route{{Query: map[string]string{"access_token": "hunter2"}}}}},
		{Policy: Policy{Routes: []Route{{Query: map[string]string{"Password": "hunter2"}}}}},
		{Policy: Policy{Routes: []Route{{Steps: []Step{{Type: "jwt", Spec: struct{ Secret string }{secret}}}}}}},
		{Policy: Policy{Providers: []Provider{{Type: "jwt", Name: "main", Spec: map[string]string{"a": secret}}}}},
	} {
		if got := view(t, c); strings.Contains(got, secret) {
			t.Errorf("%+v: the view holds the secret: %s", c, got)
		}
	}
}

func TestRedactedKeepsTheRest(t *testing.T) {
	for _, address := range []string{"127.0.0.1:8500", "https://consul.example.com:8501", "unix:///run/consul.sock", "[::1]:8500", ""} {
		if got := redactedAddress(address); got != address {
			t.Errorf("got %q, want %q", got, address)
		}
	}
	if got := redactedAddress("https://user:hunter2@consul:8501/x"); got != "https://(redacted)@consul:8501/x" {
		t.Errorf("got %q", got)
	}
}

// requestsOnly are the fields of a Route that a tcp_route has no use for.
var requestsOnly = []string{
	"Last", "Hosts[0]", "Path", "PathPrefix", "PathPattern", "PathRegex", "Methods[0]", "Headers", "Query",
	"Protocol", "PreparedQuery", "StripPrefix", "HostHeader", "InheritLimits", "Timeout", "MaxBody",
	"Split[0].Service", "Split[0].Weight", "Split[0].Tags[0]", "Split[0].Port",
}

// TestRedactedIsComplete changes every value of a Config, one at a time, and
// wants the view to change with it.
func TestRedactedIsComplete(t *testing.T) {
	c := &Config{}
	grow(reflect.ValueOf(c).Elem())
	base := view(t, c)
	leaves := 0
	eachLeaf(reflect.ValueOf(c).Elem(), "Config", func(path string, v reflect.Value) {
		if field, ofTCP := strings.CutPrefix(path, "Config.Policy.TCPRoutes[0].Route."); ofTCP && slices.Contains(requestsOnly, field) {
			return
		}
		leaves++
		old := reflect.ValueOf(v.Interface())
		switch v.Kind() {
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Float64:
			v.SetFloat(v.Float() + 1)
		case reflect.Uint8, reflect.Uint16:
			v.SetUint(v.Uint() + 1)
		case reflect.Map:
			if v.Type().Elem().Kind() == reflect.Int {
				v.Set(reflect.ValueOf(map[string]int{"a": 1}))
			} else {
				v.Set(reflect.ValueOf(map[string]string{"a": "b"}))
			}
		case reflect.Struct:
			v.Set(reflect.ValueOf(netip.MustParsePrefix("192.0.2.0/24")))
		default:
			t.Fatalf("%s is a %s", path, v.Kind())
		}
		if view(t, c) == base {
			t.Errorf("%s does not show", path)
		}
		v.Set(old)
	})
	if leaves < 70 {
		t.Errorf("only %d values were tried", leaves)
	}
	if view(t, c) != base {
		t.Error("a value was not put back")
	}
}

// grow gives every slice one element and every pointer something to point at.
func grow(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				grow(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		grow(v.Index(0))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		grow(v.Elem())
	}
}

// eachLeaf calls f for every value that means something by itself. Where a
// block was written means nothing to the view, and what steps decode is theirs
// to show.
func eachLeaf(v reflect.Value, path string, f func(string, reflect.Value)) {
	switch v.Type() {
	case reflect.TypeFor[hcl.Range](), reflect.TypeFor[Step](), reflect.TypeFor[Provider](), reflect.TypeFor[limit.KeyPart](), reflect.TypeFor[logfield.Spec]():
		return
	case reflect.TypeFor[netip.Prefix]():
		f(path, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				eachLeaf(v.Field(i), path+"."+field.Name, f)
			}
		}
	case reflect.Slice:
		eachLeaf(v.Index(0), path+"[0]", f)
	case reflect.Pointer:
		eachLeaf(v.Elem(), path, f)
	case reflect.Interface:
	default:
		f(path, v)
	}
}
