package http1

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/proxy"
)

// stopper is a Responder that can break off a read from its client.
type stopper interface{ StopBody() }

// upload sends what was not here of a request's body when its head went out. It
// runs on a goroutine of its own, because an instance may answer, break off or
// stop listening while the client is slow or never ends. It takes as long as it
// takes: what has an end is each wait for the client, and each for the instance.
type upload struct {
	k       *call
	run     func()
	done    chan struct{} // gets one when the goroutine ends
	running bool          // it has not been waited for
	over    atomic.Bool   // the call needs no more of it
	reading atomic.Bool   // it may be waiting for the client
	writing atomic.Bool   // it may be waiting for the instance
	whole   atomic.Bool   // nothing is left to send
	head    [maxChunkHead]byte
	vec     net.Buffers
	pieces  [3][]byte
	onStall func(n int, err error) error // resume

	mu       sync.Mutex
	complete bool // all was sent
	failure  *proxy.ForwardError
	ended    time.Duration // when that was known, on the pipeline's clock; 0 for not yet
}

func (u *upload) init(k *call) {
	u.k = k
	u.run, u.onStall = u.send, u.resume
	u.done = make(chan struct{}, 1)
}

func (u *upload) reset() {
	u.running, u.complete, u.failure, u.ended = false, true, nil, 0
	u.over.Store(false)
	u.reading.Store(false)
	u.writing.Store(false)
	u.whole.Store(false)
}

func (u *upload) start() {
	u.complete, u.running = false, true
	u.k.u.writtenBy(u.onStall)
	go u.run()
}

// fault returns what went wrong with sending, nil for nothing.
func (u *upload) fault() *proxy.ForwardError {
	if !u.running {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.failure
}

// tells reports whether the goroutine is about to say what became of the client:
// it waits for it, or has just been answered.
func (u *upload) tells() bool {
	if !u.running || u.writing.Load() {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended == 0
}

// since returns when the wait for the answer began that is due within a time from
// the request's end: that end, or now as long as bytes flow.
func (u *upload) since(now time.Duration) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended == 0 {
		return now
	}
	return u.ended
}

// send is the goroutine.
func (u *upload) send() {
	complete, failure := u.pump()
	u.mu.Lock()
	if u.complete, u.failure = complete, failure; u.ended == 0 {
		u.ended = u.k.now()
	}
	u.mu.Unlock()
	if failure != nil {
		u.k.u.wake() // who waits for the answer to half a request waits for ever
	}
	u.done <- struct{}{}
}

func (u *upload) pump() (complete bool, failure *proxy.ForwardError) {
	x := u.k.x
	b, left, chunked := x.Request.Body, u.k.left, x.Request.Length < 0
	for {
		u.reading.Store(true)
		if u.over.Load() {
			return false, nil
		}
		p, err := b.Next()
		u.reading.Store(false)
		switch {
		case err == io.EOF: //nolint:errorlint // Body.Next returns io.EOF itself
			if !chunked {
				return true, nil
			}
			return u.write(appendLastChunk(u.head[:0], b.Trailer()), nil, nil)
		case err != nil && u.whole.Load():
			return true, nil
		case err != nil && u.over.Load():
			return false, nil
		case err != nil:
			return false, clientFault(err)
		case len(p) == 0:
			continue
		}
		sent := false
		if chunked {
			sent, failure = u.write(appendChunkHead(u.head[:0], len(p)), p, lineEnd)
		} else {
			sent, failure = u.write(p, nil, nil)
		}
		if !sent {
			return false, failure
		}
		if left -= int64(len(p)); left == 0 && !chunked {
			u.sentAll()
		}
	}
}

// sentAll notes that the instance has got as much as it was told that it would.
// The end of the client's message may not have been seen yet: in HTTP/2 it can come
// by itself.
func (u *upload) sentAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = u.k.now()
	u.whole.Store(true)
}

var errNotTaken = errors.New("the instance took nothing of the request for longer than the route's idle timeout")

// write sends three pieces. That the instance is gone, or wants no more, shows in
// its answer, or in that there is none; that it does not listen shows here only.
func (u *upload) write(p, q, r []byte) (sent bool, failure *proxy.ForwardError) {
	u.writing.Store(true)
	defer u.writing.Store(false)
	u.pieces = [3][]byte{p, q, r}
	if u.k.u.secure != nil {
		w := u.k.f.room.getWide()
		defer u.k.f.room.putWide(w)
		u.join(w[:0])
	}
	u.vec = u.pieces[:]
	for u.arm() {
		n, err := u.vec.WriteTo(u.k.u.nc)
		if err == nil {
			return true, nil
		}
		if err = u.stalled(int(n), err); err != nil {
			errors.As(err, &failure)
			return false, failure
		}
	}
	return false, nil
}

// arm sets the deadline for the next bytes. It reports false when nobody wants
// them any more.
func (u *upload) arm() bool {
	c := u.k.u
	if t, moved := c.writeBy.move(u.k.now(), u.k.x.Route.IdleTimeout); moved {
		_ = c.nc.SetWriteDeadline(t) // fails on a closed connection only
	}
	return !u.over.Load()
}

// stalled returns nil when a write that failed after n bytes is to go on, and a
// *proxy.ForwardError when it is the instance that does not listen.
func (u *upload) stalled(n int, err error) error {
	c := u.k.u
	switch {
	case !isTimeout(err):
		return err
	case n == 0 && c.writeBy.at > 0 && u.k.now() >= c.writeBy.at:
		return &proxy.ForwardError{Cause: proxy.TimedOut, Err: errNotTaken}
	}
	c.writeBy.lost()
	return nil
}

// resume is stalled for writes that TLS makes.
func (u *upload) resume(n int, err error) error {
	if err = u.stalled(n, err); err == nil && !u.arm() {
		err = errUploadOver
	}
	return err
}

var errUploadOver = errors.New("the upload is over")

// join makes one of the pieces, in that room: TLS would send them one by one.
func (u *upload) join(room []byte) {
	for _, p := range u.pieces {
		room = append(room, p...)
	}
	u.pieces = [3][]byte{room}
}

// takeBack returns when nobody reads the client's body any more, and whether
// the instance has got all of it.
func (u *upload) takeBack() (complete bool) {
	if !u.running {
		return u.complete
	}
	select {
	case <-u.done:
	default:
		u.over.Store(true)
		if s, ok := u.k.x.W.(stopper); ok && u.reading.Load() {
			s.StopBody()
			if !u.whole.Load() {
				u.k.received = true // the client's body is lost, so nobody else can be asked
			}
		}
		_ = u.k.u.nc.SetWriteDeadline(past) // fails on a closed connection only
		<-u.done
	}
	u.k.u.writtenBy(u.k.onStall)
	u.running = false
	return u.complete
}
