// Command echo is the sample service of the demo: it answers with what it
// received, so that a reader sees what the gateway sent.
//
//	echo -name orders -id orders-1 -addr 127.0.0.1:0 -addr-file F
//
// It takes any method on any path and answers with JSON. Besides:
//
//	?delay=200ms         answer only after that long
//	?status=500          answer with that status
//	/health              200, or 503 once it was told to fail
//	/stream              server-sent events, one every ?every=500ms, ?count=10 of them
//	POST /_control/fail  turn critical
//	POST /_control/ok    turn healthy again
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	name := flag.String("name", "echo", "name of the `service`")
	id := flag.String("id", "echo-1", "`id` of this instance, answered as X-Instance")
	addr := flag.String("addr", "127.0.0.1:0", "`address` to listen on; port 0 picks a free one")
	addrFile := flag.String("addr-file", "", "`file` that receives the address once it accepts connections")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *addrFile, newService(*name, *id)); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then lets requests under way finish.
func run(ctx context.Context, addr, addrFile string, handler http.Handler) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	if addrFile != "" {
		if err := publish(addrFile, listener.Addr().String()); err != nil {
			return err
		}
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	select {
	case err := <-served:
		return fmt.Errorf("serving %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("shutting down: %w", err)
	}
	return nil
}

// publish writes the address in one step, so that a reader never sees half of it.
func publish(file, addr string) error {
	temporary := file + ".tmp"
	if err := os.WriteFile(temporary, []byte(addr), 0o600); err != nil {
		return fmt.Errorf("writing the address: %w", err)
	}
	if err := os.Rename(temporary, file); err != nil {
		return fmt.Errorf("publishing the address: %w", err)
	}
	return nil
}

// service is one instance of the sample service.
type service struct {
	name, id string
	failing  atomic.Bool
	mux      *http.ServeMux
}

func newService(name, id string) *service {
	s := &service{name: name, id: id, mux: http.NewServeMux()}
	s.mux.HandleFunc("/", s.echo)
	s.mux.HandleFunc("GET /health", s.health)
	s.mux.HandleFunc("GET /stream", s.stream)
	s.mux.HandleFunc("POST /_control/fail", s.control(true))
	s.mux.HandleFunc("POST /_control/ok", s.control(false))
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Instance", s.id)
	s.mux.ServeHTTP(w, r)
}

// reply is what the echo answers: the request as this instance saw it.
type reply struct {
	Service  string      `json:"service"`
	Instance string      `json:"instance"`
	Method   string      `json:"method"`
	Host     string      `json:"host"`
	Path     string      `json:"path"`
	Query    string      `json:"query,omitempty"`
	Headers  http.Header `json:"headers"`
	Body     int64       `json:"body_bytes"`
}

func (s *service) echo(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	if text := r.URL.Query().Get("status"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 200 || n > 599 {
			http.Error(w, "status must be a number from 200 to 599", http.StatusBadRequest)
			return
		}
		status = n
	}
	body, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return // the client broke off: nobody reads an answer
	}
	if !pause(w, r, "delay", 0) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	// An error here means that the client is gone.
	_ = encoder.Encode(reply{
		Service:  s.name,
		Instance: s.id,
		Method:   r.Method,
		Host:     r.Host,
		Path:     r.URL.EscapedPath(),
		Query:    r.URL.RawQuery,
		Headers:  r.Header,
		Body:     body,
	})
}

// pause waits as long as the query parameter says and reports whether to go on.
// A parameter that is no duration is answered with 400.
func pause(w http.ResponseWriter, r *http.Request, parameter string, otherwise time.Duration) bool {
	wait := otherwise
	if text := r.URL.Query().Get(parameter); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 {
			http.Error(w, parameter+" must be a duration such as 200ms", http.StatusBadRequest)
			return false
		}
	}
	if wait == 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (s *service) stream(w http.ResponseWriter, r *http.Request) {
	count := 10
	if text := r.URL.Query().Get("count"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			http.Error(w, "count must be a positive number", http.StatusBadRequest)
			return
		}
		count = n
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	controller := http.NewResponseController(w)
	for n := range count {
		if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", n, s.id); err != nil {
			return
		}
		if err := controller.Flush(); err != nil {
			return
		}
		if n < count-1 && !pause(w, r, "every", 500*time.Millisecond) {
			return
		}
	}
}

func (s *service) health(w http.ResponseWriter, _ *http.Request) {
	if s.failing.Load() {
		http.Error(w, "told to fail", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (s *service) control(failing bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s.failing.Store(failing)
		if failing {
			fmt.Fprintf(w, "%s now fails its health check\n", s.id)
		} else {
			fmt.Fprintf(w, "%s passes its health check again\n", s.id)
		}
	}
}
