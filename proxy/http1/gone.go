package http1

import "time"

// While an instance is slow, nobody reads from the client, so nobody notices
// when it goes away. A goroutine that waited for that beside each request would
// cost more than the request. So one for all looks after those exchanges that
// have gone on since it looked last.

const (
	// sweepEvery is how long a client may be gone before it is noticed, at
	// least; at most it is twice as long.
	sweepEvery = 500 * time.Millisecond
	// sweepBatch is how many connections are looked at under one lock.
	sweepBatch = 256
)

// sweep runs from the first connection until there will be none any more.
func (s *Server) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return
		case now := <-tick.C:
			s.setDate(now)
		}
		for from := 0; from >= 0; {
			from = s.sweepSome(from)
		}
	}
}

// sweepSome looks at a batch and returns where the next one begins, -1 after the
// last. A connection that changes its place meanwhile is looked at next time.
func (s *Server) sweepSome(from int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := min(from+sweepBatch, len(s.conns))
	for _, c := range s.conns[min(from, to):to] {
		seq := c.seq.Load()
		again := seq == c.swept
		c.swept = seq
		switch {
		case again && seq&1 == 1 && (s.closed.Load() || c.hasGone()):
			c.interrupt(seq)
		case again && seq&1 == 0 && c.looked != seq+1:
			// The end of a connection may have come with its last request,
			// and whoever waits is only told of what comes later.
			if c.looked = seq + 1; c.hasGone() {
				_ = c.sock.SetReadDeadline(past) // fails on a closed connection only
			}
		}
	}
	if to == len(s.conns) {
		return -1
	}
	return to
}

// interrupt tells the exchange of that number, if it is still there, that its
// client has gone. The caller holds s.mu, which is what keeps tunnels from being told.
//
// Whoever waits is woken by a deadline. By the time that strikes, the connection
// to the instance may serve another exchange: so a deadline is but a question,
// and who is asked looks at its own state and waits on if there is no reason
// not to.
func (c *conn) interrupt(seq uint32) {
	c.gone.Store(seq)
	if u := c.waiting.Load(); u != nil {
		u.wake()
	}
	if cancel := c.cancel.Load(); cancel != nil {
		(*cancel)()
	}
}
