//go:build e2e

package e2e

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// h2specTries is how often a case may be tried before it counts as failed: some of
// the suite's are a race between a frame and the end of the connection.
const h2specTries = 5

// h2specPatience is how long a case waits for an answer at first, in seconds.
const h2specPatience = 2

// known are the cases that fail, by net/http's doing. DESIGN.md says why each may.
var known = map[string]bool{
	"http2/3.5: Sends invalid connection preface":                                                                   true,
	"http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE":                                            true,
	"http2/8.1.2.2: Sends a HEADERS frame that contains the connection-specific header field":                       true,
	"http2/8.1.2.2: Sends a HEADERS frame that contains the TE header field with any value other than \"trailers\"": true,
}

// TestH2spec runs h2spec against the gateway and against net/http alone: what only
// the gateway fails is the gateway's fault.
func TestH2spec(t *testing.T) {
	t.Parallel()
	program := harness.H2spec(t)
	answer := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello")
	}
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%t", secure), func(t *testing.T) {
			t.Parallel()
			orders := harness.StartInstance(t, "orders", "orders-1")
			orders.HandleAll(answer)
			o := harness.Options{Config: staticService("orders", orders.Host, orders.Port), Policies: "route \"all\" {\n  path_prefix = \"/\"\n  service = \"orders\"\n}\n"}
			if secure {
				dir := t.TempDir()
				cert, key := newAuthority(t).issue(1, "secure.test")
				write(t, filepath.Join(dir, "tls.pem"), cert)
				write(t, filepath.Join(dir, "tls.key"), key)
				o.Listener = fmt.Sprintf("tls {\ncertificate {\ncert_file = %q\nkey_file = %q\n}\n}\n", filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key"))
			}
			gateway := suite{t, program, harness.StartGateway(t, o).Public, secure}
			bare := suite{t, program, bareServer(t, secure, answer), secure}

			var ours, theirs map[string]bool
			var wg sync.WaitGroup
			wg.Go(func() { ours = gateway.run(h2specPatience) })
			wg.Go(func() { theirs = bare.run(h2specPatience) })
			wg.Wait()
			t.Logf("the gateway fails %d cases, net/http alone %d", len(ours), len(theirs))
			for name := range ours {
				section, _, _ := strings.Cut(name, ":")
				for try := 1; ours[name] && !(theirs[name] && known[name]) && try < h2specTries; try++ {
					patience := h2specPatience << try // a busy machine may need more
					ours[name] = gateway.run(patience, section)[name]
					theirs[name] = theirs[name] || bare.run(patience, section)[name]
				}
				switch {
				case !ours[name]:
				case !theirs[name]:
					t.Errorf("the gateway fails what net/http alone does not: %s", name)
				case !known[name]:
					t.Errorf("nobody knows why this may fail: %s", name)
				}
			}
		})
	}
}

// bareServer is net/http with nothing in front of it, and returns its address.
func bareServer(t *testing.T, secure bool, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(answer)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it is there to be maltreated
	if s.EnableHTTP2 = secure; secure {
		s.StartTLS()
	} else {
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetHTTP1(true)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// suite runs h2spec against one server.
type suite struct {
	t       *testing.T
	program string
	server  string
	secure  bool
}

// run runs the cases of some sections, or all, with so many seconds of patience for
// each answer, and returns those that failed.
func (s suite) run(patience int, sections ...string) map[string]bool {
	s.t.Helper()
	host, port, err := net.SplitHostPort(s.server)
	if err != nil {
		s.t.Error(err)
		return nil
	}
	report := filepath.Join(s.t.TempDir(), "report.xml")
	args := append([]string{"-h", host, "-p", port, "-j", report, "-o", strconv.Itoa(patience)}, sections...)
	if s.secure {
		args = append(args, "-t", "-k")
	}
	command := exec.CommandContext(s.t.Context(), s.program, args...)
	output, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Errorf("running h2spec: %v", err)
		return nil
	}
	text, err := os.ReadFile(report)
	if err != nil {
		s.t.Errorf("reading h2spec's report: %v; it printed:\n%s", err, output)
		return nil
	}
	return s.failures(text)
}

// failures reads a report of JUnit's format.
func (s suite) failures(text []byte) map[string]bool {
	var all struct {
		Suites []struct {
			Cases []struct {
				Package string     `xml:"package,attr"`
				Name    string     `xml:"classname,attr"`
				Failed  []struct{} `xml:"failure"`
				Erred   []struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.NewDecoder(bytes.NewReader(text)).Decode(&all); err != nil {
		s.t.Errorf("decoding h2spec's report: %v", err)
		return nil
	}
	failed, ran := map[string]bool{}, 0
	for _, suite := range all.Suites {
		for _, c := range suite.Cases {
			ran++
			if len(c.Failed)+len(c.Erred) > 0 {
				failed[c.Package+": "+c.Name] = true
			}
		}
	}
	if ran == 0 {
		s.t.Error("h2spec ran nothing")
	}
	return failed
}
