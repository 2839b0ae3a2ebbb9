package agent

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
)

// Bounds of those who read the log over the admin API.
const (
	maxMonitors    = 8
	monitorBacklog = 1024 // lines that wait for one of them; more are dropped
)

// monitor is one reader of the gateway's log. It is a writer that never waits.
type monitor struct {
	lines   chan []byte
	dropped atomic.Uint64
}

// Write takes one line.
func (m *monitor) Write(p []byte) (int, error) {
	select {
	case m.lines <- append([]byte(nil), p...):
	default:
		m.dropped.Add(1)
	}
	return len(p), nil
}

// monitorLog streams the gateway's own log as it comes, from a level on, whatever
// level the log itself has.
func (ad *admin) monitorLog(w http.ResponseWriter, r *http.Request) {
	level := hclog.Info
	if name := r.URL.Query().Get("log_level"); name != "" {
		if level = hclog.LevelFromString(name); level == hclog.NoLevel {
			writeProblem(w, http.StatusBadRequest, "bad-level", fmt.Sprintf("%q is no log level: TRACE, DEBUG, INFO, WARN or ERROR", name))
			return
		}
	}
	if ad.monitors.Add(1) > maxMonitors {
		ad.monitors.Add(-1)
		writeProblem(w, http.StatusServiceUnavailable, "too-many-monitors", fmt.Sprintf("%d others read the log already", maxMonitors))
		return
	}
	defer ad.monitors.Add(-1)
	m := &monitor{lines: make(chan []byte, monitorBacklog)}
	sink := hclog.NewSinkAdapter(&hclog.LoggerOptions{
		Name: "lictor", Level: level, JSONFormat: ad.agent.config.LogJSON, Output: m, TimeFormat: logTime,
	})
	ad.agent.log.RegisterSink(sink)
	defer ad.agent.log.DeregisterSink(sink)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flush := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	for flush.Flush() == nil {
		select {
		case <-r.Context().Done():
			return
		case line := <-m.lines:
			if ad.guard.token != nil && !ad.guard.authorized(r) {
				return // another token has taken the place of the reader's
			}
			var b strings.Builder
			b.Write(line)
			for n := len(m.lines); n > 0; n-- {
				b.Write(<-m.lines)
			}
			if n := m.dropped.Swap(0); n > 0 {
				fmt.Fprintf(&b, "... %d lines were dropped here\n", n)
			}
			if _, err := w.Write([]byte(b.String())); err != nil {
				return // the reader has gone
			}
		}
	}
}
