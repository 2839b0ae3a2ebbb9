package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
)

// Instance is one instance of a service, in the test's own process. It speaks
// HTTP/1.1 and, by prior knowledge, HTTP/2. Its standard
// handler answers 200 with an Echo as JSON and names itself in X-Instance.
type Instance struct {
	Service, ID string
	// Host and Port are where it listens.
	Host string
	Port int

	server   *httptest.Server
	handlers map[string]http.HandlerFunc // by exact path, as it arrived
	all      http.HandlerFunc            // in place of the echo, if there is one
	served   atomic.Int64
	ledger   *Ledger
}

// Echo is what an instance saw of a request.
type Echo struct {
	Service, Instance string
	Proto             string
	Method            string
	Host              string
	// RequestURI is the target as it stood on the wire.
	RequestURI string
	Header     http.Header
	BodyBytes  int64
	RemoteAddr string
}

// StartInstance runs an instance until the test ends.
func StartInstance(t testing.TB, service, id string) *Instance {
	t.Helper()
	return StartInstanceAt(t, "127.0.0.1:0", service, id)
}

// StartInstanceAt runs an instance at an address of this machine.
func StartInstanceAt(t testing.TB, at, service, id string) *Instance {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	i := &Instance{Service: service, ID: id, handlers: map[string]http.HandlerFunc{}}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	i.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: i, ReadHeaderTimeout: Patience, Protocols: protocols}}
	i.server.Start()
	t.Cleanup(i.Close)
	address := i.server.Listener.Addr().(*net.TCPAddr)
	i.Host, i.Port = address.IP.String(), address.Port
	return i
}

// StartInstances runs n instances, named after the service.
func StartInstances(t testing.TB, service string, n int) []*Instance {
	t.Helper()
	all := make([]*Instance, n)
	for k := range all {
		all[k] = StartInstance(t, service, service+"-"+strconv.Itoa(k+1))
	}
	return all
}

// Close ends the instance at once: connections break, new ones are refused. The latter
// comes first, or some would be taken only to break as well.
func (i *Instance) Close() {
	_ = i.server.Listener.Close() // it may be closed already
	i.server.CloseClientConnections()
	i.server.Close()
}

// Handle adds a handler for one exact path. It is called before the first request.
func (i *Instance) Handle(path string, handler http.HandlerFunc) { i.handlers[path] = handler }

// HandleAll has one handler answer whatever Handle has none for. It is called
// before the first request.
func (i *Instance) HandleAll(handler http.HandlerFunc) { i.all = handler }

// Record has the ledger note every request that carries an id. It is called
// before the first request.
func (i *Instance) Record(l *Ledger) { i.ledger = l }

// Served returns how many requests have arrived.
func (i *Instance) Served() int64 { return i.served.Load() }

// CheckID returns the id of the check of Registration.
func (i *Instance) CheckID() string { return "check-" + i.ID }

// Registration returns what Register registers: one passing TTL check.
func (i *Instance) Registration() datacenter.Registration {
	return datacenter.Registration{
		ID:      i.ID,
		Name:    i.Service,
		Address: i.Host,
		Port:    i.Port,
		Checks:  []datacenter.Check{{CheckID: i.CheckID(), Name: "test", TTL: "1h", Status: "passing"}},
	}
}

// ServeHTTP names the instance and hands the request on.
func (i *Instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.served.Add(1)
	w.Header().Set("X-Instance", i.ID)
	if id := r.Header.Get(IDField); id != "" {
		w.Header().Set(IDField, id)
		if i.ledger != nil {
			i.ledger.note(id)
		}
	}
	if handler, ok := i.handlers[r.URL.Path]; ok {
		handler(w, r)
		return
	}
	if i.all != nil {
		i.all(w, r)
		return
	}
	i.echo(w, r) // whatever the path: a ServeMux would redirect unclean ones
}

func (i *Instance) echo(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return // the gateway broke off: nobody reads an answer
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Echo{
		Service: i.Service, Instance: i.ID, Proto: r.Proto, Method: r.Method, Host: r.Host,
		RequestURI: r.RequestURI, Header: r.Header, BodyBytes: n, RemoteAddr: r.RemoteAddr,
	})
}

// ParseEcho decodes an echo's body.
func ParseEcho(body []byte) (Echo, error) {
	var e Echo
	if err := json.Unmarshal(body, &e); err != nil {
		return e, fmt.Errorf("decoding the echo %q: %w", body, err)
	}
	return e, nil
}
