package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// grpcLoadCommand is the first argument of this program when it is the load of gRPC.
const grpcLoadCommand = "grpc-load"

// grpcLoad runs this program once more, on the load's CPU, to call.
func grpcLoad(ctx context.Context, address string, connections, streams, size int, duration time.Duration) (load, error) {
	return ownLoad(ctx, grpcLoadCommand, address, strconv.Itoa(connections), strconv.Itoa(streams), strconv.Itoa(size), duration.String())
}

// grpcLoadMain makes as many calls by TLS as are answered, a number at once on each
// of some connections, and prints a load as JSON.
func grpcLoadMain(args []string) error {
	if len(args) != 5 {
		return errors.New(grpcLoadCommand + " takes an address, connections, streams, a size and a duration")
	}
	var n [3]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(args[1+i]); err != nil || n[i] < 1 {
			return fmt.Errorf("%q is no positive number", args[1+i])
		}
	}
	connections, streams, size := n[0], n[1], n[2]
	duration, err := time.ParseDuration(args[4])
	if err != nil {
		return fmt.Errorf("reading the duration: %w", err)
	}
	callers := make([]*caller, connections)
	for n := range callers {
		conn, err := dialH2(context.Background(), args[0], true)
		if err != nil {
			return err
		}
		defer conn.Close()
		callers[n] = newCaller(conn, true, args[0], size)
	}
	until := time.Now().Add(duration)
	errs := make([]error, connections)
	var wg sync.WaitGroup
	for n, c := range callers {
		wg.Go(func() { errs[n] = c.call(streams, func(int) bool { return time.Now().Before(until) }) })
	}
	wg.Wait()

	var l load
	var took []time.Duration
	for n, c := range callers {
		took = append(took, c.took...)
		if errs[n] != nil {
			fmt.Fprintln(os.Stderr, "bench:", errs[n])
			l.Errors += max(1, len(c.since))
		}
	}
	if len(took) == 0 {
		return errors.Join(append(errs, errors.New("no call was answered"))...)
	}
	l.Requests, l.P50, l.P99 = len(took), percentile(took, 50), percentile(took, 99)
	return json.NewEncoder(os.Stdout).Encode(l)
}

// caller is a connection that calls are made on.
type caller struct {
	*framed
	scheme, authority string
	request           []byte
	size              int // of the replies' messages
	next              uint32
	since             map[uint32]time.Time // when each open call was begun
	got               map[uint32]int       // what has come of its reply, in bytes; from its head on
	took              []time.Duration
}

func newCaller(c net.Conn, secure bool, authority string, size int) *caller {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return &caller{
		framed: newFramed(c), scheme: scheme, authority: authority, request: message(asked), size: size, next: 1,
		since: map[uint32]time.Time{}, got: map[uint32]int{},
	}
}

// call makes calls, so many at once, for as long as more says to, which is told how
// many have been begun, and waits for the last answers. It fails at the first call
// that did not go well.
func (c *caller) call(streams int, more func(begun int) bool) error {
	if _, err := io.WriteString(c.w, http2.ClientPreface); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if err := c.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}); err != nil {
		return err
	}
	if err := c.WriteWindowUpdate(0, 1<<20); err != nil {
		return err
	}
	fits := func() bool { return c.window >= int64(len(c.request)) }
	begun := 0
	for settled := false; ; {
		for settled && fits() && len(c.since) < streams && more(begun) {
			begun++
			if err := c.begin(); err != nil {
				return err
			}
		}
		if settled && fits() && len(c.since) == 0 {
			return nil
		}
		frame, told, err := c.read()
		if err != nil {
			return fmt.Errorf("%d calls were answered, %d not: %w", len(c.took), len(c.since), err)
		}
		if settled = true; c.streams < uint32(streams) {
			return fmt.Errorf("%d calls at once are not allowed, but %d", streams, c.streams)
		}
		if told {
			if err := c.take(frame); err != nil {
				return err
			}
		}
	}
}

// begin makes a call that there is room for.
func (c *caller) begin() error {
	id := c.next
	c.next += 2
	c.since[id] = time.Now()
	if err := c.headers(id, false,
		":method", "POST", ":scheme", c.scheme, ":path", grpcMethod, ":authority", c.authority,
		"content-type", "application/grpc", "user-agent", "grpc-go/1.85.0", "te", "trailers",
		"grpc-accept-encoding", "gzip", "grpc-timeout", "20S",
	); err != nil {
		return err
	}
	_, err := c.body(id, true, c.request)
	return err
}

// take takes a piece of an answer.
func (c *caller) take(frame http2.Frame) error {
	id := frame.Header().StreamID
	since, open := c.since[id]
	got, begun := c.got[id]
	if !open {
		return fmt.Errorf("a frame on stream %d, which is over", id)
	}
	switch t := frame.(type) {
	case *http2.DataFrame:
		c.got[id] = got + len(t.Data())
		if t.StreamEnded() {
			return errors.New("an answer without trailers")
		}
	case *http2.MetaHeadersFrame:
		switch {
		case !begun && !t.StreamEnded() && field(t, ":status") == "200" && field(t, "content-type") == "application/grpc":
			c.got[id] = 0
		case begun && t.StreamEnded() && field(t, "grpc-status") == "0" && got == messagePrefix+c.size:
			c.took = append(c.took, time.Since(since))
			delete(c.since, id)
			delete(c.got, id)
		default:
			return fmt.Errorf("a call got %v and %d bytes", t.Fields, got)
		}
	}
	return nil
}
