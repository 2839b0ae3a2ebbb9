package config

import (
	"path/filepath"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/attr"
)

// reader reads attributes, and knows what the reading of a whole configuration
// has to be told.
type reader struct {
	attr.Reader
	// partial says that a file could not be read, so that a name may well be
	// defined where nobody has looked.
	partial bool
	// noStore says that no limit can be shared: a whole configuration is read,
	// and it has no store.
	noStore bool
	// remote are the texts that lie elsewhere; see remote.go.
	remote remote
	// prefixAt is where policies.kv_prefix was written.
	prefixAt hcl.Range
	// noFleet says that no limit can be shared out: a whole configuration is read,
	// and it registers no service.
	noFleet bool
	// mesh is what is known of the service mesh; see connect.go.
	mesh meshRules
	// places is what is known of where instances may be; see elsewhere.go.
	places placeRules
	// listening are the listeners, and noListeners says that they are not known,
	// because no agent's configuration is read.
	listening   []Listener
	noListeners bool
}

// integer reads a whole number from least to most.
func (r *reader) integer(a *hcl.Attribute, def, least, most int) int {
	return int(r.Int(a, int64(def), int64(least), int64(most)))
}

// path reads a file name. A relative one belongs to the file that names it.
func (r *reader) path(a *hcl.Attribute, def string) string {
	s := r.Text(a, "")
	if s == "" {
		return def
	}
	return r.resolve(s, a.Expr.Range())
}

// resolvePath makes a relative path relative to the file that holds at.
func resolvePath(path string, at hcl.Range) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(at.Filename), path)
}
