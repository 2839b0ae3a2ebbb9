package agent

import (
	"crypto/tls"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/staple"
)

// staples are what authorities say of the certificates that listeners show.
type staples struct {
	*staple.Stapler
	following sync.Mutex // so that who looked last is who follows last
}

func (a *Agent) openStaples(c *config.Config) {
	a.staples.Stapler = staple.New(staple.Options{DataDir: c.DataDir, Logger: a.log.Named("ocsp")})
}

// followStaples has responders asked about what listeners show now, and about nothing
// else.
func (a *Agent) followStaples() {
	a.staples.following.Lock()
	defer a.staples.following.Unlock()
	var shown []*tls.Certificate
	for _, s := range a.servers {
		if s.certs != nil {
			shown = append(shown, s.certs.ToStaple()...)
		}
	}
	a.staples.Follow(shown)
}

// OCSPInfo is what GET /v1/certificates says of a certificate that names a responder,
// or that must be shown with a staple.
type OCSPInfo struct {
	// Status is "good" while a staple is shown, "revoked", or "none".
	Status     string    `json:"status"`
	Responder  string    `json:"responder,omitempty"`
	MustStaple bool      `json:"must_staple"`
	RevokedAt  time.Time `json:"revoked_at,omitzero"`
	// ThisUpdate and NextUpdate are those of the newest response.
	ThisUpdate time.Time `json:"this_update,omitzero"`
	NextUpdate time.Time `json:"next_update,omitzero"`
	// Error is why there is no newer one, and RetryAt when it is asked for again.
	Error   string    `json:"error,omitempty"`
	RetryAt time.Time `json:"retry_at,omitzero"`
}

// ocspInfo returns nil for a certificate that has nothing to do with OCSP.
func (a *Agent) ocspInfo(c *tls.Certificate, now time.Time) *OCSPInfo {
	s, ok := a.staples.Status(c)
	if !ok {
		return nil
	}
	info := &OCSPInfo{Status: "none", Responder: s.Responder, MustStaple: s.Must, ThisUpdate: s.ThisUpdate, NextUpdate: s.NextUpdate}
	switch {
	case s.Revoked:
		info.Status, info.RevokedAt = "revoked", s.RevokedAt
	case now.Before(s.NextUpdate):
		info.Status = "good"
	}
	if s.Err != nil {
		info.Error, info.RetryAt = s.Err.Error(), s.Again
	}
	return info
}

// stapleDescs are the metrics of staples.
type stapleDescs struct{ expiry, revoked *prometheus.Desc }

func newStapleDescs(desc func(name, help string, labels ...string) *prometheus.Desc) stapleDescs {
	return stapleDescs{
		expiry: desc("certificate_staple_expiry_seconds",
			"Time until the OCSP response ends that is shown with a listener's certificate, 0 while none is; for certificates that name a responder or must be stapled.", "listener", "name"),
		revoked: desc("certificate_revoked", "1 while the authority says that a listener's certificate is revoked.", "listener", "name"),
	}
}

// certificateKey is what one or several certificates of a listener are known by.
type certificateKey struct{ listener, name string }

// collect tells of the worst of those that are known by one name.
func (d stapleDescs) collect(out chan<- prometheus.Metric, all []CertificateInfo, now time.Time) {
	type state struct{ left, revoked float64 }
	states := map[certificateKey]state{}
	for _, info := range all {
		if info.OCSP == nil {
			continue
		}
		var one state
		switch info.OCSP.Status {
		case "good":
			one.left = max(info.OCSP.NextUpdate.Sub(now).Seconds(), 0)
		case "revoked":
			one.revoked = 1
		}
		k := info.key()
		if was, ok := states[k]; ok {
			one = state{min(one.left, was.left), max(one.revoked, was.revoked)}
		}
		states[k] = one
	}
	for k, s := range states {
		gauge(out, d.expiry, s.left, k.listener, k.name)
		gauge(out, d.revoked, s.revoked, k.listener, k.name)
	}
}
