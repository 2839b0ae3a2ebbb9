package proxy

import (
	"math/rand/v2"
	"slices"
	"time"
)

// maxNoted bounds what is kept of one field of a response for the log, in bytes.
const maxNoted = 2 << 10

// LogField is a field of log lines beside the usual ones.
type LogField struct {
	// Name is what the field is called in the line: letters, digits, "_", "." and "-".
	Name string
	// Text or Bytes returns the value, which is only lent; empty when there is none.
	// One of the two is set.
	Text  func(x *Exchange) string
	Bytes func(x *Exchange) []byte
	// Response is the name of the response's field that Bytes asks Noted for, in
	// lower case; empty for none.
	Response string
}

func (f *LogField) append(b []byte, e *logLine) []byte {
	b = append(append(append(b, `,"`...), f.Name...), `":`...)
	if f.Text != nil {
		return appendJSONString(b, e.clip(stringBytes(f.Text(e.x))))
	}
	return appendJSONString(b, e.clip(f.Bytes(e.x)))
}

// usualFields are those that lines in JSON have anyway.
var usualFields = []string{
	"time", "request_id", "client", "user", "method", "host", "path", "query", "status", "bytes_in", "bytes_out", "duration_ms", "upstream_ms",
	"route", "service", "instance", "retries", "limit", "limit_key_class", "user_agent", "referer", "tls", "protocol", "error", "trace_id", "span_id",
}

// UsualLogField reports whether lines in JSON have a field of that name anyway.
func UsualLogField(name string) bool { return slices.Contains(usualFields, name) }

// LogSample chooses which requests have a line: those that went wrong or took long,
// and one in so many of the others.
type LogSample struct {
	// KeepStatus is the status from which on a request has a line anyway, as has one
	// without a status. 0 means every one has.
	KeepStatus int
	// KeepSlower is how long a request takes that has a line anyway; 0 means that
	// none has for that.
	KeepSlower time.Duration
	// OneIn is of how many others one has a line, on average; 0 means none.
	OneIn uint64
	// Routes has OneIn for routes by name, "-" for requests that no route took.
	Routes map[string]uint64
}

func (s *LogSample) keeps(x *Exchange, took time.Duration) bool {
	if x.Response.Status >= s.KeepStatus || x.Response.Status == 0 && !x.complete || s.KeepSlower > 0 && took >= s.KeepSlower {
		return true
	}
	n := s.OneIn
	if len(s.Routes) > 0 {
		name := "-"
		if x.Route != nil {
			name = x.Route.Name()
		}
		if of, ok := s.Routes[name]; ok {
			n = of
		}
	}
	switch n {
	case 0:
		return false
	case 1:
		return true
	}
	return rand.Uint64N(n) == 0 //nolint:gosec // a choice, not a secret
}

// logSet is all logs, and what they want to know of responses. It is immutable.
type logSet struct {
	logs      []*Log
	responses []string // names of fields, in lower case
}

// SetLogs changes where access log lines go of requests that begin from now on; none
// turns them off.
func (p *Proxy) SetLogs(logs ...*Log) {
	set := &logSet{logs: logs}
	for _, l := range logs {
		for _, f := range l.Fields {
			if f.Response != "" && !slices.Contains(set.responses, f.Response) {
				set.responses = append(set.responses, f.Response)
			}
		}
	}
	p.logs.Store(set)
}

// noteResponse keeps of the response what logs want to know of it, just before its
// head goes out: when the line is written, its bytes may be somebody else's.
func (x *Exchange) noteResponse() {
	if x.logs == nil || len(x.logs.responses) == 0 {
		return
	}
	x.noted, x.notedEnds = x.noted[:0], x.notedEnds[:0]
	for _, name := range x.logs.responses {
		v, _ := x.Response.Fields.Lookup(name)
		x.noted = append(x.noted, v[:min(len(v), maxNoted)]...)
		x.notedEnds = append(x.notedEnds, len(x.noted))
	}
}

// Noted returns a field of the response that a log's LogField.Response names, nil
// when no head went out.
func (x *Exchange) Noted(name string) []byte {
	if x.logs == nil {
		return nil
	}
	i := slices.Index(x.logs.responses, name)
	if i < 0 || i >= len(x.notedEnds) {
		return nil
	}
	start := 0
	if i > 0 {
		start = x.notedEnds[i-1]
	}
	return x.noted[start:x.notedEnds[i]]
}
