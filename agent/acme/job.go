package acme

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/hashicorp/go-hclog"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// orderTime bounds one try, with all that the server takes to look at challenges and
// the wait for another gateway that has the lock.
const orderTime = 10 * time.Minute

// jobID tells certificates apart.
type jobID struct {
	spec   Spec
	domain string
}

// job keeps the certificate of one domain.
type job struct {
	jobID
	issuer  *issuer
	storage certmagic.Storage
	copies  copies // of a storage that may be away
	log     hclog.Logger

	cert    atomic.Pointer[tls.Certificate]
	failure atomic.Pointer[failure] // of the last try; nil when it went well

	copied [sha256.Size]byte // what was copied, for run alone
}

// failure is a try that went wrong.
type failure struct {
	err   error
	count int // in a row
	again time.Time
}

// Status tells people about the certificate of one domain.
type Status struct {
	Domain string
	// Certificate is the one that is shown; nil while there is none.
	Certificate *tls.Certificate
	// Renew is when a new one will be asked for; zero without one.
	Renew time.Time
	// Err is why there is no newer one, and Again when it is tried again; nil when
	// all is well.
	Err   error
	Again time.Time
}

func (j *job) status() Status {
	s := Status{Domain: j.domain, Certificate: j.cert.Load()}
	if c := s.Certificate; c != nil {
		s.Renew = due(c)
	}
	if f := j.failure.Load(); f != nil {
		s.Err, s.Again = f.err, f.again
	}
	return s
}

// due is when a certificate is to be replaced: as certmagic has it, once less than a
// third of its life is left.
func due(c *tls.Certificate) time.Time {
	life := c.Leaf.NotAfter.Add(time.Second).Sub(c.Leaf.NotBefore)
	left := time.Duration(float64(life) * certmagic.DefaultRenewalWindowRatio)
	return c.Leaf.NotAfter.Add(time.Second - left)
}

// run keeps the certificate until ctx is done.
func (j *job) run(ctx context.Context, engine *certmagic.Cache) {
	config := certmagic.New(engine, certmagic.Config{
		Issuers: []certmagic.Issuer{j.issuer}, Storage: j.storage,
		KeySource:  certmagic.StandardKeyGenerator{KeyType: certmagic.KeyType(j.spec.KeyType)},
		OCSP:       certmagic.OCSPConfig{DisableStapling: true}, // agent/staple does that for all certificates
		DisableARI: true, Logger: zap.NewNop(),
	})
	for ctx.Err() == nil {
		timer := time.NewTimer(j.turn(ctx, config))
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// turn does what is to be done now, and returns the time until there is more.
func (j *job) turn(ctx context.Context, config *certmagic.Config) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	err := j.settle(ctx, config)
	if err == nil {
		j.failure.Store(nil)
		cert := j.cert.Load()
		life := cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore)
		// Gateways of one age don't all come at once. What the lock would keep
		// apart anyway need not wait for it.
		late := time.Duration(rand.Float64() * float64(min(life/100, time.Hour))) //nolint:gosec // it spreads load, and guards nothing
		return max(time.Until(due(cert)), 0) + time.Second + late
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return 0 // the gateway ends, or nobody wants it any more
	}
	f := &failure{err: err, count: 1}
	if last := j.failure.Load(); last != nil {
		f.count = last.count + 1
	}
	wait := retry(err, f.count, rand.Float64()) //nolint:gosec // it spreads load, and guards nothing
	f.again = time.Now().Add(wait)
	j.failure.Store(f)
	if cert := j.cert.Load(); cert != nil {
		j.log.Warn("certificate can't be renewed, the previous one stays", "not_after", cert.Leaf.NotAfter, "error", err, "retry_in", wait.Round(time.Second))
	} else {
		j.log.Warn("certificate can't be obtained", "error", err, "retry_in", wait.Round(time.Second))
	}
	return wait
}

// retry is how long to wait after a number of failures in a row; r is a random number
// in [0, 1). A server that can't be reached is soon asked again; one that has refused
// counts failures itself, and an order more would only make it refuse for longer.
func retry(err error, failures int, r float64) time.Duration {
	first, most := 10*time.Second, 10*time.Minute
	if _, refused := errors.AsType[acme.Problem](err); refused {
		first, most = 5*time.Minute, 6*time.Hour
	}
	wait := most
	if failures < 16 {
		wait = min(first<<(failures-1), most)
	}
	return wait - time.Duration(r*float64(wait/4))
}

// settle sees to it that there is a certificate, and that it is not old.
func (j *job) settle(ctx context.Context, config *certmagic.Config) error {
	cert, err := j.loadAndKeep(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		j.log.Info("ordering a certificate", "directory", j.spec.Directory)
		err = config.ObtainCertSync(ctx, j.domain)
	case errors.Is(err, errTorn):
		if err := j.clear(ctx); err != nil {
			return err
		}
		j.log.Warn("ordering a certificate in place of one that does not go with its key", "directory", j.spec.Directory)
		err = config.ObtainCertSync(ctx, j.domain) // which does nothing where there is a whole one by now
	case err != nil:
		return err
	case time.Now().After(due(cert)):
		j.log.Info("ordering a new certificate", "directory", j.spec.Directory, "not_after", cert.Leaf.NotAfter)
		err = config.RenewCertSync(ctx, j.domain, false)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	_, err = j.loadAndKeep(ctx)
	return err
}

// errTorn is of a certificate and a key that don't go together. They are written one
// after the other: somebody is just writing them, or he died between the two.
var errTorn = errors.New("reading the certificate and its key")

// clear removes a certificate that does not go with its key, so that another can be
// ordered. Who writes one holds the lock: once it is ours, nobody is between the two.
func (j *job) clear(ctx context.Context) error {
	lock := "issue_cert_" + j.domain // as certmagic names it
	if err := j.storage.Lock(ctx, lock); err != nil {
		return fmt.Errorf("locking the certificate: %w", err)
	}
	defer func() { _ = j.storage.Unlock(context.WithoutCancel(ctx), lock) }() // one that is not given back expires
	if _, err := j.read(ctx); !errors.Is(err, errTorn) {
		return nil //nolint:nilerr // there is nothing to be removed; whatever else is wrong is met again
	}
	if err := j.storage.Delete(ctx, certmagic.StorageKeys.SiteCert(j.issuer.IssuerKey(), j.domain)); err != nil {
		return fmt.Errorf("removing the certificate: %w", err)
	}
	return nil
}

// loadFirst takes over what is stored, or else the copy of it. It is for listeners
// that are about to begin; run says what is wrong.
func (j *job) loadFirst(ctx context.Context) {
	s, err := j.read(ctx)
	if err != nil {
		j.recall(context.WithoutCancel(ctx), err) // ctx may have ended by this
		return
	}
	j.take(s)
}

// loadAndKeep takes over what is stored; fs.ErrNotExist where nothing is.
func (j *job) loadAndKeep(ctx context.Context) (*tls.Certificate, error) {
	s, err := j.read(ctx)
	if err != nil {
		return nil, err
	}
	if j.take(s) {
		j.log.Info("certificate taken up", "not_after", s.cert.Leaf.NotAfter, "serial", fmt.Sprintf("%x", s.cert.Leaf.SerialNumber))
	}
	j.keep(ctx, s.chain, s.key)
	return s.cert, nil
}

// stored is a certificate as it is kept, and what it is made of.
type stored struct {
	chain, key []byte // in PEM
	cert       *tls.Certificate
}

// read reads what is stored.
func (j *job) read(ctx context.Context) (s stored, err error) {
	keys := certmagic.StorageKeys
	if s.chain, err = j.storage.Load(ctx, keys.SiteCert(j.issuer.IssuerKey(), j.domain)); err != nil {
		return s, fmt.Errorf("reading the certificate: %w", err)
	}
	if s.key, err = j.storage.Load(ctx, keys.SitePrivateKey(j.issuer.IssuerKey(), j.domain)); err != nil {
		return s, fmt.Errorf("reading the certificate's key: %w", err)
	}
	cert, err := tls.X509KeyPair(s.chain, s.key)
	if err != nil {
		return s, fmt.Errorf("%w: %w", errTorn, err)
	}
	s.cert = &cert
	return s, nil
}

// take shows a certificate, and reports whether it is another than before.
func (j *job) take(s stored) bool {
	if was := j.cert.Load(); was != nil && was.Leaf.Equal(s.cert.Leaf) {
		return false
	}
	j.cert.Store(s.cert)
	return true
}
