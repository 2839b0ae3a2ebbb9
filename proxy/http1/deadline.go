package http1

import (
	"time"

	"github.com/lictor/lictor/proxy"
)

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// maxSlack bounds how much later than asked for a deadline may strike.
const maxSlack = time.Second

// alarm is one deadline of a connection, on a monotonic clock of its user's. To
// move it costs as much as to parse a head, so it is only moved when it would
// strike too early, or later than an eighth of the time asked for. The zero
// value is one that is not set.
type alarm struct{ at time.Duration }

// unknown is where an alarm is that somebody else may have moved.
const unknown time.Duration = -1

// lost says that the deadline may not be what it was set to.
func (a *alarm) lost() { a.at = unknown }

// fits reports whether the alarm strikes soon enough after d.
func (a *alarm) fits(d, slack time.Duration) bool { return a.at >= d && a.at <= d+slack }

// move sets the alarm to strike within that time from now or a little later; 0
// means never. When moved is true the connection's deadline must be set to t.
func (a *alarm) move(now, within time.Duration) (t time.Time, moved bool) {
	if within <= 0 {
		if a.at == 0 {
			return t, false
		}
		a.at = 0
		return t, true
	}
	slack := slackOf(within)
	if a.fits(now+within, slack) {
		return t, false
	}
	a.at = now + within + slack
	return time.Now().Add(within + slack), true
}

func slackOf(within time.Duration) time.Duration { return min(within/8, maxSlack) }

// defaultIdle bounds the wait for the client of a request that has no route.
const defaultIdle = 60 * time.Second

// idleOf returns how long the other side of a body may be silent, 0 for ever.
func idleOf(x *proxy.Exchange) time.Duration {
	if x.Route == nil {
		return defaultIdle
	}
	return x.Route.IdleTimeout
}
