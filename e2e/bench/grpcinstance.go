package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/net/http2"
)

// grpcInstanceCommand is the first argument of this program when it is an instance.
const grpcInstanceCommand = "grpc-instance"

// grpcInstanceMain answers calls on an address, each with a message of that size.
func grpcInstanceMain(args []string) error {
	if len(args) != 2 {
		return errors.New(grpcInstanceCommand + " takes an address and a size")
	}
	size, err := strconv.Atoi(args[1])
	if err != nil || size < 1 || size > mostGRPC {
		return fmt.Errorf("a reply of %s bytes: at least 1, at most %d", args[1], mostGRPC)
	}
	ln, err := net.Listen("tcp", args[0])
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	return answerCalls(ln, size, func(err error) { fmt.Fprintln(os.Stderr, "bench:", err) })
}

// answerCalls answers on all connections until the listener is closed and they are,
// and complains of clients that say something else than calls.
func answerCalls(ln net.Listener, size int, complain func(error)) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := ln.Accept()
		if err != nil {
			return fmt.Errorf("accepting: %w", err)
		}
		wg.Go(func() {
			defer c.Close()
			i := &instance{framed: newFramed(c), open: map[uint32]int{}, reply: message(size)}
			if err := i.serve(); !gone(err) {
				complain(fmt.Errorf("serving %v: %w", c.RemoteAddr(), err))
			}
		})
	}
}

// gone reports whether the other side has ended its connection.
func gone(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// instance is a connection that an instance serves.
type instance struct {
	*framed
	open    map[uint32]int // bytes of each call that has not been sent to its end
	waiting []uint32       // for room in the window
	reply   []byte
}

func (i *instance) serve() error {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(i.r, preface); err != nil {
		return fmt.Errorf("reading the preface: %w", err)
	}
	if string(preface) != http2.ClientPreface {
		return fmt.Errorf("no preface: %q", preface)
	}
	if err := i.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 250}); err != nil {
		return err
	}
	for {
		frame, told, err := i.read()
		if err != nil {
			return err
		}
		if told {
			err = i.take(frame)
		} else {
			err = i.resume()
		}
		if err != nil {
			return err
		}
	}
}

// take takes a piece of a call.
func (i *instance) take(frame http2.Frame) error {
	id, ended := frame.Header().StreamID, false
	switch t := frame.(type) {
	case *http2.MetaHeadersFrame:
		if field(t, ":method") != "POST" || field(t, ":path") != grpcMethod || field(t, "content-type") != "application/grpc" || field(t, "te") != "trailers" {
			return fmt.Errorf("no call of gRPC's: %v", t.Fields)
		}
		i.open[id], ended = 0, t.StreamEnded()
	case *http2.DataFrame:
		i.open[id] += len(t.Data())
		ended = t.StreamEnded()
	}
	if !ended {
		return nil
	}
	if n := i.open[id]; n != messagePrefix+asked {
		return fmt.Errorf("a call of %d bytes", n)
	}
	delete(i.open, id)
	if err := i.headers(id, false, ":status", "200", "content-type", "application/grpc", "grpc-accept-encoding", "gzip"); err != nil {
		return err
	}
	i.waiting = append(i.waiting, id)
	return i.resume()
}

// resume sends the replies that there is room for.
func (i *instance) resume() error {
	for n, id := range i.waiting {
		room, err := i.body(id, false, i.reply)
		if err != nil {
			return err
		}
		if !room {
			i.waiting = slices.Delete(i.waiting, 0, n)
			return nil
		}
		if err := i.headers(id, true, "grpc-status", "0", "grpc-message", ""); err != nil {
			return err
		}
	}
	i.waiting = i.waiting[:0]
	return nil
}
