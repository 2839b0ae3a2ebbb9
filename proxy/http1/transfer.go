package http1

import (
	"errors"
	"io"
	"time"

	"github.com/lictor/lictor/proxy"
)

// fill implements source, for heads and bodies of responses. While it waits for
// a head the route's timeout is the bound, then its idle timeout. A body that is
// being sent moves either on.
func (k *call) fill(p []byte) (int, error) {
	k.bound()
	for {
		if k.arm() {
			if fe := k.givesUp(); fe != nil {
				return 0, fe
			}
		}
		n, err := k.u.nc.Read(p)
		if n > 0 {
			k.received = true
			return n, nil
		}
		switch {
		case err == nil:
			continue
		case err == io.EOF: //nolint:errorlint // net.Conn returns io.EOF itself
			if fe := k.up.fault(); fe != nil {
				return 0, fe
			}
			return 0, io.EOF
		case !isTimeout(err):
			return 0, k.fault(err)
		}
		k.u.readBy.lost()
		if fe := k.givesUp(); fe != nil {
			return 0, fe
		}
	}
}

// swap sends the whole request and reads the first bytes of the response, in one
// go.
func (k *call) swap() *proxy.ForwardError {
	k.bound()
	r := &k.u.raw
	r.begin(k.out, k.in)
	for {
		if k.arm() {
			if fe := k.givesUp(); fe != nil {
				return fe
			}
		}
		n, err := r.swap()
		k.sent = r.begun
		switch {
		case n > 0:
			k.n, k.received = n, true
			return nil
		case err == nil: // the kernel has no room for the rest
			if err := k.write(r.out); err != nil {
				return k.fault(err)
			}
			return nil
		case err == io.EOF: //nolint:errorlint // rawClient.swap returns io.EOF itself
			return k.fault(io.ErrUnexpectedEOF)
		case !isTimeout(err):
			return k.fault(err)
		}
		k.u.readBy.lost()
		if fe := k.givesUp(); fe != nil {
			return fe
		}
	}
}

// bound says how long the next wait may take.
func (k *call) bound() {
	if !k.inBody {
		k.until, k.bounded = k.x.Deadline, k.x.Deadline != 0
		return
	}
	idle := k.x.Route.IdleTimeout
	if k.bounded = idle > 0; k.bounded {
		k.until = k.now() + idle
	}
}

// arm sets the read deadline for that, and reports whether it did. It may have
// overwritten the one by which somebody wakes us, who has left the reason first:
// so whoever armed has to look for one before it waits.
func (k *call) arm() (moved bool) {
	t, moved := k.moveTo(&k.u.readBy)
	if moved {
		_ = k.u.nc.SetReadDeadline(t) // fails on a closed connection only
	}
	return moved
}

func (k *call) armWrite() {
	if t, moved := k.moveTo(&k.u.writeBy); moved {
		_ = k.u.nc.SetWriteDeadline(t) // fails on a closed connection only
	}
}

// moveTo is alarm.move, for a moment instead of a time span: while the alarm
// fits, the clock need not be read.
func (k *call) moveTo(a *alarm) (t time.Time, moved bool) {
	if !k.bounded {
		return a.move(0, 0)
	}
	slack := slackOf(k.patience())
	if a.fits(k.until, slack) {
		return t, false
	}
	a.at = k.until + slack
	return time.Now().Add(k.until - k.now() + slack), true
}

// patience is how long the instance may keep us waiting at present.
func (k *call) patience() time.Duration {
	if k.inBody {
		return k.x.Route.IdleTimeout
	}
	return k.x.Route.Timeout
}

// expired reports whether the wait has taken too long. It is counted from when
// the request has been sent: a bound that strikes before was but a question.
func (k *call) expired() bool {
	now := k.now()
	if !k.bounded || now < k.until {
		return false
	}
	if !k.streams {
		return true
	}
	k.until = max(k.until, k.up.since(now)+k.patience())
	return now >= k.until
}

// givesUp says why a wait should end that was broken off, nil when it should not.
func (k *call) givesUp() *proxy.ForwardError {
	fe := &proxy.ForwardError{Sent: k.sent, Received: k.received}
	switch sending := k.up.fault(); {
	case sending != nil:
		fe.Cause, fe.Err = sending.Cause, sending.Err
	case k.clientGone():
		fe.Cause, fe.Err = proxy.ClientGone, errClientGone
	case k.expired():
		fe.Cause, fe.Err = proxy.TimedOut, errHeadTimeout
		if k.inBody {
			fe.Err = errIdle
		}
	default:
		return nil
	}
	return fe
}

// write sends p, and notes how far that got.
func (k *call) write(p []byte) error {
	k.bound()
	for {
		k.armWrite()
		n, err := k.u.nc.Write(p)
		k.sent = k.sent || n > 0
		if p = p[n:]; err == nil {
			return nil
		}
		if err = k.stalled(err); err != nil {
			return err
		}
	}
}

// writeAll sends the three pieces, as one if possible.
func (k *call) writeAll() error {
	k.bound()
	k.vec = k.pieces[:]
	defer clear(k.pieces[:])
	for {
		k.armWrite()
		n, err := k.vec.WriteTo(k.u.nc)
		k.sent = k.sent || n > 0
		if err == nil {
			return nil
		}
		if err = k.stalled(err); err != nil {
			return err
		}
	}
}

// resume is stalled for writes that TLS makes.
func (k *call) resume(_ int, err error) error {
	if err = k.stalled(err); err == nil {
		k.armWrite()
	}
	return err
}

// stalled returns nil when a failed write is to go on.
func (k *call) stalled(err error) error {
	if !isTimeout(err) {
		return err
	}
	k.u.writeBy.lost()
	if fe := k.givesUp(); fe != nil {
		return fe
	}
	return nil
}

// broken implements source.
func (k *call) broken(err error) error { return k.fault(err) }

// spaces implements source.
func (k *call) spaces() *spaces { return &k.f.room }

// fault says what a failure means.
func (k *call) fault(err error) *proxy.ForwardError {
	var fe *proxy.ForwardError
	if !errors.As(err, &fe) {
		fe = &proxy.ForwardError{Cause: proxy.Broke, Err: err}
		if sending := k.up.fault(); sending != nil {
			fe.Cause, fe.Err = sending.Cause, sending.Err
		} else if k.clientGone() {
			fe.Cause = proxy.ClientGone
		}
	}
	fe.Sent, fe.Received = k.sent, k.received
	return fe
}

// clientFault makes a failure of the client's body one of the attempt's.
func clientFault(err error) *proxy.ForwardError {
	fe := &proxy.ForwardError{Cause: proxy.ClientBad, Err: err}
	if own := (*proxy.ForwardError)(nil); errors.As(err, &own) {
		fe.Cause = own.Cause
	}
	return fe
}
