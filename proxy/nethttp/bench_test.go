package nethttp_test

import (
	"io"
	"net/http"
	"testing"
)

// BenchmarkRoundTrip measures a GET of 1 KiB over loopback: client, gateway and
// instance together, in one process. Without a gateway it shows what of that is
// the client's and the instance's.
func BenchmarkRoundTrip(b *testing.B) {
	kib := pattern(1024)
	b.Run("without", func(b *testing.B) {
		addr := startInstance(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(kib) })
		get(b, newClient(b, nil), "http://"+addr+"/")
	})
	for name, set := range protocols {
		b.Run(name, func(b *testing.B) {
			g := startGateway(b, nil, startInstance(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(kib) }))
			get(b, newClient(b, set), g.url+"/")
		})
	}
}

func get(b *testing.B, c *http.Client, url string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), "GET", url, nil)
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
}
