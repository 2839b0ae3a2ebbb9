//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// door is a gateway with policies that are watched, in front of one instance, which
// no Consul knows.
type door struct {
	*harness.Gateway
	instance *harness.Instance
	// files is the folder of the policies.
	files string
}

// newDoor writes the policies and what files they name into one folder.
func newDoor(t *testing.T, listener, policies string, files map[string]string) *door {
	t.Helper()
	d := &door{instance: harness.StartInstance(t, "orders", "orders-1"), files: t.TempDir()}
	d.write(t, "routes.hcl", policies)
	for name, text := range files {
		d.write(t, name, text)
	}
	d.Gateway = harness.StartGateway(t, harness.Options{
		Listener:      listener,
		PoliciesBlock: fmt.Sprintf("paths = [%q]\nwatch = true", d.files),
		Config: fmt.Sprintf(`
service "orders" {
  instance {
    address = %q
    port    = %d
  }
}
`, d.instance.Host, d.instance.Port),
	})
	return d
}

// write replaces a file in the folder of the policies, at once: half of one would be a
// list of its own.
func (d *door) write(t *testing.T, name, text string) {
	t.Helper()
	write(t, filepath.Join(d.files, name), []byte(text))
}

// curl asks with curl, as a user would.
func (d *door) curl(t *testing.T, path string, args ...string) harness.Answer {
	t.Helper()
	var stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), harness.Program(t, "curl", "curl"), append([]string{"-sS", "-i", "--max-time", "60", d.URL(path)}, args...)...)
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("curl %v: %v: %s", args, err, stderr.Bytes())
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(output)), nil)
	if err != nil {
		t.Fatalf("reading what curl printed: %v\n%s", err, output)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		t.Fatalf("reading what curl printed: %v\n%s", err, output)
	}
	return harness.Answer{Status: response.StatusCode, Header: response.Header, Body: body.Bytes()}
}

// wants asks until the answer has that status; it is for what a changed file brings
// about.
func (d *door) wants(t *testing.T, what string, status int, path string, fields ...string) {
	t.Helper()
	harness.Within(t, harness.Patience, what, func() error {
		a, err := d.Try(http.MethodGet, path, nil, fields...)
		if err == nil && a.Status != status {
			err = fmt.Errorf("%d %s", a.Status, a.Body)
		}
		return err
	})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	d := newDoor(t, `trusted_proxies = ["127.0.0.0/8"]`, `
gateway {
  ip_access {
    deny_file = "abuse.txt"
  }
}
defaults {
  ip_access {
    deny = ["203.0.113.0/24"]
  }
}
route "office" {
  path_prefix = "/office"
  service     = "orders"
  ip_access {
    allow = ["192.0.2.0/24", "2001:db8::/32"]
    deny  = ["192.0.2.128/25"]
  }
}
route "all" {
  service = "orders"
}
`, map[string]string{"abuse.txt": "# who was bad\n198.51.100.66\n"})

	for _, tt := range []struct {
		path, from string
		status     int
	}{
		{"/office", "192.0.2.7", 200},
		{"/office", "::ffff:192.0.2.7", 200},
		{"/office", "2001:db8::7", 200},
		{"/office", "192.0.2.200", 403},
		{"/office", "198.51.100.1", 403},
		{"/", "198.51.100.1", 200},
		{"/", "203.0.113.9", 403},
		{"/office", "203.0.113.9", 403},
		{"/", "198.51.100.66", 403},
	} {
		a := d.curl(t, tt.path, "-H", "X-Forwarded-For: "+tt.from)
		if a.Status != tt.status {
			t.Errorf("%s from %s: %d %s", tt.path, tt.from, a.Status, a.Body)
		}
		if tt.status == 403 {
			if p := a.Problem(t); p.Type != problemType("address-denied") || a.Header.Get("Proxy-Status") != "lictor; error=http_request_denied" {
				t.Errorf("%s from %s: %+v %v", tt.path, tt.from, p, a.Header)
			}
		}
	}

	d.write(t, "abuse.txt", "198.51.100.1\n")
	d.wants(t, "a list that has changed is heeded", 403, "/", "X-Forwarded-For: 198.51.100.1")
	d.wants(t, "who is no longer listed may come", 200, "/", "X-Forwarded-For: 198.51.100.66")
	d.write(t, "abuse.txt", "198.51.100.2\nnonsense\n")
	harness.Within(t, harness.Patience, "a broken list is told of", func() error {
		if !d.Log.Contains("abuse.txt:2") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	d.wants(t, "the list before stays", 403, "/", "X-Forwarded-For: 198.51.100.1")
	d.wants(t, "and nothing of the broken one counts", 200, "/", "X-Forwarded-For: 198.51.100.2")
	if got := d.Metric(t, "lictor_step_results_total", "route=office", "step=ip_access", "result=denied"); got != 3 {
		t.Errorf("%v requests were counted as denied", got)
	}
}

// memberHash is "myPassword", by htpasswd -nbB.
const memberHash = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"

func TestPasswords(t *testing.T) {
	t.Parallel()
	d := newDoor(t, "", `
limit "fixed_window" "per_user" {
  limit  = 2
  window = "10000h" # an hour might end meanwhile
  key    = [user]
}
route "members" {
  path_prefix = "/members"
  service     = "orders"
  basic_auth {
    users_file = "users.htpasswd"
    realm      = "members"
    header     = "X-User"
  }
}
route "limited" {
  path_prefix = "/limited"
  service     = "orders"
  limits      = ["per_user"]
  basic_auth {
    users_file = "users.htpasswd"
    forward    = true
  }
}
`, map[string]string{"users.htpasswd": "ada:" + memberHash + "\ngrace:" + memberHash + "\n"})

	if a := d.curl(t, "/members"); a.Status != 401 || a.Header.Get("WWW-Authenticate") != `Basic realm="members", charset="UTF-8"` || a.Problem(t).Type != problemType("credentials-missing") {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	for _, wrong := range []string{"ada:mypassword", "ada:", "bob:myPassword"} {
		if a := d.curl(t, "/members", "-u", wrong); a.Status != 401 || a.Problem(t).Type != problemType("credentials-invalid") {
			t.Errorf("%s: %d %s", wrong, a.Status, a.Body)
		}
	}
	if served := d.instance.Served(); served != 0 {
		t.Errorf("%d requests reached the instance", served)
	}
	for range 2 {
		a := d.curl(t, "/members", "-u", "ada:myPassword", "-H", "X-User: root", "-H", "x_user: root")
		if e := a.Echo(t); a.Status != 200 || e.Header.Get("X-User") != "ada" || len(e.Header["X-User"]) != 1 || e.Header.Get("X_user") != "" || e.Header.Get("Authorization") != "" {
			t.Errorf("%d, the instance saw %v", a.Status, e.Header)
		}
	}
	for _, tt := range []struct {
		user   string
		status int
	}{{"ada", 200}, {"ada", 200}, {"ada", 429}, {"grace", 200}} {
		a := d.curl(t, "/limited", "-u", tt.user+":myPassword")
		if a.Status != tt.status {
			t.Errorf("%s: %d instead of %d: %s", tt.user, a.Status, tt.status, a.Body)
		}
		if a.Status == 200 && a.Echo(t).Header.Get("Authorization") == "" {
			t.Error("Authorization was not forwarded")
		}
	}

	d.write(t, "users.htpasswd", "grace:"+memberHash+"\n")
	d.wants(t, "who was removed is refused", 401, "/members", "Authorization: Basic YWRhOm15UGFzc3dvcmQ=")
	d.write(t, "users.htpasswd", "ada:"+memberHash+"\ngrace:plain\n")
	harness.Within(t, harness.Patience, "a broken file is told of", func() error {
		if !d.Log.Contains("users.htpasswd:2") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	d.wants(t, "the users before stay", 401, "/members", "Authorization: Basic YWRhOm15UGFzc3dvcmQ=")

	_, shown, err := d.AdminGet("/v1/config")
	if err != nil || contains(shown, memberHash[:20]) || contains(shown, "grace") || !contains(shown, `"realm"`) {
		t.Errorf("%v, the configuration is shown as %s", err, shown)
	}
	harness.Within(t, harness.Patience, "the log names users", func() error {
		lines, err := d.AccessLog()
		if err != nil {
			return err
		}
		for _, l := range lines {
			if l["user"] == "ada" && l["status"] == 429.0 {
				return nil
			}
		}
		return fmt.Errorf("none of %d lines does", len(lines))
	})
	if d.Log.Contains("myPassword") || d.Log.Contains(memberHash[:20]) {
		t.Error("the log tells secrets")
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	made := func(args ...string) (key, line string) {
		r := harness.RunLictor(t, nil, append([]string{"api-key"}, args...)...)
		if r.Code != 0 {
			t.Fatalf("%d: %s", r.Code, r.Stderr)
		}
		return strings.TrimSpace(r.Stderr), r.Stdout
	}
	shop, shopLine := made("shop")
	newer, newerLine := made("-expires", "2099-01-31", "shop")
	old, oldLine := made("-expires", "2020-01-31", "shop")
	bank, bankLine := made("bank")
	d := newDoor(t, "", `
limit "fixed_window" "per_user" {
  limit  = 3
  window = "10000h" # an hour might end meanwhile
  key    = [user]
}
route "field" {
  path_prefix = "/field"
  service     = "orders"
  limits      = ["per_user"]
  api_key {
    keys_file   = "api.keys"
    name_header = "X-Consumer"
  }
}
route "query" {
  path_prefix = "/query"
  service     = "orders"
  api_key {
    keys_file = "api.keys"
    query     = "door"
  }
}
`, map[string]string{"api.keys": shopLine + newerLine + oldLine + bankLine})

	for _, tt := range []struct {
		key, user string
		status    int
	}{{shop, "shop", 200}, {newer, "shop", 200}, {shop, "shop", 200}, {newer, "shop", 429}, {bank, "bank", 200}, {old, "", 401}, {"guess", "", 401}} {
		a := d.curl(t, "/field", "-H", "X-API-Key: "+tt.key, "-H", "X_Api_Key: "+bank, "-H", "x-consumer: root")
		if a.Status != tt.status {
			t.Errorf("%d instead of %d: %s", a.Status, tt.status, a.Body)
		}
		if a.Status != 200 {
			continue
		}
		e := a.Echo(t)
		if len(e.Header["X-Consumer"]) != 1 || e.Header.Get("X-Consumer") != tt.user {
			t.Errorf("the instance saw %v", e.Header)
		}
		for name := range e.Header {
			if strings.Contains(strings.ToLower(name), "key") {
				t.Errorf("the instance saw %v", e.Header)
			}
		}
	}
	if a := d.curl(t, "/field"); a.Status != 401 || a.Header.Get("WWW-Authenticate") == "" || a.Problem(t).Type != problemType("credentials-missing") {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	if a := d.curl(t, "/query?a=b&door="+bank+"&c"); a.Status != 200 || a.Echo(t).RequestURI != "/query?a=b&c" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := d.curl(t, "/query?door="+old); a.Status != 401 {
		t.Errorf("%d %s", a.Status, a.Body)
	}

	d.write(t, "api.keys", newerLine+bankLine)
	d.wants(t, "a key that was removed is refused", 401, "/query?door="+shop)
	d.wants(t, "the other of its name is good", 200, "/query?door="+newer)
	last := d.Get("/query?door=" + newer)
	harness.Within(t, harness.Patience, "the log has the last request", func() error {
		lines, err := d.AccessLog()
		if err != nil {
			return err
		}
		for _, l := range lines { // those before may come behind it
			if l["request_id"] == last.Header.Get("X-Request-Id") {
				if l["user"] != "shop" {
					t.Errorf("it is logged as %v", l)
				}
				return nil
			}
		}
		return fmt.Errorf("not yet")
	})
	_, shown, err := d.AdminGet("/v1/config")
	text, more := os.ReadFile(filepath.Join(d.Dir, "access.log"))
	if err != nil || more != nil {
		t.Fatal(err, more)
	}
	for _, secret := range []string{shop, newer, old, bank, strings.TrimSpace(bankLine)[len("bank sha256:"):]} {
		if contains(shown, secret) || contains(text, secret) || d.Log.Contains(secret) {
			t.Error("a key or its digest is told")
		}
	}
}

func TestExternalAuth(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	auth := harness.StartInstance(t, "auth", "auth-1")
	auth.HandleAll(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil || len(body) > 0 || r.Method != http.MethodGet || r.Header.Get("X-Forwarded-Method") == "":
			w.WriteHeader(http.StatusTeapot)
		case broken.Load():
			w.WriteHeader(http.StatusInternalServerError)
		case r.Header.Get("Cookie") == "session=ada":
			w.Header().Set("X-User", "ada at "+r.Header.Get("X-Forwarded-Uri"))
		case r.Header.Get("Accept") == "application/json":
			w.Header().Set("WWW-Authenticate", "Session")
			w.WriteHeader(http.StatusUnauthorized)
		default:
			http.Redirect(w, r, "https://id.example.com/?for="+r.Header.Get("X-Forwarded-Host"), http.StatusFound)
		}
	})
	policy := func(name, fail, url string) string {
		return fmt.Sprintf(`
route %[1]q {
  path_prefix = "/%[1]s"
  service     = "orders"
  external_auth {
    url                 = %[3]q
    timeout             = "30s"
    headers_to_auth     = ["Cookie", "Accept"]
    headers_to_upstream = ["X-User"]
    fail                = %[2]q
  }
}
`, name, fail, url)
	}
	url := fmt.Sprintf("http://%s:%d/check", auth.Host, auth.Port)
	d := newDoor(t, "", policy("closed", "closed", url)+policy("open", "open", url), nil)

	for _, route := range []string{"/closed", "/open"} {
		a := d.curl(t, route+"/%2e%2e"+route+"?q=1", "-X", "POST", "-d", "body", "-b", "session=ada", "-H", "X-User: root", "-H", "x_user: root")
		if a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if e := a.Echo(t); e.BodyBytes != 4 || strings.Join(e.Header["X-User"], "|") != "ada at "+route+"?q=1" || e.Header.Get("X_user") != "" {
			t.Errorf("the instance saw %+v", e)
		}
		a = d.curl(t, route, "-H", "Host: shop.example.com")
		if a.Status != 302 || a.Header.Get("Location") != "https://id.example.com/?for=shop.example.com" {
			t.Errorf("%d %v", a.Status, a.Header)
		}
		a = d.curl(t, route, "-H", "Accept: application/json")
		if a.Status != 401 || a.Header.Get("WWW-Authenticate") != "Session" || a.Problem(t).Type != problemType("auth-required") {
			t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
		}
	}
	broken.Store(true)
	if a := d.curl(t, "/closed", "-b", "session=ada"); a.Status != 503 || a.Problem(t).Type != problemType("auth-unavailable") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := d.curl(t, "/open", "-H", "X-User: root"); a.Status != 200 || a.Echo(t).Header.Get("X-User") != "" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	auth.Close()
	if a := d.curl(t, "/closed", "-b", "session=ada"); a.Status != 503 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if got := d.Metric(t, "lictor_step_results_total", "route=open", "result=passed_unasked"); got != 1 {
		t.Errorf("%v requests passed unasked", got)
	}

	d.write(t, "routes.hcl", policy("loop", "open", "http://"+d.Public+"/loop"))
	d.wants(t, "a loop is refused", 503, "/loop")
}
