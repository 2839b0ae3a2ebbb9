package http1_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/proxy/trial/loopback"
)

// TestChaos has instances and clients that break off anywhere. What must hold
// is that no exchange touches another one's bytes, which the race detector and
// the echoed bodies tell, that nothing stays in flight and that no goroutine is
// left behind.
func TestChaos(t *testing.T) {
	t.Parallel()
	everywhere(t, testChaos)
}

func testChaos(t *testing.T, e engine) {
	bad := func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Do") {
		case "close":
			closeNow(w)
		case "read and close":
			_, _ = io.CopyN(io.Discard, r.Body, 5000)
			closeNow(w)
		case "answer early":
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "much")
		case "half":
			_, _ = io.CopyN(io.Discard, r.Body, 5000)
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, strings.Repeat("x", 9000))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			echo(w, r)
		}
	}
	g := startGateway(t, e, nil, loopback.Instance(t, sniffing{loopback.Listen(t)}, bad), loopback.Instance(t, sniffing{loopback.Listen(t)}, bad))
	deeds := []string{"echo", "echo", "close", "read and close", "answer early", "half"}
	var clients sync.WaitGroup
	for i := range 16 {
		dice := rand.New(rand.NewPCG(1, uint64(i)))
		c := g.client()
		clients.Go(func() {
			for range 15 {
				one(t, c, g.URL, deeds[dice.IntN(len(deeds))], dice)
			}
		})
	}
	clients.Wait()
	g.WaitIdle()
}

// one sends one request, and gives it up half-way now and then.
func one(t *testing.T, c *http.Client, url, deed string, dice *rand.Rand) {
	want := string(pattern(dice.IntN(200_000)))
	ctx, cancel := context.WithTimeout(t.Context(), loopback.Patience)
	defer cancel()
	var body io.Reader = strings.NewReader(want)
	if dice.IntN(4) == 0 {
		body = io.MultiReader(io.LimitReader(body, int64(len(want)/2)), cancelReader{cancel}, body)
	} else if dice.IntN(2) == 0 {
		body = io.MultiReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, []string{"POST", "PUT"}[dice.IntN(2)], url+"/", body)
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("X-Do", deed)
	resp, err := c.Do(r)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == 200 && deed == "echo" && string(got) != want {
		t.Errorf("sent %d bytes, got others back, %d of them", len(want), len(got))
	}
	if err == nil && deed == "half" && resp.StatusCode == 200 {
		t.Error("half an answer was taken for all of it")
	}
}

// cancelReader gives the request up when it is read.
type cancelReader struct{ cancel context.CancelFunc }

func (r cancelReader) Read([]byte) (int, error) {
	r.cancel()
	return 0, io.EOF
}

func closeNow(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	c.Close()
}
