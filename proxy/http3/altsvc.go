package http3

import (
	"strconv"
	"time"
)

// AltSvc returns the value of Alt-Svc (RFC 7838 section 3) that sends clients to
// the same host's port by HTTP/3, for the time of whole seconds that they may
// remember it.
func AltSvc(port uint16, age time.Duration) string {
	return `h3=":` + strconv.Itoa(int(port)) + `"; ma=` + strconv.FormatInt(int64(age/time.Second), 10)
}
