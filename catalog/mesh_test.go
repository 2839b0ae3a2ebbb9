package catalog

import "testing"

func TestMeshName(t *testing.T) {
	for _, name := range []string{"web", "", "web@mesh", "a b"} {
		if got, mesh := CutMeshName(MeshName(name)); got != name || !mesh {
			t.Errorf("%q comes back as %q, %t", name, got, mesh)
		}
	}
	if got, mesh := CutMeshName("web"); got != "web" || mesh {
		t.Errorf("a service in clear: %q, %t", got, mesh)
	}
}
