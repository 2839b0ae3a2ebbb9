package limit

import (
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/lictor/lictor/limits"
)

func decode(t *testing.T, text string) (Spec, hcl.Diagnostics) {
	t.Helper()
	f, diags := hclparse.NewParser().ParseHCL([]byte(text), "limit.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	content, diags := f.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "limit", LabelNames: []string{"algorithm", "name"}}}})
	if diags.HasErrors() || len(content.Blocks) != 1 {
		t.Fatalf("%d blocks: %v", len(content.Blocks), diags)
	}
	return Decode(content.Blocks[0])
}

func TestDecodeDefaults(t *testing.T) {
	got, diags := decode(t, `limit "token_bucket" "a" { rate = "10/s" }`)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	block := limits.TokenBucket{Rate: "10/s"}
	own, err := block.Spec()
	if err != nil {
		t.Fatal(err)
	}
	want := Spec{
		Name: "a", Algorithm: "token_bucket", Limit: own, Key: []KeyPart{{Kind: ClientIP}},
		Scope: Local, Mode: Enforcing, Headers: Standard, OnStoreError: Share,
		Cost: 1, Lease: 1, MaxKeys: 1_000_000, IPv6Prefix: 64, IPv4Prefix: 32,
	}
	if !got.Equal(&want) || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDecodeEverything(t *testing.T) {
	got, diags := decode(t, `limit "leaky_bucket" "b" {
		rate           = "10/s"
		queue          = 4
		key            = []
		scope          = "fleet_share"
		mode           = "disabled"
		cost           = 5
		on_store_error = "closed"
		max_keys       = 10
		headers        = "off"
		ipv6_prefix    = 48
		ipv4_prefix    = 8
	}`)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	block := limits.LeakyBucket{Rate: "10/s", Queue: 4}
	own, err := block.Spec()
	if err != nil {
		t.Fatal(err)
	}
	want := Spec{
		Name: "b", Algorithm: "leaky_bucket", Limit: own, Key: []KeyPart{},
		Scope: FleetShare, Mode: Disabled, Headers: Off, OnStoreError: Closed,
		Cost: 5, Lease: 1, MaxKeys: 10, IPv6Prefix: 48, IPv4Prefix: 8,
	}
	if !got.Equal(&want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string // each in the summary or the detail of a diagnostic, one for one
	}{
		{"algorithm", `limit "token_buckett" "a" {}`, []string{`Did you mean "token_bucket"?`}},
		{"far-off algorithm", `limit "x" "a" {}`, []string{`The algorithms are token_bucket, `}},
		{"own attribute", `limit "token_bucket" "a" {
			rate  = "10/s"
			burts = 5
		}`, []string{`Did you mean "burst"?`}},
		{"common attribute", `limit "token_bucket" "a" {
			rate  = "10/s"
			max_key = 5
		}`, []string{`Did you mean "max_keys"?`}},
		{"attribute of another algorithm", `limit "token_bucket" "a" {
			rate  = "10/s"
			queue = 5
		}`, []string{`"queue" is not expected`}},
		{"lease of a local limit", `limit "token_bucket" "a" {
			rate  = "10/s"
			lease = 5
		}`, []string{`only a limit with scope = "shared"`}},
		{"large lease", `limit "token_bucket" "a" {
			rate  = "10/s"
			scope = "shared"
			lease = 11
		}`, []string{"A lease of 11 is more than the 10"}},
		{"lease and queue", `limit "leaky_bucket" "a" {
			rate  = "10/s"
			queue = 9
			scope = "shared"
			lease = 5
		}`, []string{"A queue has no leases"}},
		{"more than a store counts", `limit "fixed_window" "a" {
			limit  = 9007199254740992
			window = "1000d"
			scope  = "shared"
		}`, []string{"at most"}},
		{"missing", `limit "token_bucket" "a" {}`, []string{`"rate" is required`}},
		{"all at once", `limit "token_bucket" "a" {
			rate  = "10"
			burst = -1
			mode  = "off"
			cost  = 1.5
		}`, []string{"Invalid rate", "Invalid burst", "Invalid mode", "Invalid cost"}},
		{"cost", `limit "token_bucket" "a" {
			rate = "10/s"
			cost = 11
		}`, []string{"at most 10 can ever be spent"}},
		{"word", `limit "token_bucket" "a" {
			rate    = "10/s"
			headers = "standart"
		}`, []string{`Did you mean "standard"?`}},
		{"types", `limit "token_bucket" "a" {
			rate     = ["10/s"]
			mode     = true
			max_keys = []
			burst    = "x"
		}`, []string{"string required, but have tuple", `"true" is not one of`, "A whole number is required", "a number is required"}},
		{"variables", `limit "token_bucket" "a" {
			rate = var.rate
			cost = cost
		}`, []string{"Variables may not be used", "Variables may not be used"}},
		{"out of range", `limit "token_bucket" "a" {
			rate        = "10/s"
			max_keys    = 0
			ipv6_prefix = 129
			ipv4_prefix = 0
			cost        = 1e40
		}`, []string{"Invalid max_keys", "Invalid ipv6_prefix", "Invalid ipv4_prefix", "Invalid cost"}},
		{"block", `limit "token_bucket" "a" {
			rate = "10/s"
			key {
			}
		}`, []string{`Did you mean to define argument "key"?`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, diags := decode(t, c.text)
			if len(diags) != len(c.want) {
				t.Errorf("got %d diagnostics, want %d: %v", len(diags), len(c.want), diags.Errs())
			}
			for _, want := range c.want {
				found := false
				for _, d := range diags {
					found = found || strings.Contains(d.Summary+": "+d.Detail, want)
				}
				if !found {
					t.Errorf("no diagnostic with %q among %v", want, diags.Errs())
				}
			}
			for _, d := range diags {
				if d.Subject == nil {
					t.Errorf("%s: points nowhere", d.Summary)
				}
			}
		})
	}
}

// TestErrorPlaces wants an error to point at the value that it is about.
func TestErrorPlaces(t *testing.T) {
	_, diags := decode(t, `limit "token_bucket" "a" {
  rate  = "10"
  burst = -1
}`)
	var lines []int
	for _, d := range diags {
		lines = append(lines, d.Subject.Start.Line)
	}
	if want := []int{2, 3}; !reflect.DeepEqual(lines, want) {
		t.Errorf("errors in lines %v, want %v", lines, want)
	}
}

// TestNullIsDefault wants a null to mean what an absent attribute does.
func TestNullIsDefault(t *testing.T) {
	plain, diags := decode(t, `limit "token_bucket" "a" { rate = "10/s" }`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	null, diags := decode(t, `limit "token_bucket" "a" {
		rate = "10/s"
		key = null
		mode = null
		cost = null
		max_keys = null
		headers = null
	}`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if !plain.Equal(&null) {
		t.Errorf("got %+v, want %+v", null, plain)
	}
}

// TestNoAlgorithmTakesCommonNames wants no algorithm to have an attribute that
// every limit has: it would hide one of the two.
func TestNoAlgorithmTakesCommonNames(t *testing.T) {
	common, _ := gohcl.ImpliedBodySchema(Block{})
	for _, a := range limits.Algorithms() {
		own, _ := gohcl.ImpliedBodySchema(a.New())
		for _, o := range own.Attributes {
			for _, c := range common.Attributes {
				if o.Name == c.Name {
					t.Errorf("%s has %s of its own, which every limit has", a.Name, o.Name)
				}
			}
		}
	}
}
