package tracing

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// ParseHeaders reads the fields that go along with exports: lines of "Name: value".
// Empty lines, and those that begin with "#", mean nothing. No error quotes a value.
func ParseHeaders(text string) (http.Header, error) {
	out := http.Header{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || !proxy.IsFieldName(name) {
			return nil, fmt.Errorf(`line %d is not "Name: value"`, n)
		}
		out.Add(name, strings.TrimSpace(value))
	}
	return out, nil
}
