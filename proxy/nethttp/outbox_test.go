package nethttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counting is a connection that counts what is written at once.
type counting struct {
	net.Conn
	mu     sync.Mutex
	writes []int
}

func (c *counting) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes = append(c.writes, len(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// boxed returns an outbox in a bubble, and the other end of its connection, which
// takes nothing that is not read.
func boxed(t *testing.T, within time.Duration) (*outbox, *counting, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	c := &counting{Conn: ours}
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
	})
	return newOutbox(c, within), c, theirs
}

// TestOutboxGathers: what is written while the connection is busy goes out at once,
// in order, and nothing of it is lost by closing.
func TestOutboxGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, c, theirs := boxed(t, 0)
		var want bytes.Buffer
		put := func(text string) {
			want.WriteString(text)
			if n, err := o.write([]byte(text)); n != len(text) || err != nil {
				t.Errorf("%d %v", n, err)
			}
		}
		put("first ")
		synctest.Wait() // for the other end
		for n := range 100 {
			put(fmt.Sprintf("piece %d ", n))
		}
		if err := o.close(); err != nil {
			t.Error(err)
		}
		if _, err := o.write([]byte("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		got, err := io.ReadAll(theirs)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%q %v", got, err)
		}
		<-o.done
		if len(c.writes) != 2 || c.writes[0] != len("first ") {
			t.Errorf("written in pieces of %v", c.writes)
		}
	})
}

// TestOutboxBounded: who writes more than there is room for waits until the other
// side has taken something. A large piece is not copied.
func TestOutboxBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, c, theirs := boxed(t, 0)
		if _, err := o.write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		written := 0
		go func() {
			for _, size := range []int{mostPending - 1, 1, 1, 2 * mostPending, 1} {
				if _, err := o.write(make([]byte, size)); err != nil {
					t.Error(err)
				}
				written += size
			}
		}()
		synctest.Wait()
		if written != mostPending {
			t.Errorf("%d bytes are pending", written)
		}
		if n, err := io.CopyN(io.Discard, theirs, 1+mostPending+1+2*mostPending+1); err != nil {
			t.Errorf("%d %v", n, err)
		}
		synctest.Wait()
		if fmt.Sprint(c.writes) != fmt.Sprint([]int{1, mostPending, 1, 2 * mostPending, 1}) {
			t.Errorf("written in pieces of %v", c.writes)
		}
	})
}

// TestOutboxStalls: a side that takes nothing of a piece for long is not waited for,
// one that takes some is. The connection is closed, so that its reader learns of it.
func TestOutboxStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _, theirs := boxed(t, time.Minute)
		if _, err := o.write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		for range 10 { // slow, but not stalled
			time.Sleep(50 * time.Second)
			if _, err := io.ReadFull(theirs, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := o.write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := o.conn.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the reader hears %v", err)
		}
		if _, err := o.write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("who writes next hears %v", err)
		}
		<-o.done
		if err := o.close(); err != nil {
			t.Error(err)
		}
	})
}

// TestOutboxParting: a side that takes nothing is parted from a while after the end.
func TestOutboxParting(t *testing.T) {
	for _, within := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			o, _, _ := boxed(t, within)
			if _, err := o.write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			start := time.Now()
			if err := o.close(); err != nil {
				t.Error(err)
			}
			if _, err := o.conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the reader hears %v", err)
			}
			<-o.done
			if d := time.Since(start); d != goodbye {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// TestOutboxCrowd: many write pieces of all sizes at once, and each arrives whole.
func TestOutboxCrowd(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	o := newOutbox(ours, time.Minute)
	const writers, each = 8, 200
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				size := 1 + (n*7919+w*104729)%(2*largePiece)
				p := bytes.Repeat([]byte{byte(w)}, 3+size)
				p[1], p[2] = byte(size>>8), byte(size)
				if _, err := o.write(p); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() {
		all.Wait()
		_ = o.close()
	}()
	pieces := map[byte]int{}
	for head := make([]byte, 3); ; {
		if _, err := io.ReadFull(theirs, head); err != nil {
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
		p := make([]byte, int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(theirs, p); err != nil || bytes.Count(p, head[:1]) != len(p) {
			t.Fatalf("a piece of %d is mixed with others: %v", head[0], err)
		}
		pieces[head[0]]++
	}
	for w := range byte(writers) {
		if pieces[w] != each {
			t.Errorf("%d pieces of %d", pieces[w], w)
		}
	}
}
