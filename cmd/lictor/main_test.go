package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/agent"
	"github.com/lictor/lictor/agent/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// run is one call of the program.
type run struct {
	code           int
	stdout, stderr string
}

// lictor runs the program with variables of the environment and arguments.
func lictor(environment map[string]string, args ...string) run {
	var out, errs bytes.Buffer
	code := dispatch(env{stdout: &out, stderr: &errs, getenv: func(name string) string { return environment[name] }}, args)
	return run{code, out.String(), errs.String()}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args   string
		code   int
		stdout string // is in it; empty: it is empty
		stderr string
	}{
		{"", 2, "", "Usage: lictor COMMAND"},
		{"help", 0, "Usage: lictor COMMAND", ""},
		{"-h", 0, "Usage: lictor COMMAND", ""},
		{"--help", 0, "Usage: lictor COMMAND", ""},
		{"version", 0, "lictor dev (go", ""},
		{"--version", 0, "lictor dev (go", ""},
		{"nonsense", 2, "", `lictor: unknown command "nonsense"`},
		{"agent", 2, "", "give -config-file or -config-dir, or -dev"},
		{"agent -h", 0, "", "-config-file"},
		{"agent -nonsense", 2, "", "flag provided but not defined: -nonsense"},
		{"agent -dev extra", 2, "", `lictor agent: unexpected argument "extra"`},
		{"agent -config-file missing.hcl", 1, "", "Can't read missing.hcl"},
		{"validate", 2, "", "lictor validate: give files or directories"},
		{"validate -h", 0, "", "Usage of lictor validate"},
		{"validate missing.hcl", 1, "", "Can't read missing.hcl"},
		{"simulate", 2, "", "give policies and logs"},
		{"simulate -h", 0, "", "Usage of lictor simulate"},
		{"simulate -policy p.hcl -log a.log extra", 2, "", "give policies and logs"},
		{"simulate -policy p.hcl -log a.log -format xml", 2, "", `there is no format "xml"; the formats are json, combined, common, fabio`},
		{"simulate -policy missing.hcl -log a.log", 1, "", "Can't read missing.hcl"},
		{"reload extra", 2, "", `lictor reload: unexpected argument "extra"`},
		{"routes -nonsense", 2, "", "flag provided but not defined"},
		{"services -h", 0, "", "LICTOR_ADDR"},
		{"limits -json=maybe", 2, "", "invalid boolean value"},
	} {
		r := lictor(nil, strings.Fields(test.args)...)
		if r.code != test.code {
			t.Errorf("lictor %s: exit code %d, want %d", test.args, r.code, test.code)
		}
		for _, s := range []struct{ name, got, want string }{{"stdout", r.stdout, test.stdout}, {"stderr", r.stderr, test.stderr}} {
			if !strings.Contains(s.got, s.want) || s.want == "" && s.got != "" {
				t.Errorf("lictor %s: %s is %q, want %q in it", test.args, s.name, s.got, s.want)
			}
		}
	}
}

// Every command is in the help text, and has help of its own.
func TestHelpNamesEveryCommand(t *testing.T) {
	t.Parallel()
	help := lictor(nil, "help").stdout
	for _, c := range commands() {
		if !strings.Contains(help, "  "+c.name+" ") || !strings.Contains(help, c.help) {
			t.Errorf("%s is not in\n%s", c.name, help)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.hcl": "route \"a\" {\n  service = \"a\"\n}\n",
		"bad.hcl": "listener \"public\" {\n  heath_path = \"/\"\n}\nlimit \"token_bucket\" \"per_client\" {\n  rate = \"often\"\n}\n" +
			"route \"a\" {\n  service = \"a\"\n  limits = [\"per_cleint\"]\n}\n",
		"keys.hcl": "jwt \"main\" {\n  json_web_key_set {\n    local {\n      filename = \"missing.json\"\n    }\n  }\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := lictor(nil, "validate", filepath.Join(dir, "good.hcl")); r.code != 0 || r.stdout != "Configuration is valid!\n" || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"bad", "keys"} {
		r := lictor(nil, "validate", filepath.Join(dir, name+".hcl"))
		if r.code != 1 || r.stdout != "" || strings.Contains(r.stderr, "\x1b") {
			t.Errorf("%s: exit code %d, stdout %q", name, r.code, r.stdout)
		}
		golden(t, name+".txt", strings.ReplaceAll(r.stderr, dir+"/", ""))
	}
	// All mistakes of all files at once.
	r := lictor(nil, "validate", dir)
	for _, want := range []string{"bad.hcl line 2", "bad.hcl line 5", "bad.hcl line 9", "keys.hcl line 1"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("%q is not in\n%s", want, r.stderr)
		}
	}
}

// asked is a request that a fake gateway got.
type asked struct{ method, path, token string }

// answering is a fake admin API with one answer.
func answering(t *testing.T, status int, body string) (address string, last func() asked) {
	t.Helper()
	requests := make(chan asked, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- asked{r.Method, r.URL.Path, r.Header.Get("Authorization")}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), func() asked { return <-requests }
}

func TestReload(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status         int
		body           string
		args           string
		code           int
		stdout, stderr string
	}{
		{200, `{"ok":true,"generation":7}`, "", 0, "Reloaded: generation 7 serves.\n", ""},
		{200, `{"ok":true,"generation":7,"diagnostics":"Warning: odd\n","notes":["restart needed: admin changed"]}`, "", 0, "Reloaded: generation 7 serves.\n", "Warning: odd\nNote: restart needed: admin changed\n"},
		{422, `{"ok":false,"generation":6,"diagnostics":"Error: bad\n\n  on x.hcl line 3\n"}`, "", 1, "", "Error: bad\n\n  on x.hcl line 3\nlictor: the reload was refused, the previous configuration stays\n"},
		{422, `{"ok":false,"generation":6}`, "-json", 1, `{"ok":false,"generation":6}`, "lictor: the reload was refused, the previous configuration stays\n"},
		{200, `{"ok":true,"generation":7}`, "-json", 0, `{"ok":true,"generation":7}`, ""},
		{401, `{"title":"A bearer token is required"}`, "", 1, "", "lictor: 401 Unauthorized from http://ADDRESS: A bearer token is required (in LICTOR_TOKEN)\n"},
		{403, `{"title":"no"}`, "", 1, "", "lictor: 403 Forbidden from http://ADDRESS: no\n"},
		{500, `oops`, "", 1, "", "lictor: 500 Internal Server Error from http://ADDRESS\n"},
		{200, `<html>`, "", 1, "", "lictor: http://ADDRESS does not answer as a gateway does: invalid character '<' looking for beginning of value\n"},
	} {
		address, last := answering(t, test.status, test.body)
		r := lictor(map[string]string{"LICTOR_ADDR": address, "LICTOR_TOKEN": "hush"}, append([]string{"reload"}, strings.Fields(test.args)...)...)
		r.stderr = strings.ReplaceAll(r.stderr, address, "ADDRESS")
		if r.code != test.code || r.stdout != test.stdout || r.stderr != test.stderr {
			t.Errorf("%d %s: %+v", test.status, test.body, r)
		}
		if a := last(); a != (asked{"PUT", "/v1/reload", "Bearer hush"}) {
			t.Errorf("asked %+v", a)
		}
	}
}

// The address is taken from the flag, then the environment, with or without a
// scheme and a slash at the end.
func TestAddress(t *testing.T) {
	t.Parallel()
	for _, spelling := range []string{"%s", "http://%s", "http://%s/"} {
		address, last := answering(t, 200, `{"routes":[]}`)
		text := fmt.Sprintf(spelling, address)
		if r := lictor(map[string]string{"LICTOR_ADDR": text}, "routes"); r.code != 0 {
			t.Errorf("LICTOR_ADDR=%s: %+v", text, r)
		} else if a := last(); a != (asked{"GET", "/v1/routes", ""}) {
			t.Errorf("asked %+v", a)
		}
		if r := lictor(map[string]string{"LICTOR_ADDR": "127.0.0.1:1"}, "routes", "-address", text); r.code != 0 {
			t.Errorf("-address %s: %+v", text, r)
		} else {
			last()
		}
	}
}

func TestUnreachableGateway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	address := c.LocalAddr().String() // taken, so that nobody else can listen there
	r := lictor(map[string]string{"LICTOR_ADDR": address}, "services")
	want := "lictor: http://" + address + " can't be reached, is the gateway running? dial tcp " + address + ": connect: connection refused\n"
	if r.code != 1 || r.stdout != "" || r.stderr != want {
		t.Errorf("%+v, want %q", r, want)
	}
}

// What Consul holds is anybody's who may register something: it must not speak
// to the terminal.
func TestTablesArePrintable(t *testing.T) {
	t.Parallel()
	body := `{"services":[{"name":"s","source":"consul","known":true,"instances":[{"id":"a\u001b[2Jb\tc\nd","address":"127.0.0.1:1","weight":1,"health":"passing","state":"open"}]},{"name":"gone","source":"consul","known":true},{"name":"new"}]}`
	address, _ := answering(t, 200, body)
	r := lictor(map[string]string{"LICTOR_ADDR": address}, "services")
	golden(t, "services.txt", r.stdout)
	if strings.ContainsAny(r.stdout, "\x1b\t") || strings.Count(r.stdout, "\n") != 4 {
		t.Errorf("%q", r.stdout)
	}
	address, _ = answering(t, 200, body)
	if r := lictor(map[string]string{"LICTOR_ADDR": address}, "services", "-json"); r.stdout != body {
		t.Errorf("-json: %q", r.stdout)
	}
}

// The commands against a gateway that runs.
func TestCommandsOfARunningGateway(t *testing.T) {
	t.Parallel()
	instance := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(instance.Close)
	host, port, _ := net.SplitHostPort(instance.Listener.Addr().String())
	dir := t.TempDir()
	token, file := filepath.Join(dir, "token"), filepath.Join(dir, "lictor.hcl")
	text := fmt.Sprintf(`
listener "public" {
  address = "127.0.0.1:0"
}
admin {
  address    = "127.0.0.1:0"
  token_file = %q
}
access_log {
  format = "off"
}
policies {
  watch = false
}
service "orders" {
  instance {
    address = %q
    port    = %s
  }
}
limit "token_bucket" "per_client" {
  rate  = "10/s"
  burst = 20
  key   = [client.ip]
}
gateway {
  limits = ["per_client"]
}
route "orders" {
  hosts       = ["api.example.com"]
  path_prefix = "/orders"
  methods     = ["GET"]
  service     = "orders"
}
route "exact" {
  path    = "/exact"
  service = "orders"
}
`, token, host, port)
	for name, content := range map[string]string{file: text, token: "hush"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, admin := serve(t, file)
	for end := time.Now().Add(time.Minute); len(a.NotReady()) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(a.NotReady())
		}
	}
	with := map[string]string{"LICTOR_ADDR": admin, "LICTOR_TOKEN": "hush"}
	for _, name := range []string{"routes", "services", "limits"} {
		r := lictor(with, name)
		if r.code != 0 || r.stderr != "" {
			t.Errorf("%s: %+v", name, r)
		}
		same := net.JoinHostPort(host, strings.Repeat("9", len(port)))
		golden(t, "running-"+name+".txt", pad(strings.ReplaceAll(r.stdout, net.JoinHostPort(host, port), same)))
		if r := lictor(with, name, "-json"); r.code != 0 || !json.Valid([]byte(r.stdout)) {
			t.Errorf("%s -json: %+v", name, r)
		}
		if r := lictor(map[string]string{"LICTOR_ADDR": admin, "LICTOR_TOKEN": "wrong"}, name); r.code != 1 || !strings.Contains(r.stderr, "The bearer token is not the gateway's (in LICTOR_TOKEN)") {
			t.Errorf("%s with a wrong token: %+v", name, r)
		}
	}
	if r := lictor(with, "reload"); r != (run{0, "Reloaded: generation 2 serves.\n", ""}) {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile(file, []byte(text+"route \"broken\" {\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := lictor(with, "reload"); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "lictor.hcl line ") || !strings.HasSuffix(r.stderr, "the previous configuration stays\n") {
		t.Errorf("%+v", r)
	}
}

// pad makes the width of a column the same for every length of a port.
func pad(table string) string {
	var out strings.Builder
	for line := range strings.Lines(table) {
		out.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return strings.ReplaceAll(strings.ReplaceAll(out.String(), ":99999", ":PORT"), ":9999", ":PORT")
}

// serve runs a gateway until the test ends, and returns where its admin API listens.
func serve(t *testing.T, file string) (a *agent.Agent, admin string) {
	t.Helper()
	said := make(adminAddress, 1)
	a, err := agent.New(agent.Options{Input: config.Input{ConfigFiles: []string{file}}, Stdout: io.Discard, Stderr: said, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case admin = <-said:
	case err := <-ended:
		ended <- err // for what ends the test
	}
	return a, admin
}

// adminAddress takes a gateway's log, in which it says where its admin API listens.
type adminAddress chan string

func (a adminAddress) Write(line []byte) (int, error) {
	if _, at, ok := strings.Cut(string(line), "gateway started: "); ok {
		_, at, _ = strings.Cut(at, " admin=")
		at, _, _ = strings.Cut(at, " ")
		a <- at
	}
	return len(line), nil
}

// A second gateway on the same address says which address is taken, and exits.
func TestAgentOnATakenAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(t.TempDir(), "lictor.hcl")
	text := fmt.Sprintf("listener \"public\" {\n  address = %q\n}\nadmin {\n  address = \"127.0.0.1:0\"\n}\n", l.Addr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := lictor(nil, "agent", "-config-file", file)
	if want := fmt.Sprintf("lictor: listener \"public\": listen tcp %s: bind: address already in use\n", l.Addr()); r.code != 1 || r.stdout != "" || r.stderr != want {
		t.Errorf("%+v, want %q", r, want)
	}
}

// What clients ask for is theirs to choose, too.
func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	body := `{"requests":9,"paths":[{"host":"h","path":"/a\u001b[2J/{n}","methods":["GET","POST"],"requests":7,"over":2,"callers":3,"last":"2026-11-23T20:00:00Z","nearest":{"route":"orders","why":"is for paths from /a on"}},` +
		`{"host":"","path":"/b","methods":["GET"],"requests":2,"callers":1,"last":"2026-11-23T20:00:00Z"}]}`
	address, last := answering(t, 200, body)
	r := lictor(map[string]string{"LICTOR_ADDR": address}, "unknown")
	if a := last(); a != (asked{"GET", "/v1/unknown", ""}) {
		t.Errorf("asked %+v", a)
	}
	lines := strings.Split(pad(r.stdout), "\n")
	if r.code != 0 || len(lines) != 4 || !strings.HasPrefix(lines[1], "5-7 h /a\uFFFD[2J/{n} GET,POST ~3 ") || !strings.HasSuffix(lines[1], " orders is for paths from /a on") ||
		!strings.HasPrefix(lines[2], "2 - /b GET ~1 ") || !strings.HasSuffix(lines[2], " - -") {
		t.Errorf("%+v", r)
	}
}
