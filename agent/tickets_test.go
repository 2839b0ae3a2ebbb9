package agent

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// resumes makes a connection to the gateway's nth listener, and reports whether it goes
// on with the client's session. By HTTP it asks for something first.
func (g *gateway) resumes(n int, client *tls.Config) bool {
	g.t.Helper()
	c, err := tls.Dial("tcp", g.servers[n].addr.String(), client)
	if err != nil {
		g.t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	inLines(g.t, c).line() // behind the ticket
	return c.ConnectionState().DidResume
}

// TestSessionTickets: listeners that name one file resume each other's sessions, those of
// HTTP and those of any protocol; and a reload names another file.
func TestSessionTickets(t *testing.T) {
	t.Parallel()
	_, cert, key := identity(t, "example.com")
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	write(t, one, strings.Repeat("0123456789abcdef", 4))
	write(t, two, strings.Repeat("fedcba9876543210", 4))
	listener := func(name, more, secrets string) string {
		return fmt.Sprintf("listener %q {\n  address = \"127.0.0.1:0\"\n  %s\n  tls {\n    certificate {\n      cert_file = %q\n      key_file = %q\n    }\n    session_ticket_key_file = %q\n  }\n}\n",
			name, more, cert, key, secrets)
	}
	rest := service("web", says(t, "web")) + route("web", "/", "web") + service("pg", peer(t, greets("pg"))) + tcpRoute("pg", "pg")
	text := func(a, b, c string) string {
		return listener("a", "", a) + listener("b", "", b) + listener("db", `protocol = "tcp"`, c) + rest
	}
	g := start(t, text(one, one, one)).awaitReady()
	client := &tls.Config{ServerName: "example.com", InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	if g.resumes(0, client) {
		t.Fatal("the first connection resumed something")
	}
	for n := range 3 {
		if !g.resumes(n, client) {
			t.Errorf("listener %d does not resume", n)
		}
	}
	if report := g.accept(text(one, two, one)); len(report.Notes) > 0 || report.Diagnostics != "" {
		t.Errorf("the reload says %q and %q", report.Notes, report.Diagnostics)
	}
	for n, want := range []bool{true, false} {
		if got := g.resumes(n, client); got != want {
			t.Errorf("listener %d after the reload: resumed %t", n, got)
		}
	}
}
