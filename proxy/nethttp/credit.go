package nethttp

import "time"

// What frames cost and earn, in half frames. Costs are those of a client's frames
// that bring nothing further; what it may have of them follows from the work that
// is done: a request earns half a frame, its answer's head one. So a client may
// reset each stream that has been answered, and every second one that has not.
const (
	costWasted   = 2
	earnRequest  = 1
	earnAnswer   = 2
	earnQuestion = 2 // a PING or SETTINGS of ours, which is to be acknowledged

	// earnSecond lets a connection on which nothing happens be kept alive.
	earnSecond = 20
)

// takings is how many frames each piece of a body that we send calls for: a client
// may tell for stream and connection that it has taken it, however late.
const takings = 2

// credit is how many frames a client may yet waste, in half frames.
type credit struct {
	left, most int64
	owed       int64     // frames that pieces of bodies have called for and that have not come
	last       time.Time // until when time has been paid for
}

func newCredit(frames int, now time.Time) credit {
	return credit{left: costWasted * int64(frames), most: costWasted * int64(frames), last: now}
}

// earn reports false when that does not pay for what was wasted before.
func (c *credit) earn(n int64) bool {
	c.left = min(c.left+n, c.most)
	return c.left >= 0
}

// waste takes the cost of one frame. It reports false when there is no more.
func (c *credit) waste(now time.Time) bool {
	if c.left < costWasted {
		if n := int64(now.Sub(c.last) / (time.Second / earnSecond)); n > 0 {
			c.last = c.last.Add(time.Duration(n) * (time.Second / earnSecond))
			c.earn(n)
		}
	}
	c.left -= costWasted
	return c.left >= 0
}

// received books a frame of the client's. It reports false when that was too much.
func (c *credit) received(f frame, now func() time.Time) bool {
	switch f.kind {
	case frameHeaders:
		return c.earn(earnRequest)
	case frameData:
		if f.length > 0 || f.flags&flagEndStream != 0 {
			return c.left >= 0
		}
	case frameWindowUpdate, framePing: // clients measure by PING how fast pieces come
		if c.owed > 0 {
			c.owed--
			return c.left >= 0
		}
	}
	return c.waste(now())
}

// sent books a frame of ours. A stream that we reset is wasted like one that the
// client does: it can bring us to that, too.
func (c *credit) sent(f frame, now func() time.Time) {
	switch f.kind {
	case frameHeaders:
		c.earn(earnAnswer)
	case frameData:
		c.owed += takings
	case framePing, frameSettings:
		if f.flags&flagAck == 0 {
			c.earn(earnQuestion)
		}
	case frameReset:
		c.waste(now())
	}
}
