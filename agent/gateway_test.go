package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/agent/config"
)

// patience bounds every wait of these tests. None of them takes as long unless
// something is wrong.
const patience = time.Minute

// eventually polls until ok, for what is seen from outside only: a counter, a line of
// the log, an answer over a socket. What tells of itself is waited for by its channel.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// output is a writer that a test may look into at any time.
type output struct {
	mu sync.Mutex
	b  strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) count(text string) int { return strings.Count(o.String(), text) }

// gateway is one Agent at work, and the file that it was started from.
type gateway struct {
	*Agent
	t           *testing.T
	file        string
	log, stdout *output
	stop, hurry context.CancelFunc
	ended       chan struct{}
	err         error // of Run, once ended is closed
}

// complete fills in what a test does not say: addresses that are free, no access
// log, and no watching of files.
func complete(text string) string {
	for block, otherwise := range map[string]string{
		"listener ":   "listener \"public\" {\n  address = \"127.0.0.1:0\"\n}\n",
		"admin {":     "admin {\n  address = \"127.0.0.1:0\"\n}\n",
		"access_log ": "access_log {\n  format = \"off\"\n}\n",
		"policies {":  "policies {\n  watch = false\n}\n",
	} {
		if !strings.Contains(text, block) {
			text += otherwise
		}
	}
	return text
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// build makes a gateway that does not run yet.
func build(t *testing.T, text string) (*gateway, error) {
	t.Helper()
	g := &gateway{t: t, file: filepath.Join(t.TempDir(), "lictor.hcl"), log: &output{}, stdout: &output{}, ended: make(chan struct{})}
	write(t, g.file, complete(text))
	var err error
	g.Agent, err = New(Options{Input: config.Input{ConfigFiles: []string{g.file}}, Stdout: g.stdout, Stderr: g.log, Version: "test"})
	return g, err
}

// start runs a gateway until the test ends, at the latest.
func start(t *testing.T, text string) *gateway {
	t.Helper()
	g, err := build(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return g.run()
}

func (g *gateway) run() *gateway {
	g.t.Helper()
	var ctx, hurry context.Context
	ctx, g.stop = context.WithCancel(context.Background())
	hurry, g.hurry = context.WithCancel(context.Background())
	go func() {
		defer close(g.ended)
		g.err = g.Run(ctx, hurry)
	}()
	g.t.Cleanup(func() {
		g.stop()
		g.hurry()
		g.await()
		if g.t.Failed() {
			g.t.Logf("the log:\n%s", g.log)
		}
	})
	return g
}

// await waits for Run to return.
func (g *gateway) await() {
	g.t.Helper()
	select {
	case <-g.ended:
	case <-time.After(patience):
		g.t.Fatal("Run has not returned")
	}
}

func (g *gateway) awaitReady() *gateway {
	g.t.Helper()
	eventually(g.t, "the gateway is ready", func() bool { return len(g.NotReady()) == 0 })
	return g
}

func (g *gateway) address() netip.AddrPort { return g.servers[0].addr }

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends one request, with the fields given as "Name: value".
func ask(t *testing.T, method, url string, fields ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	resp, err := fresh.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// fresh keeps no connection: none is left when a test ends.
var fresh = &http.Transport{DisableKeepAlives: true}

// get asks the listener.
func (g *gateway) get(path string, fields ...string) answer {
	g.t.Helper()
	return ask(g.t, http.MethodGet, "http://"+g.address().String()+path, fields...)
}

// api asks the admin API.
func (g *gateway) api(method, path string, fields ...string) answer {
	g.t.Helper()
	return ask(g.t, method, "http://"+g.admin.addr.String()+path, fields...)
}

// decode reads an answer of the admin API.
func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// reload gives the gateway another configuration.
func (g *gateway) reload(text string) (ReloadReport, error) {
	g.t.Helper()
	write(g.t, g.file, complete(text))
	return g.Reload()
}

// accept is reload for a configuration that must be good.
func (g *gateway) accept(text string) ReloadReport {
	g.t.Helper()
	report, err := g.reload(text)
	if err != nil {
		g.t.Fatal(err)
	}
	return report
}

// instance is a server to send requests to.
func instance(t *testing.T, h http.HandlerFunc) netip.AddrPort {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(s.Listener.Addr().String())
}

// says is an instance that answers the text.
func says(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	return instance(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
}

// service is a block for a static service.
func service(name string, instances ...netip.AddrPort) string {
	s := fmt.Sprintf("service %q {\n", name)
	for _, i := range instances {
		s += fmt.Sprintf("  instance {\n    address = %q\n    port = %d\n  }\n", i.Addr(), i.Port())
	}
	return s + "}\n"
}

// route is a block for a route of a path prefix, with further lines.
func route(name, prefix, service string, lines ...string) string {
	return fmt.Sprintf("route %q {\n  path_prefix = %q\n  service = %q\n  %s\n}\n", name, prefix, service, strings.Join(lines, "\n  "))
}
