package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Load sends requests until it is stopped: half of its workers keep their
// connection, half open one for each request, and all take GET and POST in turn.
// Each request has an id of its own, which the answer must carry.
type Load struct {
	// URL is what is asked for.
	URL string
	// Workers is how many requests are under way at once; 0 means 16.
	Workers int
	// Fields returns more fields, each "Name: value", for each request; nil adds
	// none. It is called from all workers at once.
	Fields func() []string
	// Want is the status that every answer must have; 0 means 200. Only answers
	// of 200 have to carry the id.
	Want int
	// Every is the time between two requests of one worker; 0 means 5 ms. It keeps
	// a run of some seconds from using up the machine's ports.
	Every time.Duration
}

// Running is a load under way.
type Running struct {
	t      testing.TB
	sent   atomic.Int64
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	statuses map[int]int
	failures []string
}

// Start begins the load; Finish ends it, as does the end of the test.
func (l Load) Start(t testing.TB) *Running {
	t.Helper()
	if l.Workers == 0 {
		l.Workers = 16
	}
	if l.Every == 0 {
		l.Every = 5 * time.Millisecond
	}
	if l.Want == 0 {
		l.Want = http.StatusOK
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Running{t: t, cancel: cancel, statuses: map[int]int{}}
	for worker := range l.Workers {
		r.wg.Go(func() { r.work(ctx, l, worker) })
	}
	t.Cleanup(func() {
		cancel()
		r.wg.Wait()
	})
	return r
}

func (r *Running) work(ctx context.Context, l Load, worker int) {
	transport := &http.Transport{DisableKeepAlives: worker%2 == 1, MaxIdleConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: Patience}
	tick := time.NewTicker(l.Every)
	defer tick.Stop()
	for n := 0; ; n++ {
		id := strconv.Itoa(worker) + "-" + strconv.Itoa(n)
		r.one(client, l, id, n%2 == 1)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// one sends one request. It is never cancelled: a request that the test itself
// broke off could not be told from one that the gateway failed.
func (r *Running) one(client *http.Client, l Load, id string, post bool) {
	r.sent.Add(1)
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if post {
		method, body = http.MethodPost, strings.NewReader("a body of "+id)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, l.URL, body)
	if err != nil {
		r.note(0, fmt.Sprintf("%s %s: %v", method, id, err))
		return
	}
	if l.Fields != nil {
		for _, field := range l.Fields() {
			name, value, _ := strings.Cut(field, ": ")
			request.Header.Add(name, value)
		}
	}
	request.Header.Set(IDField, id)
	response, err := client.Do(request)
	if err != nil {
		r.note(0, fmt.Sprintf("%s %s: %v", method, id, err))
		return
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	switch {
	case err != nil:
		r.note(response.StatusCode, fmt.Sprintf("%s %s: reading the body: %v", method, id, err))
	case response.StatusCode != l.Want:
		r.note(response.StatusCode, fmt.Sprintf("%s %s: %s: %s", method, id, response.Status, text))
	case l.Want == http.StatusOK && response.Header.Get(IDField) != id:
		r.note(response.StatusCode, fmt.Sprintf("%s %s got the answer to %q", method, id, response.Header.Get(IDField)))
	default:
		r.note(response.StatusCode, "")
	}
}

func (r *Running) note(status int, failure string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statuses[status]++
	if failure != "" {
		r.failures = append(r.failures, failure)
	}
}

// WaitFor waits until at least n requests in all have been sent.
func (r *Running) WaitFor(n int64) {
	r.t.Helper()
	Within(r.t, 4*Patience, fmt.Sprintf("%d requests sent", n), func() error {
		if sent := r.sent.Load(); sent < n {
			return fmt.Errorf("%d", sent)
		}
		return nil
	})
}

// Sent returns how many requests have been sent so far.
func (r *Running) Sent() int64 { return r.sent.Load() }

// Report is what came of a load.
type Report struct {
	Sent     int64
	Statuses map[int]int // 0 counts those without an answer
	Failures []string    // one text for each failed request
}

// Finish ends the load once every request under way has its answer.
func (r *Running) Finish() Report {
	r.cancel()
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return Report{Sent: r.sent.Load(), Statuses: maps.Clone(r.statuses), Failures: slices.Clone(r.failures)}
}

// Err says how many requests failed, and how the first did.
func (r Report) Err() error {
	if len(r.Failures) == 0 {
		return nil
	}
	return errors.New(fmt.Sprintf("%d of %d requests failed (statuses %v), such as:\n", len(r.Failures), r.Sent, r.Statuses) +
		strings.Join(r.Failures[:min(len(r.Failures), 10)], "\n"))
}
