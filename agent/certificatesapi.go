package agent

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lictor/lictor/agent/certs"
)

// CertificateInfo is one element of GET /v1/certificates.
type CertificateInfo struct {
	Listener string   `json:"listener"`
	Names    []string `json:"names"`
	// From is "file", or "acme" for one that the gateway gets by itself. File is
	// where it is, empty for the latter.
	From      string    `json:"from"`
	File      string    `json:"file,omitempty"`
	Issuer    string    `json:"issuer,omitempty"`
	Serial    string    `json:"serial,omitempty"` // in hexadecimal
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"` // zero while there is none
	// RenewAt is when a newer one is asked for; RetryAt when that is tried again,
	// which has failed by Error.
	RenewAt time.Time `json:"renew_at,omitzero"`
	RetryAt time.Time `json:"retry_at,omitzero"`
	Error   string    `json:"error,omitempty"`
	// OCSP is absent for a certificate that names no responder.
	OCSP *OCSPInfo `json:"ocsp,omitempty"`
}

// key is by the first of its names.
func (i *CertificateInfo) key() certificateKey {
	k := certificateKey{listener: i.Listener}
	if len(i.Names) > 0 {
		k.name = i.Names[0]
	}
	return k
}

// certificateInfos returns what listeners show, by their names, and what they have
// yet to get.
func (a *Agent) certificateInfos() []CertificateInfo {
	out, now := []CertificateInfo{}, time.Now()
	made := a.current.Load().made
	for name, all := range a.Certificates() {
		for _, c := range all {
			if c.CertFile != "" {
				out = append(out, a.certificateInfo(name, "file", c, now))
			}
		}
		if made[name] == nil {
			continue
		}
		for _, s := range made[name].Status() {
			info := CertificateInfo{Listener: name, From: "acme"}
			if s.Certificate != nil {
				info = a.certificateInfo(name, "acme", certs.StatusOf(s.Certificate), now)
				info.RenewAt = s.Renew
			}
			info.Names = []string{s.Domain}
			if s.Err != nil {
				info.Error, info.RetryAt = s.Err.Error(), s.Again
			}
			out = append(out, info)
		}
	}
	slices.SortStableFunc(out, func(x, y CertificateInfo) int { return cmp.Compare(x.Listener, y.Listener) })
	return out
}

func (a *Agent) certificateInfo(listener, from string, c certs.Status, now time.Time) CertificateInfo {
	return CertificateInfo{
		Listener: listener, Names: orEmpty(c.Names), From: from, File: c.CertFile, Issuer: c.Issuer, Serial: c.Serial,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, OCSP: a.ocspInfo(c.Certificate, now),
	}
}

func (ad *admin) listCertificates(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"certificates": ad.agent.certificateInfos()})
}

// certificates tells when certificates end. One is known by the first of its names;
// of several with that name, such as those of two algorithms, the first to end
// counts.
func (c *collector) certificates(out chan<- prometheus.Metric, now time.Time) {
	all, ends := c.agent.certificateInfos(), map[certificateKey]time.Time{}
	c.staples.collect(out, all, now)
	for _, info := range all {
		s := info.key()
		if end, ok := ends[s]; !ok || info.NotAfter.Before(end) {
			ends[s] = info.NotAfter
		}
	}
	for s, end := range ends {
		left := 0.0 // there is none yet
		if !end.IsZero() {
			left = end.Sub(now).Seconds()
		}
		gauge(out, c.certificateExpiry, left, s.listener, s.name)
	}
}

// handshaken counts the handshakes of a listener with a tls block.
func (c *collector) handshaken(out chan<- prometheus.Metric, s *server) {
	if s.certs == nil {
		return
	}
	full, resumed := s.certs.Handshakes()
	counter(out, c.handshakes, float64(full), s.listener.Name, "new")
	counter(out, c.handshakes, float64(resumed), s.listener.Name, "resumed")
}
