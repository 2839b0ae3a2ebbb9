package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pacedCommand is the first argument of this program when it is the load.
const pacedCommand = "paced-load"

// pacedMain sends requests at a rate over a number of connections, evenly spread
// in time, and prints a load as JSON.
func pacedMain(args []string) error {
	if len(args) != 4 {
		return errors.New(pacedCommand + " takes an address, connections, a rate and a duration")
	}
	connections, connectionsErr := strconv.Atoi(args[1])
	rate, rateErr := strconv.Atoi(args[2])
	duration, durationErr := time.ParseDuration(args[3])
	if err := errors.Join(connectionsErr, rateErr, durationErr); err != nil {
		return err
	}
	if connections < 1 || rate < 1 {
		return errors.New("nothing to send")
	}
	workers := make([]*worker, connections)
	for n := range workers {
		conn, err := net.Dial("tcp", args[0])
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		defer conn.Close()
		workers[n] = &worker{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10)}
	}
	request := []byte("GET " + target + " HTTP/1.1\r\nHost: " + args[0] + "\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n")
	interval := time.Duration(float64(time.Second) * float64(connections) / float64(rate))
	start := time.Now().Add(50 * time.Millisecond)
	var wg sync.WaitGroup
	for n, w := range workers {
		wg.Go(func() {
			w.run(request, start, interval*time.Duration(n)/time.Duration(connections), interval, duration)
		})
	}
	wg.Wait()

	failed := 0
	var all []answer
	for _, w := range workers {
		failed += w.errors
		all = append(all, w.answers...)
	}
	if len(all) == 0 {
		return errors.New("nothing was answered")
	}
	l := summarize(all, rate)
	l.Errors = failed
	return json.NewEncoder(os.Stdout).Encode(l)
}

// worker is one connection.
type worker struct {
	conn    net.Conn
	reader  *bufio.Reader
	answers []answer
	errors  int
}

// run sends a request at that time after the start, and each interval later, for
// as long as the load takes. A request that had to wait for the answer to the one
// before counts from when it was due; one that this program itself sent late, as
// timers do, counts from when it was sent.
func (w *worker) run(request []byte, start time.Time, at, interval, duration time.Duration) {
	w.answers = make([]answer, 0, int((duration-at)/interval)+1)
	timer := time.NewTimer(time.Until(start.Add(at)))
	defer timer.Stop()
	for ; at < duration; at += interval {
		from := start.Add(at)
		if wait := time.Until(from); wait > 0 {
			timer.Reset(wait)
			<-timer.C
			from = time.Now()
		}
		if from.Sub(start) > duration+time.Second {
			return // hopelessly behind
		}
		if err := w.exchange(request); err != nil {
			w.errors++
			return
		}
		w.answers = append(w.answers, answer{at, time.Since(from)})
	}
}

// exchange sends a request and reads the answer, which has a length.
func (w *worker) exchange(request []byte) error {
	if _, err := w.conn.Write(request); err != nil {
		return err
	}
	length := -1
	for n := 0; ; n++ {
		line, err := w.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if n == 0 && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return fmt.Errorf("answered %q", line)
		}
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte{':'}); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("an answer without a length")
	}
	_, err := w.reader.Discard(length)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
