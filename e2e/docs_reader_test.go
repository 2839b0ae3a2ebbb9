//go:build e2e && unix

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
)

// fence is one fenced block of a document.
type fence struct {
	language, text string
	line           int // of the document
}

// title is the first line without its comment.
func (f *fence) title() string {
	first, _, _ := strings.Cut(f.text, "\n")
	return withoutComment(first)
}

var comment = regexp.MustCompile(`\s+#\s.*$`)

func withoutComment(line string) string { return strings.TrimSpace(comment.ReplaceAllString(line, "")) }

// fencesOf returns the fenced blocks of a document. Each must say in what
// language it is: sh is run, hcl is validated, text is for people.
func fencesOf(document string) ([]fence, error) {
	var all []fence
	var open *fence
	n := 0
	for line := range strings.Lines(document) {
		n++
		mark, fenced := strings.CutPrefix(strings.TrimRight(line, "\n"), "```")
		switch {
		case open != nil && fenced:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		case fenced:
			if mark != "sh" && mark != "hcl" && mark != "text" {
				return nil, fmt.Errorf("line %d: a block in %q, which is none of sh, hcl and text", n, mark)
			}
			open = &fence{language: mark, line: n}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: a block without an end", open.line)
	}
	return all, nil
}

// allKnown compares the blocks of commands with those that the test lists.
func allKnown(fences []fence, known map[string]commands) error {
	var errs []error
	seen := map[string]bool{}
	for _, f := range fences {
		if f.language != "sh" {
			continue
		}
		if _, ok := known[f.title()]; !ok {
			errs = append(errs, fmt.Errorf("line %d: the test does not know the commands %q", f.line, f.title()))
		}
		if seen[f.title()] {
			errs = append(errs, fmt.Errorf("line %d: a second block that begins with %q", f.line, f.title()))
		}
		seen[f.title()] = true
	}
	for title := range known {
		if !seen[title] {
			errs = append(errs, fmt.Errorf("the document no longer has the commands %q", title))
		}
	}
	return errors.Join(errs...)
}

// reader does what a person does who reads a document and types what it says.
type reader struct {
	t     *testing.T
	known map[string]commands
	dir   string
	env   []string
	// ports are those that are used in place of the document's.
	ports map[string]string
	// running are the programs that keep running, by their command.
	running map[string]*process.Process
	// printed is what they print.
	printed *harness.Log
}

// documentPorts are the ports that documents may name.
var documentPorts = []string{"6379", "8080", "8081", "8082", "8500", "9001", "9980", "9981", "9982"}

func newReader(t *testing.T, known map[string]commands) *reader {
	t.Helper()
	r := &reader{t: t, known: known, dir: t.TempDir(), ports: map[string]string{}, running: map[string]*process.Process{}, printed: &harness.Log{}}
	free, err := process.FreePorts(len(documentPorts) + 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, port := range documentPorts {
		r.ports[port] = fmt.Sprint(free[i])
	}
	r.env = []string{
		"PATH=" + filepath.Join(r.dir, ".path") + string(os.PathListSeparator) + os.Getenv("PATH"),
		"LC_ALL=C", // bash tells of a locale that the machine lacks
		"CONSUL_HTTP_ADDR=127.0.0.1:" + r.ports["8500"],
		"LICTOR_ADDR=http://127.0.0.1:" + r.ports["9980"],
	}
	r.link(harness.ConsulBinary(t), ".path", "consul")
	r.link(harness.Lictor(t), "bin", "lictor")
	r.link(harness.RedisBinary(t), ".path", "redis-server")
	// What -dev takes for granted is moved to the ports in use.
	consul, err := json.Marshal(map[string]any{
		"bind_addr": "127.0.0.1", "client_addr": "127.0.0.1", "disable_update_check": true,
		"ports": map[string]any{
			"http": json.Number(r.ports["8500"]), "server": free[len(documentPorts)], "serf_lan": free[len(documentPorts)+1],
			"serf_wan": -1, "dns": -1, "grpc": -1, "grpc_tls": -1, "https": -1,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.write(".ports.json", string(consul))
	r.write(".ports.hcl", fmt.Sprintf("listener \"dev\" {\n  address = \"127.0.0.1:%s\"\n}\nadmin {\n  address = \"127.0.0.1:%s\"\n}\n", r.ports["8080"], r.ports["9980"]))
	// What configuration names must be there to be validated.
	if err := os.MkdirAll(filepath.Join(r.dir, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key := newAuthority(t).issue(1, "example.com")
	r.write("tls/example.com.pem", string(cert))
	r.write("tls/example.com.key", string(key))
	return r
}

func (r *reader) link(program, folder, name string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Join(r.dir, folder), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(r.dir, folder, name)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reader) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// read runs and validates the blocks in their order, up to the first that fails.
func (r *reader) read(fences []fence) error {
	for i := range fences {
		f := &fences[i]
		var err error
		switch f.language {
		case "sh":
			err = r.run(f)
		case "hcl":
			err = r.validate(f)
		}
		if err != nil {
			return fmt.Errorf("line %d, %q: %w\nprograms printed:\n%s", f.line, f.title(), err, r.printed)
		}
	}
	for command, p := range r.running {
		if err := p.Err(); err != nil { // it has ended, because it was told to
			return fmt.Errorf("%q: %w", command, err)
		}
	}
	return nil
}

// validate has the gateway check a piece of configuration, with the ports of the
// document: nothing listens.
func (r *reader) validate(f *fence) error {
	name := fmt.Sprintf("line-%d.hcl", f.line)
	r.write(name, f.text)
	printed, err := r.bash(r.dir, "bin/lictor validate "+name)
	if err != nil {
		return fmt.Errorf("%w: %s", err, printed)
	}
	return nil
}

func (r *reader) run(f *fence) error {
	c := r.known[f.title()]
	if c.skip != "" {
		return nil
	}
	text, err := r.moved(f.text)
	if err != nil {
		return err
	}
	if !c.settles {
		return r.once(text, c)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*harness.Patience)
	defer cancel()
	return process.Until(ctx, nil, func(context.Context) error { return r.once(text, c) })
}

var (
	portNumber = regexp.MustCompile(`\b\d{4,5}\b`)
	socket     = regexp.MustCompile(`(?:127\.0\.0\.1|localhost):(\d+)`)
)

// moved replaces the ports of the document by those in use.
func (r *reader) moved(text string) (string, error) {
	for _, m := range socket.FindAllStringSubmatch(text, -1) {
		if r.ports[m[1]] == "" {
			return "", fmt.Errorf("port %s is none of %v", m[1], documentPorts)
		}
	}
	return portNumber.ReplaceAllStringFunc(text, func(port string) string {
		if moved := r.ports[port]; moved != "" {
			return moved
		}
		return port
	}), nil
}

// once runs a block: what keeps running as programs of their own, all else by
// bash in between, which stops at the first command that fails.
func (r *reader) once(text string, c commands) error {
	dir := r.dir
	if c.inSource {
		dir = harness.Root(r.t)
	}
	var printed, pending strings.Builder
	flush := func() error {
		out, err := r.bash(dir, pending.String())
		pending.Reset()
		printed.WriteString(out)
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	document := "" // the end of a here-document, while in one
	for line := range strings.Lines(text) {
		command := withoutComment(line)
		switch {
		case document != "":
			if strings.TrimSpace(line) == document {
				document = ""
			}
		case hereDocument.MatchString(line):
			document = hereDocument.FindStringSubmatch(line)[1]
		case keepsRunning.MatchString(command):
			if err := flush(); err != nil {
				return err
			}
			if err := r.start(strings.TrimSuffix(command, "&")); err != nil {
				return err
			}
			continue
		}
		pending.WriteString(line)
	}
	if err := flush(); err != nil {
		return err
	}
	for _, want := range c.prints {
		if !regexp.MustCompile(want).MatchString(printed.String()) {
			return fmt.Errorf("nothing matches %q in:\n%s", want, printed.String())
		}
	}
	return nil
}

var (
	hereDocument = regexp.MustCompile(`<<'(\w+)'`)
	keepsRunning = regexp.MustCompile(`^consul agent |^bin/lictor agent |lictor agent .*'$|&$`)
)

func (r *reader) bash(dir, script string) (string, error) {
	if strings.TrimSpace(script) == "" {
		return "", nil
	}
	out := &harness.Log{}
	p, err := process.Start(process.Command{
		Path: "bash", Args: []string{"-eu", "-o", "pipefail", "-c", script}, Dir: dir, Env: r.env, Output: out,
	})
	if err != nil {
		return "", err
	}
	// What is run in the folder of the source may have to be built, from nothing.
	timer := time.NewTimer(20 * harness.Patience)
	defer timer.Stop()
	select {
	case <-p.Done():
		return out.String(), p.Err()
	case <-timer.C:
		p.Kill()
		return out.String(), errors.New("it did not end")
	}
}

// start runs a program until the test ends, unless it runs already, and waits
// until it serves.
func (r *reader) start(command string) error {
	if r.running[command] != nil {
		return nil
	}
	asked := command
	consul, gateway := strings.HasPrefix(command, "consul agent"), strings.Contains(command, "lictor agent")
	switch {
	case consul:
		command += " -log-level=warn -config-file .ports.json"
	case gateway && strings.Contains(command, " -dev"):
		command += " -config-file .ports.hcl"
	}
	p, err := process.Start(process.Command{
		Path: "bash", Args: []string{"-c", "exec " + command}, Dir: r.dir, Env: r.env, Output: r.printed,
	})
	if err != nil {
		return err
	}
	r.running[asked] = p
	r.t.Cleanup(p.Kill)
	ready := func(ctx context.Context) error { return listens(ctx, portNumber.FindString(command)) }
	switch {
	case consul:
		ready = r.consulLeads
	case gateway:
		ready = r.gatewayServes
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*harness.Patience)
	defer cancel()
	if err := process.Until(ctx, p, ready); err != nil {
		return fmt.Errorf("waiting for %q: %w", command, err)
	}
	return nil
}

// listens says whether something listens on the port.
func listens(ctx context.Context, port string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", "127.0.0.1:"+port)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	return conn.Close()
}

// consulLeads says whether Consul has a leader.
func (r *reader) consulLeads(ctx context.Context) error {
	leader, err := get(ctx, r.ports["8500"], "/v1/status/leader")
	if err == nil && leader == `""` {
		err = errors.New("it has no leader")
	}
	return err
}

// gatewayServes says whether the gateway is ready and every instance that it
// knows has passed its first check: a person is slower than that.
func (r *reader) gatewayServes(ctx context.Context) error {
	if _, err := get(ctx, r.ports["9980"], "/v1/ready"); err != nil {
		return err
	}
	services, err := get(ctx, r.ports["9980"], "/v1/services")
	if err == nil && strings.Contains(services, `"eligible": false`) {
		err = fmt.Errorf("not every instance is healthy: %s", services)
	}
	return err
}

// get asks what listens on the port and returns the body of its 200.
func get(ctx context.Context, port, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+path, nil)
	if err != nil {
		return "", fmt.Errorf("asking: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("asking: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), nil
}
