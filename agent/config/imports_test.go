package config

import (
	"go/build"
	"testing"
)

// TestImports keeps out what reading a configuration has no use for.
func TestImports(t *testing.T) {
	forbidden := map[string]string{
		"github.com/lictor/lictor/proxy":          "a configuration is read without a data plane",
		"github.com/lictor/lictor/proxy/upstream": "the names of balancers come in through Options",
		"github.com/hashicorp/consul/api":         "the package opens no connection",
		"net/http":                                "the package opens no connection",
	}
	pkg, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(pkg.Imports) == 0 {
		t.Fatal("no imports were found")
	}
	for _, path := range pkg.Imports {
		if why, ok := forbidden[path]; ok {
			t.Errorf("imports %s, but %s", path, why)
		}
	}
}
