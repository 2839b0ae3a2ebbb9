package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// meshDescs are the metrics of the service mesh.
type meshDescs struct{ expiry, rotations, denied *prometheus.Desc }

func newMeshDescs(desc func(name, help string, labels ...string) *prometheus.Desc) meshDescs {
	return meshDescs{
		expiry:    desc("mesh_leaf_expiry_seconds", "Time until the gateway's certificate in the mesh ends, 0 while there is none."),
		rotations: desc("mesh_rotations_total", "Changes of the gateway's certificate in the mesh, and of the mesh's roots.", "kind"),
		denied:    desc("mesh_denied_total", "Requests that an intention denied the gateway (out), and connections and requests of clients in the mesh that were denied (in).", "direction"),
	}
}

// collect tells of the gateway's part in the mesh, if it takes one.
func (d *meshDescs) collect(out chan<- prometheus.Metric, m *mesh) {
	if m == nil {
		return
	}
	st := m.identity.Status()
	left := time.Until(st.NotAfter).Seconds()
	gauge(out, d.expiry, max(left, 0))
	counter(out, d.rotations, float64(st.LeafRotations), "leaf")
	counter(out, d.rotations, float64(st.RootRotations), "roots")
	counter(out, d.denied, float64(st.Denied), "out")
	var in uint64
	if m.intentions != nil {
		in = m.intentions.Denied()
	}
	counter(out, d.denied, float64(in), "in")
}
