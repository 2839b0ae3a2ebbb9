package config

import (
	"strings"
	"testing"
)

// gatewayWithKV is an agent's configuration that takes policies from Consul.
const gatewayWithKV = `
listener "public" {
  address = "127.0.0.1:0"
}
consul {
}
policies {
  kv_prefix = "lictor/policies"
}
limit "token_bucket" "of_file" {
  rate = "1/s"
}
jwt "of_file" {
  json_web_key_set {
    remote {
      uri = "https://id.example.com/jwks.json"
    }
  }
}
`

// loadRemote loads a gateway and texts that lie in Consul, by key.
func loadRemote(t *testing.T, agent string, texts map[string]string) (*Config, string) {
	t.Helper()
	in := Input{ConfigDirs: []string{tree(t, map[string]string{"agent.hcl": agent})}, Options: testOptions()}
	for key, text := range texts {
		in.Policies = append(in.Policies, Source{Name: "kv:lictor/policies/" + key, Text: []byte(text), Remote: true})
	}
	c, files, diags := Load(in)
	return c, rendered(t, files, diags)
}

func TestRemotePolicies(t *testing.T) {
	c, said := loadRemote(t, gatewayWithKV, map[string]string{
		"api.hcl": `
limit "token_bucket" "of_kv" {
  rate = "1/s"
}
jwt "of_kv" {
  json_web_key_set {
    remote {
      uri = "https://id.example.com/jwks.json"
    }
  }
}
route "api" {
  path_prefix = "/api"
  service     = "api"
  limits      = ["of_file", "of_kv"]
  jwt {
    provider = "of_file"
  }
  jwt {
    provider = "of_kv"
  }
}
defaults {
  limits = ["of_kv"]
}
`,
		"team/more.json": `{"route": {"more": {"path": "/more", "service": "more"}}}`,
	})
	if said != "" {
		t.Fatal(said)
	}
	if len(c.Policy.Routes) != 2 || len(c.Policy.Limits) != 2 || c.Policies.KVPrefix != "lictor/policies/" {
		t.Errorf("got %d routes and %d limits of %q", len(c.Policy.Routes), len(c.Policy.Limits), c.Policies.KVPrefix)
	}
	for _, r := range c.Policy.Routes {
		if !strings.HasPrefix(r.Range.Filename, "kv:lictor/policies/") {
			t.Errorf("route %s is at %s", r.Name, r.Range)
		}
	}
}

// TestRemotePoliciesRefused wants one error each, at the key and line.
func TestRemotePoliciesRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		agent, text string
		want        []string
	}{
		"a setting of the agent": {
			gatewayWithKV, "log_level = \"DEBUG\"\n",
			[]string{"Agent setting in a policy file", "kv:lictor/policies/x.hcl line 1"},
		},
		"a block of the agent": {
			gatewayWithKV, "\nerror_page {\n  status = [404]\n  file = \"/etc/passwd\"\n}\n",
			[]string{"Agent setting in a policy file", "kv:lictor/policies/x.hcl line 2"},
		},
		"a misspelt attribute": {
			gatewayWithKV, "route \"x\" {\n  servce = \"x\"\n  service = \"x\"\n}\n",
			[]string{"Unsupported argument", "kv:lictor/policies/x.hcl line 2", `"servce"`},
		},
		"no HCL": {
			gatewayWithKV, "route \"x\" {\n  service = \n}\n",
			[]string{"kv:lictor/policies/x.hcl line 2"},
		},
		"a name of a file": {
			gatewayWithKV, "limit \"token_bucket\" \"of_file\" {\n  rate = \"2/s\"\n}\n",
			[]string{"Duplicate limit", "kv:lictor/policies/x.hcl line 1", "agent.hcl:"},
		},
		"a provider of a file": {
			gatewayWithKV, "jwt \"of_file\" {\n  json_web_key_set {\n    remote {\n      uri = \"https://x.example\"\n    }\n  }\n}\n",
			[]string{"Duplicate jwt", "kv:lictor/policies/x.hcl line 1"},
		},
		"a second defaults": {
			gatewayWithKV + "defaults {\n  limits = [\"of_file\"]\n}\n", "defaults {\n}\n",
			[]string{"Duplicate defaults block", "kv:lictor/policies/x.hcl line 1"},
		},
		"keys in a file": {
			gatewayWithKV, "jwt \"x\" {\n  json_web_key_set {\n    local {\n      filename = \"jwks.json\"\n    }\n  }\n}\n",
			[]string{fileNamedElsewhere, "kv:lictor/policies/x.hcl line 4", "jwks.json"},
		},
		"a secret in a file": {
			gatewayWithKV, "jwt \"x\" {\n  algorithms = [\"HS256\"]\n  json_web_key_set {\n    hmac {\n      secret_file = \"/etc/shadow\"\n    }\n  }\n}\n",
			[]string{fileNamedElsewhere, "kv:lictor/policies/x.hcl line 5"},
		},
		"authorities in a file": {
			gatewayWithKV, "route \"x\" {\n  service = \"x\"\n  upstream_tls {\n    ca_file = \"/etc/ssl/ca.pem\"\n  }\n}\n",
			[]string{fileNamedElsewhere, "kv:lictor/policies/x.hcl line 4"},
		},
		"an unknown limit": {
			gatewayWithKV, "route \"x\" {\n  service = \"x\"\n  limits = [\"of_fil\"]\n}\n",
			[]string{"Unknown limit", "kv:lictor/policies/x.hcl line 3", `Did you mean "of_file"?`},
		},
		"a file that refers to a limit": {
			gatewayWithKV + "route \"f\" {\n  service = \"f\"\n  limits  = [\"of_kv\"]\n}\n", "limit \"token_bucket\" \"of_kv\" {\n  rate = \"2/s\"\n}\n",
			[]string{"Limit defined elsewhere", "agent.hcl line", "kv:lictor/policies/x.hcl:1"},
		},
		"a file that refers to a provider": {
			gatewayWithKV + "route \"f\" {\n  service = \"f\"\n  jwt {\n    provider = \"of_kv\"\n  }\n}\n",
			"jwt \"of_kv\" {\n  json_web_key_set {\n    remote {\n      uri = \"https://x.example\"\n    }\n  }\n}\n",
			[]string{"agent.hcl line", `"of_kv"`},
		},
		"no consul": {
			strings.Replace(gatewayWithKV, "consul {\n}\n", "", 1), "",
			[]string{"No Consul for policies in Consul", "agent.hcl line"},
		},
		"a prefix with a slash": {
			strings.Replace(gatewayWithKV, "lictor/pol", "/lictor/pol", 1), "",
			[]string{"Invalid kv_prefix"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, said := loadRemote(t, tt.agent, map[string]string{"x.hcl": tt.text})
			if strings.Count(said, "Error: ") != 1 {
				t.Errorf("not one error:\n%s", said)
			}
			for _, w := range tt.want {
				if !strings.Contains(said, w) {
					t.Errorf("lacks %q:\n%s", w, said)
				}
			}
		})
	}
}

// Two keys of one path are wrong as well, and both are told.
func TestRemoteFilesEach(t *testing.T) {
	_, said := loadRemote(t, gatewayWithKV, map[string]string{
		"x.hcl": "route \"x\" {\n  service = \"x\"\n  upstream_tls {\n    cert_file = \"a.pem\"\n    key_file = \"/dev/zero\"\n  }\n}\n",
	})
	if strings.Count(said, "Error: ") != 2 || strings.Count(said, fileNamedElsewhere) != 2 {
		t.Errorf("got\n%s", said)
	}
}

// TestLastTexts has routes that have no say over those of policies.
func TestLastTexts(t *testing.T) {
	agent := gatewayWithKV + `
service "legacy" {
  instance {
    address = "10.0.0.1"
    port    = 80
  }
}
route "policy" {
  path_prefix = "/same"
  service     = "policy"
}
`
	in := Input{ConfigDirs: []string{tree(t, map[string]string{"agent.hcl": agent})}, Options: testOptions()}
	in.Policies = []Source{{Name: "tags of web", Remote: true, Last: true, Text: []byte(`
route "same-path" {
  path_prefix = "/same"
  service     = "web"
}
route "policy" {
  path_prefix = "/taken"
  service     = "web"
}
route "steal" {
  service = "legacy"
}
route "steal-all" {
  path = "/all"
  split "legacy" {
    weight = 1
  }
}
route "steal-some" {
  path = "/some"
  split "legacy" {
    weight = 1
  }
  split "web" {
    weight = 0
  }
}
`)}}
	c, files, diags := Load(in)
	said := rendered(t, files, diags)
	if diags.HasErrors() || len(diags) != 3 || strings.Count(said, `The service "legacy" is a static one`) != 3 {
		t.Fatal(said)
	}
	got := map[string]bool{}
	for _, r := range c.Policy.Routes {
		got[r.Name] = r.Last
		if r.Name == "steal-some" && (len(r.Split) != 1 || r.Split[0].Service != "web" || r.Split[0].Weight != 1) {
			t.Errorf("the shares are %+v", r.Split)
		}
	}
	if len(got) != 3 || got["policy"] || !got["same-path"] || !c.Policy.Routes[len(c.Policy.Routes)-1].Rule().Last {
		t.Errorf("got %v", got)
	}
}
