package http1_test

import (
	"bytes"
	"io"
	"net/http"
	"syscall"
	"testing"

	"github.com/lictor/lictor/proxy/trial/loopback"
)

// BenchmarkPairs measures the processor time of a request of 1 KiB each way over
// loopback, of client, gateway and instance together: what differs between two pairs
// is the gateway's doing.
func BenchmarkPairs(b *testing.B) {
	kib := pattern(1024)
	for _, pair := range []struct {
		name string
		e    engine
	}{
		{"HTTP2 to nethttp", h2c(standard)},
		{"HTTP2 to HTTP2", h2c(muxed)},
		{"http1 to HTTP2", either(ours, muxed)},
		{"HTTP2 to http1", h2c(either(standard, ours))},
		{"http1 to nethttp over TLS", overTLS(either(ours, standard))},
		{"http1 to http1 over TLS", overTLS(ours)},
	} {
		for _, method := range []string{"GET", "POST"} {
			b.Run(pair.name+"/"+method, func(b *testing.B) {
				g := startGateway(b, pair.e, nil, loopback.Instance(b, sniffing{loopback.Listen(b)}, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = w.Write(kib)
				}))
				c := g.client()
				before := processorTime(b)
				for b.Loop() {
					var body io.Reader
					if method == "POST" {
						body = bytes.NewReader(kib)
					}
					r, err := http.NewRequestWithContext(b.Context(), method, g.URL+"/", body)
					if err != nil {
						b.Fatal(err)
					}
					if resp, got := loopback.Do(b, c, r); resp.StatusCode != 200 || len(got) != len(kib) {
						b.Fatalf("%d, %d bytes", resp.StatusCode, len(got))
					}
				}
				b.ReportMetric(float64(processorTime(b)-before)/1e3/float64(b.N), "cpu-us/op")
			})
		}
	}
}

// processorTime is what the process has used so far, in nanoseconds.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
