package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
)

// grace is how long an upgrade waits for the process before to be gone: whoever has
// seen it end may be quicker than this process.
const grace = time.Second

// predecessor is the process that served before this one, and finishes what it has.
// Until it is gone nobody can take over from this one, so that there are never more
// than two of them: tableflip holds to that.
type predecessor struct {
	pid  int
	ends time.Time     // when it has ended at the latest; zero when it did not tell
	gone chan struct{} // closed then
}

// parent waits for the process that this one was started by to end.
type parent interface {
	WaitForParent(ctx context.Context) error
}

// followPredecessor returns the process that this one takes over from, which leaves
// within that time, 0 for one that is not known. It says when that is gone, unless ctx
// is done before.
func followPredecessor(ctx context.Context, flip parent, leaves time.Duration, log hclog.Logger) *predecessor {
	p := &predecessor{pid: os.Getppid(), gone: make(chan struct{})}
	if leaves > 0 {
		p.ends = time.Now().Add(leaves)
	}
	go func() {
		_ = flip.WaitForParent(ctx) // how it ended is its own matter
		if ctx.Err() == nil {
			log.Info("the process before has ended, another one may take over from now on", "process", p.pid)
			close(p.gone)
		}
	}()
	return p
}

// await returns why nobody can take over yet, nil when somebody can.
func (p *predecessor) await(within time.Duration) error {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-p.gone:
		return nil
	case <-t.C:
	}
	select {
	case <-p.gone: // at the same moment
		return nil
	default:
		return &finishingError{pid: p.pid, told: !p.ends.IsZero(), left: max(0, time.Until(p.ends))}
	}
}

// finishingError is an upgrade that came while the process before was not gone.
type finishingError struct {
	pid  int
	told bool // whether it is known how long that may go on
	left time.Duration
}

// Error says who is to be waited for, for how long, and what to do about it.
func (e *finishingError) Error() string {
	bound := ""
	if e.told {
		bound = fmt.Sprintf(" for %s at most", e.left.Round(time.Second))
	}
	return fmt.Sprintf("process %d, which served before, still finishes what it has%s: "+
		"wait for its end, which is logged, or send it SIGTERM; then send SIGUSR2 again", e.pid, bound)
}
