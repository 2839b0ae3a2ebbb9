package limit

import "testing"

func TestHosts(t *testing.T) {
	h := NewHosts([]string{"api.example.com", "*.example.com", "*.eu.example.com", "Other.Example.", "[2001:db8::1]", "localhost"})
	for host, want := range map[string]string{
		"api.example.com":          "api.example.com",
		"API.Example.COM":          "api.example.com",
		"api.example.com:8080":     "api.example.com",
		"api.example.com.":         "api.example.com",
		"api.example.com.:80":      "api.example.com",
		"api.example.com:":         "api.example.com",
		"api.example.com:x":        "*", // no port: no route takes it either
		"www.example.com":          "*.example.com",
		"a.b.example.com":          "*.example.com",
		"a.eu.example.com":         "*.eu.example.com",
		"eu.example.com":           "*.example.com",
		"example.com":              "*",
		"notexample.com":           "*",
		".example.com":             "*.example.com",
		"other.example":            "other.example",
		"[2001:db8::1]":            "[2001:db8::1]",
		"[2001:db8::1]:443":        "[2001:db8::1]",
		"[2001:db8::2]":            "*",
		"localhost:1":              "localhost",
		"":                         "*",
		".":                        "*",
		":80":                      "*",
		"*":                        "*",
		"*.example.com":            "*.example.com",
		string(make([]byte, 9999)): "*",
	} {
		if got := h.Class([]byte(host)); got != want {
			t.Errorf("%.50q is of the class %q, want %q", host, got, want)
		}
	}
	var none *Hosts
	if got := none.Class([]byte("api.example.com")); got != "*" {
		t.Errorf("without any: %q", got)
	}
	if n := testing.AllocsPerRun(100, func() { h.Class([]byte("Deep.Below.Example.com")) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzHosts: there are no more classes than names, however one spells a host.
func FuzzHosts(f *testing.F) {
	for _, s := range []string{"a.example.com", "[::1]:80", "..", "a:b:c", "\x00.example.com"} {
		f.Add(s)
	}
	h := NewHosts([]string{"api.example.com", "*.example.com", "[2001:db8::1]"})
	f.Fuzz(func(t *testing.T, host string) {
		switch got := h.Class([]byte(host)); got {
		case "*", "api.example.com", "*.example.com", "[2001:db8::1]":
		default:
			t.Errorf("%q is of the class %q", host, got)
		}
	})
}
