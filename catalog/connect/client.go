package connect

import (
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
)

// Client is a service that has connected, and whose requests are judged one by
// one: each by the intentions of then.
type Client struct {
	intentions *Intentions
	source     ID
	name       string // the source's, for people
	stands     atomic.Pointer[stands]
}

// stands is how a client stood when it was looked at last. It is immutable.
type stands struct {
	by *intentions
	decision
	denied error // nil where requests are allowed, or need permissions
}

// errNoSource is a certificate that does not name a service. No handshake lets one
// pass.
var errNoSource = errors.New("the client's certificate names no service")

// Client returns what judges the requests of a client that was let in with that
// certificate. A nil one denies all.
func (s *Server) Client(cert *x509.Certificate) *Client {
	if len(cert.URIs) != 1 {
		return nil
	}
	id, err := ParseID(cert.URIs[0])
	if err != nil {
		return nil
	}
	return &Client{intentions: s.intentions, source: id, name: id.String()}
}

// Judge returns why the request is denied, nil when it is not, and counts it.
// Requests may be judged side by side.
func (c *Client) Judge(r Request) error {
	if c == nil {
		return errNoSource
	}
	_, err := c.judge(c.stand(), r)
	if err != nil {
		c.intentions.denied.Add(1)
	}
	return err
}

// judge is Judge by how the client stands, and counts nothing. By is the permission
// that decides, nil for none.
func (c *Client) judge(s *stands, r Request) (by *permission, err error) {
	if s.judged == nil {
		return nil, s.denied
	}
	if by, err = s.judged.judge(r); err != nil {
		err = &denial{c, err}
	}
	return by, err
}

// denial is a request that permissions deny. Few are ever read.
type denial struct {
	client *Client
	why    error
}

// Error says whose request it is, and why it is denied.
func (d *denial) Error() string {
	return ErrDenied.Error() + ": " + d.client.name + ": " + d.why.Error()
}

// Unwrap returns ErrDenied.
func (d *denial) Unwrap() error { return ErrDenied }

// stand returns how the client stands by what is known now.
func (c *Client) stand() *stands {
	now := c.intentions.known.Load()
	if s := c.stands.Load(); s != nil && s.by == now {
		return s
	}
	s := c.standBy(now)
	c.stands.Store(s)
	return s
}

// standBy returns how the client stands by what was known at one moment.
func (c *Client) standBy(known *intentions) *stands {
	s := &stands{by: known, decision: known.decide(c.source)}
	if !s.allowed {
		s.denied = fmt.Errorf("%w: %s: %s", ErrDenied, c.name, s.why)
	}
	return s
}
