package limit

import (
	"bytes"
	"strings"

	"github.com/lictor/lictor/proxy/router"
)

// Hosts are the hosts that routes name. A key made of the host counts every
// other host as one, because a client may send any it likes, and each would be
// a fresh budget.
type Hosts struct{ exact, suffix map[string]string }

// otherHost is the class of the hosts that no route names.
const otherHost = "*"

// NewHosts takes hosts as routes name them: exact names and "*.suffix".
func NewHosts(names []string) *Hosts {
	h := &Hosts{exact: map[string]string{}, suffix: map[string]string{}}
	for _, n := range names {
		n = strings.TrimSuffix(strings.ToLower(n), ".")
		if s, ok := strings.CutPrefix(n, "*."); ok {
			h.suffix[s] = n
		} else {
			h.exact[n] = n
		}
	}
	return h
}

// Class returns the host or wildcard of a route that covers a received Host,
// or "*".
func (h *Hosts) Class(host []byte) string {
	if h == nil {
		return otherHost
	}
	var space [256]byte
	if len(host) > len(space) {
		return otherHost
	}
	lower := router.AppendHost(space[:0], host) // as routes compare it
	if n, ok := h.exact[string(lower)]; ok {
		return n
	}
	for {
		i := bytes.IndexByte(lower, '.')
		if i < 0 {
			return otherHost
		}
		lower = lower[i+1:]
		if n, ok := h.suffix[string(lower)]; ok {
			return n
		}
	}
}
