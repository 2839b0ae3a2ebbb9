package harness

import (
	"path/filepath"
	"sync"
	"testing"
)

// h2spec is found, or built, once for all tests of a run.
var h2spec = sync.OnceValues(func() (string, error) {
	source, err := root()
	if err != nil {
		return "", err
	}
	return output(filepath.Join(source, "e2e", "tools", "build.sh"), "e2e/h2spec", "github.com/summerwind/h2spec/cmd/h2spec")
})

// H2spec returns the path of h2spec, the suite of HTTP/2's conformance tests, in the
// version that e2e/h2spec pins.
func H2spec(t testing.TB) string {
	t.Helper()
	path, err := h2spec()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
