package staple

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Options are what a Stapler needs of the gateway.
type Options struct {
	// DataDir is where responses are kept, below ocsp; empty to keep none.
	DataDir string
	// Transport is how responders are reached; nil for the network.
	Transport http.RoundTripper
	// Logger is told of changes; nil for nobody.
	Logger hclog.Logger
}

// Stapler keeps what authorities say of certificates. Its methods may be called at
// any time, from any goroutine.
type Stapler struct {
	o      Options
	shelf  shelf
	client *http.Client
	asking chan struct{} // one for each question that is under way
	kick   chan struct{} // capacity 1: which jobs there are has changed

	mu   sync.Mutex
	jobs map[[sha256.Size]byte]*job
}

// New returns a stapler that knows of no certificate yet.
func New(o Options) *Stapler {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	s := &Stapler{
		o: o, client: newClient(o.Transport), asking: make(chan struct{}, atOnce), kick: make(chan struct{}, 1),
		jobs: map[[sha256.Size]byte]*job{},
	}
	if o.DataDir != "" {
		s.shelf = shelf(filepath.Join(o.DataDir, "ocsp"))
	}
	return s
}

// Staple returns the response to show with a certificate now, nil for none. It waits
// for no responder, and reads a file at most. The certificate has its Leaf.
func (s *Stapler) Staple(c *tls.Certificate) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobLocked(c)
	if j == nil {
		return nil
	}
	if a := j.held.Load(); a.good(time.Now()) {
		return a.raw
	}
	return nil
}

// jobLocked returns the job for a certificate, nil for one that needs none.
func (s *Stapler) jobLocked(c *tls.Certificate) *job {
	id := sha256.Sum256(c.Leaf.Raw)
	if j := s.jobs[id]; j != nil {
		return j
	}
	sub := newSubject(c)
	if sub == nil {
		return nil
	}
	j := newJob(s, sub, time.Now())
	s.jobs[id] = j
	return j
}

// Follow says which certificates are shown from now on. Others are forgotten, but for
// what the files have of them. It does not block.
func (s *Stapler) Follow(shown []*tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[[sha256.Size]byte]*job{}
	for _, c := range shown {
		if j := s.jobLocked(c); j != nil {
			wanted[j.id] = j
		}
	}
	s.jobs = wanted
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Run asks responders about the certificates that are followed, until ctx is done.
func (s *Stapler) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.shelf.sweep(time.Now())
	running := map[*job]context.CancelFunc{}
	for {
		wanted := map[*job]bool{}
		s.mu.Lock()
		for _, j := range s.jobs {
			wanted[j] = true
		}
		s.mu.Unlock()
		for j, stop := range running {
			if !wanted[j] {
				stop()
				delete(running, j)
			}
		}
		for j := range wanted {
			if running[j] != nil {
				continue
			}
			one, stop := context.WithCancel(ctx)
			running[j] = stop
			wg.Go(func() {
				defer stop()
				j.run(one)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-s.kick:
		}
	}
}
