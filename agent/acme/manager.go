package acme

import (
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/hashicorp/go-hclog"
	"go.uber.org/zap"
)

// loadTime bounds the reading of certificates that are there already, at the start
// and in a reload.
const loadTime = 5 * time.Second

// Options are what a Manager needs of the gateway.
type Options struct {
	// DataDir is where files are kept; empty where there are none.
	DataDir string
	// OpenKV opens Consul's KV store below a prefix; nil where there is no Consul.
	OpenKV func(prefix string) (KV, error)
	// UserAgent is told to ACME servers.
	UserAgent string
	Logger    hclog.Logger
}

// Manager keeps all certificates that the gateway makes for itself. Those that
// nobody wants any more stay known until it ends.
type Manager struct {
	o       Options
	pending *Pending
	kick    chan struct{} // capacity 1: what is wanted has changed

	mu     sync.Mutex
	stores map[string]certmagic.Storage // by prefix in the KV store, "" for files
	jobs   map[jobID]*job
	wanted []jobID
}

// NewManager returns a manager of nothing yet.
func NewManager(o Options) *Manager {
	return &Manager{
		o: o, pending: newPending(), kick: make(chan struct{}, 1),
		stores: map[string]certmagic.Storage{}, jobs: map[jobID]*job{},
	}
}

// Pending returns the challenges that listeners answer.
func (m *Manager) Pending() *Pending { return m.pending }

// View returns what one listener shows. It reads certificates that are stored
// already, and changes nothing: it may be dropped. An error is a storage that can't
// be used at all; one that does not answer now is asked again by Run.
func (m *Manager) View(w Want) (*View, error) {
	v := &View{m: m}
	ctx, cancel := context.WithTimeout(context.Background(), loadTime)
	defer cancel()
	var loads sync.WaitGroup
	defer loads.Wait()
	for _, domain := range w.Domains {
		j, err := m.job(jobID{w.Spec, domain})
		if err != nil {
			return nil, err
		}
		v.jobs = append(v.jobs, j)
		if j.cert.Load() == nil {
			loads.Go(func() { j.loadFirst(ctx) })
		}
	}
	return v, nil
}

// job returns the job for a domain, one for all that want the same.
func (m *Manager) job(id jobID) (*job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.jobs[id]; j != nil {
		return j, nil
	}
	storage, err := m.storageLocked(id.spec.KVPrefix)
	if err != nil {
		return nil, err
	}
	var copied copies
	if s, shared := storage.(*kvStorage); shared {
		copied = newCopies(m.o.DataDir, s.prefix)
	}
	j := &job{
		jobID: id, storage: storage, copies: copied, log: m.o.Logger.With("domain", id.domain),
		issuer: &issuer{spec: id.spec, agent: m.o.UserAgent, storage: storage, pending: m.pending},
	}
	m.jobs[id] = j
	return j, nil
}

func (m *Manager) storageLocked(prefix string) (certmagic.Storage, error) {
	if s := m.stores[prefix]; s != nil {
		return s, nil
	}
	var s certmagic.Storage
	switch {
	case prefix == "" && m.o.DataDir == "":
		return nil, fmt.Errorf("certificates by ACME are to be kept in files, and there is no data_dir")
	case prefix == "":
		s = &certmagic.FileStorage{Path: filepath.Join(m.o.DataDir, "acme")}
	case m.o.OpenKV == nil:
		return nil, fmt.Errorf("certificates by ACME are to be kept in Consul's KV store, and there is no consul block")
	default:
		kv, err := m.o.OpenKV(prefix)
		if err != nil {
			return nil, fmt.Errorf("opening the storage of certificates: %w", err)
		}
		s = newKVStorage(kv, prefix)
	}
	m.stores[prefix] = s
	return s, nil
}

// Follow says whose certificates are to be kept from now on. It does not block.
func (m *Manager) Follow(views []*View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = nil
	for _, v := range views {
		for _, j := range v.jobs {
			if !slices.Contains(m.wanted, j.jobID) {
				m.wanted = append(m.wanted, j.jobID)
			}
		}
	}
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Run keeps the certificates that are wanted, until ctx is done.
func (m *Manager) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var engine *certmagic.Cache // of no certificates: ours are shown by View
	defer func() {
		if engine != nil {
			engine.Stop()
		}
	}()
	running, places := map[jobID]context.CancelFunc{}, map[string]bool{}
	for {
		m.mu.Lock()
		wanted := slices.Clone(m.wanted)
		m.mu.Unlock()
		for id, stop := range running {
			if !slices.Contains(wanted, id) {
				stop()
				delete(running, id)
			}
		}
		if len(wanted) > 0 && engine == nil {
			engine = newEngine()
		}
		for _, id := range wanted {
			if running[id] != nil {
				continue
			}
			m.mu.Lock()
			j, storage := m.jobs[id], m.stores[id.spec.KVPrefix]
			m.mu.Unlock()
			one, stop := context.WithCancel(ctx)
			running[id] = stop
			wg.Go(func() {
				defer stop()
				j.run(one, engine)
			})
			if kv, shared := storage.(*kvStorage); shared && !places[id.spec.KVPrefix] {
				places[id.spec.KVPrefix] = true
				wg.Go(func() { m.followChallenges(ctx, kv) })
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-m.kick:
		}
	}
}

// followChallenges learns of those that others of the fleet have published.
func (m *Manager) followChallenges(ctx context.Context, kv *kvStorage) {
	kv.kv.Follow(ctx, kv.prefix+challenges+"/", func(texts [][]byte, err error) {
		if err != nil {
			m.o.Logger.Warn("challenges of the fleet can't be followed", "prefix", kv.prefix, "error", err)
			return
		}
		m.pending.follow(kv.prefix, texts)
	})
}

// newEngine is what certmagic wants to be there. It would renew what it is given by
// itself, and is given nothing.
func newEngine() *certmagic.Cache {
	return certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) {
			return nil, fmt.Errorf("no certificate is kept here")
		},
		Logger: zap.NewNop(), // errors come back to us, and we tell them
	})
}

// View is what one listener shows of the certificates that the gateway makes for
// itself. It implements certs.Keeper.
type View struct {
	m    *Manager
	jobs []*job
}

// Certificates returns those that there are now.
func (v *View) Certificates() []*tls.Certificate {
	var out []*tls.Certificate
	for _, j := range v.jobs {
		if c := v.m.shown(j); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// shown returns the job's certificate, or until there is one that which another
// server has issued for the domain.
func (m *Manager) shown(j *job) *tls.Certificate {
	best := j.cert.Load()
	if best != nil {
		return best
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, other := range m.jobs {
		if c := other.cert.Load(); id.domain == j.domain && c != nil && (best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter)) {
			best = c
		}
	}
	return best
}

// Challenge returns the certificate that answers an ACME server (RFC 8737), nil where
// none is to ask.
func (v *View) Challenge(name string) *tls.Certificate {
	return v.m.pending.Certificate(name, time.Now())
}

// Status returns how it is with each domain.
func (v *View) Status() []Status {
	out := make([]Status, 0, len(v.jobs))
	for _, j := range v.jobs {
		out = append(out, j.status())
	}
	return out
}
