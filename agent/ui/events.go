package ui

import (
	"compress/gzip"
	"io"
	"net/http"
	"time"
)

// writeTime is how long a viewer may take to take a message.
const writeTime = 30 * time.Second

// events streams what happens to one viewer, until it goes, its session ends or
// the gateway does.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	if !h.sampler.watch() {
		w.Header().Set("Retry-After", "10")
		h.fail(w, http.StatusServiceUnavailable, "overloaded", "Too many are watching already")
		return
	}
	defer h.sampler.leave()
	w.Header().Set("Content-Type", "text/event-stream")
	var out io.Writer = w
	flush := func() error { return nil }
	if takesGzip(r) {
		w.Header().Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level exists
		defer func() { _ = z.Close() }()               // nobody is there to be told
		out, flush = z, z.Flush
	}
	control := http.NewResponseController(w)
	send := func(message []byte) bool {
		_ = control.SetWriteDeadline(time.Now().Add(writeTime)) // a writer without deadlines has none
		_, err := out.Write(message)
		if err == nil {
			err = flush()
		}
		if err == nil {
			err = control.Flush()
		}
		return err == nil
	}
	message, seen, more := h.sampler.next(0, true)
	for send(message) {
		select {
		case <-r.Context().Done():
			return
		case <-more:
		}
		if !h.admitted(r) {
			_ = send([]byte("event: signed-out\ndata: {}\n\n"))
			return
		}
		message, seen, more = h.sampler.next(seen, false)
	}
}
