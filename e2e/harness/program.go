package harness

import (
	"path/filepath"
	"sync"
	"testing"
)

// finding is held while a program is looked for, since looking may install it.
var finding sync.Mutex

// Program returns the path of a program that is not ours: the one on PATH, or the
// one of a Debian package, which is installed where it is missing. A test that
// can't have its program fails.
func Program(t testing.TB, name, debian string) string {
	t.Helper()
	source, err := root()
	if err != nil {
		t.Fatal(err)
	}
	finding.Lock()
	defer finding.Unlock()
	path, err := output(filepath.Join(source, "e2e", "programs", "find.sh"), name, debian)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
