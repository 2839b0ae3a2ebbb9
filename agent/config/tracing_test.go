package config

import (
	"strings"
	"testing"
)

func tracingOf(t *testing.T, inside string) (*Config, string) {
	t.Helper()
	dir := tree(t, map[string]string{"x.hcl": "listener \"a\" {\n  address = \"127.0.0.1:0\"\n}\ntracing {\n" + inside + "\n}\n"})
	c, files, diags := Load(Input{ConfigDirs: []string{dir}, Options: testOptions()})
	return c, rendered(t, files, diags)
}

func TestCollectorURLs(t *testing.T) {
	for given, want := range map[string]string{
		"":                                  "",
		"http://127.0.0.1:4318":             "http://127.0.0.1:4318/v1/traces",
		"http://127.0.0.1:4318/":            "http://127.0.0.1:4318/v1/traces",
		"https://collector.example":         "https://collector.example/v1/traces",
		"https://collector.example/otlp/v1": "https://collector.example/otlp/v1",
		"http://[::1]:4318":                 "http://[::1]:4318/v1/traces",
	} {
		if c, bad := tracingOf(t, `otlp_endpoint = "`+given+`"`); bad != "" || c.Tracing.Endpoint != want {
			t.Errorf("%q: got %q, want %q: %s", given, c.Tracing.Endpoint, want, bad)
		}
	}
	for given, want := range map[string]string{
		"127.0.0.1:4318":                  "is not a URL, such as",
		"grpc://collector.example":        "OTLP over gRPC",
		"http://collector.example:4317":   "OTLP over gRPC",
		"ftp://collector.example":         "neither http nor https",
		"https://ada:SECRET@c.example":    "neither user, query nor fragment",
		"https://c.example/x?key=SECRET":  "neither user, query nor fragment",
		"https://c.example/x#SECRET":      "neither user, query nor fragment",
		"http://":                         "has no host",
		"http://collector.example:port/x": "can't be read",
	} {
		c, bad := tracingOf(t, `otlp_endpoint = "`+given+`"`)
		if c.Tracing.Endpoint != "" || !strings.Contains(strings.Join(strings.Fields(bad), " "), want) {
			t.Errorf("%q: got %q and %s, want %q", given, c.Tracing.Endpoint, bad, want)
		}
	}
}

// TestTracingSecrets: a secret leaves the machine by TLS, unless somebody has said
// that it need not.
func TestTracingSecrets(t *testing.T) {
	for inside, fine := range map[string]bool{
		"otlp_endpoint = \"http://collector.example\"\ntoken_file = \"t\"":                    false,
		"otlp_endpoint = \"http://collector.example\"\nheaders_file = \"h\"":                  false,
		"otlp_endpoint = \"http://collector.example\"\ntoken_file = \"t\"\ninsecure = true":   true,
		"otlp_endpoint = \"http://collector.example\"":                                        true,
		"otlp_endpoint = \"https://collector.example\"\ntoken_file = \"t\"\nca_file = \"ca\"": true,
		"otlp_endpoint = \"http://localhost:4318\"\ntoken_file = \"t\"":                       true,
		"otlp_endpoint = \"http://[::1]\"\nheaders_file = \"t\"":                              true,
	} {
		if _, bad := tracingOf(t, inside); (bad == "") != fine {
			t.Errorf("%s: got %q", inside, bad)
		}
	}
}
