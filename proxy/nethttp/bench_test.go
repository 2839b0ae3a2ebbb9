package nethttp_test

import (
	"io"
	"net/http"
	"testing"
)

// BenchmarkRoundTrip measures a GET of 1 KiB over loopback: client, gateway and
// instance together, in one process.
func BenchmarkRoundTrip(b *testing.B) {
	kib := pattern(1024)
	for name, set := range protocols {
		b.Run(name, func(b *testing.B) {
			g := startGateway(b, nil, startInstance(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(kib) }))
			c := newClient(b, set)
			r, err := http.NewRequestWithContext(b.Context(), "GET", g.url+"/", nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				resp, err := c.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != 1024 {
					b.Fatal(n, err)
				}
				resp.Body.Close()
			}
		})
	}
}
