package static

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/lictor/lictor/catalog"
)

const (
	// maxBody bounds what is read of the body of a ping's answer, in bytes.
	maxBody = 4 << 10
	// maxHead bounds its head.
	maxHead = 32 << 10
)

// pinger sends single pings. Every ping has a connection of its own: one that
// is kept alive would hide that the instance accepts no new ones.
type pinger struct {
	dialer net.Dialer
	client http.Client
}

func newPinger(reach catalog.Reach) *pinger {
	p := &pinger{}
	// A host name may resolve to anything, so each address is judged before it
	// is connected to.
	p.dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if why := reach.Refuse(ap); why != "" {
			return fmt.Errorf("%s is refused: %s", address, why)
		}
		return nil
	}
	p.client = http.Client{
		Transport: &http.Transport{
			DialContext:            p.dialer.DialContext,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHead,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p
}

// ping returns nil when the instance at host:port passes the check. ctx bounds
// it.
func (p *pinger) ping(ctx context.Context, target string, c Check) error {
	if c.TCP {
		conn, err := p.dialer.DialContext(ctx, "tcp", target)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+c.HTTP, nil)
	if err != nil {
		return err
	}
	req.Host = c.Host
	req.Header.Set("User-Agent", "lictor-check")
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// Read some, so that an instance which is slow to say more than its head
	// does not log an aborted request each time.
	if _, err := io.CopyN(io.Discard, resp.Body, maxBody); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the body: %w", err)
	}
	if len(c.Status) == 0 && resp.StatusCode/100 != 2 || len(c.Status) > 0 && !slices.Contains(c.Status, resp.StatusCode) {
		return fmt.Errorf("unexpected status %d", resp.StatusCode)
	}
	return nil
}

// describe is the error as people read it: without the ephemeral port of the
// attempt and other words that change each time, since every change of the text
// is a change of the catalog.
func describe(err error, c Check) string {
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %v", c.Timeout)
	case errors.As(err, &op):
		if call, ok := errors.AsType[*os.SyscallError](op.Err); ok {
			return op.Op + ": " + call.Err.Error()
		}
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
