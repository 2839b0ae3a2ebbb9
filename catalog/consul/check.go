package consul

import (
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// checkMemory is how long a service is known to declare checks after the last
// one was seen.
const checkMemory = 30 * time.Second

// declares remembers whether a service declares checks of its own, for
// Config.RequireServiceCheck: "an instance of a service that declares checks is
// eligible only once one of them has passed".
//
// Where the check is registered together with the instance, Consul itself sees
// to that: a new check is critical until it passes. The gap is the instance
// that is registered first and its check a moment later. In between Consul
// calls it passing, on the word of its node alone, and its data says nowhere
// that a check is to come. So the service is judged by what its instances show:
//
//   - any instance with a check of its own: the service declares checks, and an
//     instance without one is waited for;
//   - none now, but one within the last 30 s: it still does. This covers the
//     last instance being replaced. It ends by itself, so that a service whose
//     checks were taken away on purpose is not lost for good;
//   - none: the service has no checks, and every instance is eligible.
//
// The first instance ever of a service can't be told from one of a service
// without checks, and is believed.
type declares struct {
	last time.Time // when a check was last seen, zero for never
}

// note takes in an answer. It reports whether instances without a check are to
// be waited for, and for how long at most before the answer has to be judged
// anew; 0 means as long as it stands.
func (d *declares) note(now time.Time, entries []*api.ServiceEntry) (required bool, revisit time.Duration) {
	for _, e := range entries {
		if e != nil && hasServiceCheck(e) {
			d.last = now
			return true, 0
		}
	}
	if len(entries) == 0 || d.last.IsZero() {
		return false, 0
	}
	if left := checkMemory - now.Sub(d.last); left > 0 {
		return true, left
	}
	return false, 0
}

// hasServiceCheck reports whether the entry has a check on its service, other
// than on its node. Maintenance mode is written as a check, but declares none.
func hasServiceCheck(e *api.ServiceEntry) bool {
	for _, c := range e.Checks {
		if c != nil && c.ServiceID != "" && !strings.HasPrefix(c.CheckID, api.ServiceMaintPrefix) {
			return true
		}
	}
	return false
}
