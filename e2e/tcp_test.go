//go:build e2e

package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
)

// tcpGateway has a listener for TCP besides the public one.
func tcpGateway(t *testing.T, o harness.Options) (*harness.Gateway, string) {
	t.Helper()
	ports, err := process.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	o.Config += fmt.Sprintf("listener \"db\" {\n  address  = %q\n  protocol = \"tcp\"\n}\n", at)
	return harness.StartGateway(t, o), at
}

// redisClient is a connection to a Redis, or to who may stand before it.
type redisClient struct {
	net.Conn
	r *bufio.Reader
}

func dialRedis(t *testing.T, at string) (*redisClient, error) {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	return &redisClient{c, bufio.NewReader(c)}, c.SetDeadline(time.Now().Add(harness.Patience))
}

// ask sends a command whose words hold no space, and returns the answer's
// line, or the string behind its length.
func (c *redisClient) ask(command string) (string, error) {
	words := strings.Fields(command)
	b := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := c.Write(b); err != nil {
		return "", err
	}
	line, err := c.r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	length, isString := strings.CutPrefix(line, "$")
	if !isString {
		return line, nil
	}
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return line, err
	}
	b = make([]byte, n+2)
	_, err = io.ReadFull(c.r, b)
	return string(b[:n]), err
}

// port returns which of the servers answers.
func (c *redisClient) port() (string, error) {
	info, err := c.ask("INFO server")
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(info, "tcp_port:")
	port, _, _ := strings.Cut(rest, "\r\n")
	return port, nil
}

func registerAt(consul *harness.Consul, service, id, address string) {
	host, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	consul.RegisterAs(datacenter.Registration{
		ID: id, Name: service, Address: host, Port: port,
		Checks: []datacenter.Check{{CheckID: "check-" + id, TTL: "1h", Status: "passing"}},
	})
}

// TestConnectionsToRedis: clients of a real Redis reach two instances that Consul
// lists, by what each has open, and stay where they are; one that dies is gone around.
func TestConnectionsToRedis(t *testing.T) {
	consul := harness.StartConsul(t)
	one, two := harness.StartRedis(t), harness.StartRedis(t)
	registerAt(consul, "redis", "redis-1", one.Address)
	registerAt(consul, "redis", "redis-2", two.Address)
	consul.Lists("redis", 2)
	g, at := tcpGateway(t, harness.Options{Consul: consul.Address(), Policies: `
tcp_route "redis" {
  listener = "db"
  service  = "redis"
}
`})
	served := map[string]int{}
	var clients []*redisClient
	for range 6 {
		c, err := dialRedis(t, at)
		if err != nil {
			t.Fatal(err)
		}
		port, err := c.port()
		if err != nil {
			t.Fatal(err)
		}
		served[port]++
		clients = append(clients, c)
	}
	if len(served) != 2 {
		t.Fatalf("served by %v", served)
	}
	for port, n := range served {
		if n != 3 {
			t.Errorf("%s serves %d of 6 connections", port, n)
		}
	}
	value := strings.Repeat("v", 1<<20)
	if got, err := clients[0].ask("SET big " + value); err != nil || got != "+OK" {
		t.Fatalf("%s %v", got, err)
	}
	if got, err := clients[0].ask("GET big"); err != nil || got != value {
		t.Fatalf("%d bytes, %v", len(got), err)
	}

	one.Kill()
	_, dead, _ := net.SplitHostPort(one.Address)
	alive := 0
	for _, c := range clients {
		if port, err := c.port(); err == nil && port != dead {
			alive++
		}
	}
	if alive != 3 {
		t.Errorf("%d of the 3 connections to the other instance go on", alive)
	}
	for range 6 { // Consul believes that it is there
		c, err := dialRedis(t, at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.ask("PING"); err != nil || got != "+PONG" {
			t.Fatalf("%s %v", got, err)
		}
	}
	result := g.Run("routes")
	if result.Code != 0 || !strings.Contains(result.Stdout, "redis") || !strings.Contains(result.Stdout, "TCP ROUTE") {
		t.Errorf("lictor routes: %+v", result)
	}
}

// TestConnectionsPerAddress: a limit holds for as long as connections do.
func TestConnectionsPerAddress(t *testing.T) {
	redis := harness.StartRedis(t)
	host, port, _ := net.SplitHostPort(redis.Address)
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	_, at := tcpGateway(t, harness.Options{Config: staticService("redis", host, number), Policies: `
limit "concurrency" "per_client" {
  max = 3
  key = [client.ip]
}
tcp_route "redis" {
  listener = "db"
  service  = "redis"
  limits   = ["per_client"]
}
`})
	ping := func() (*redisClient, error) {
		c, err := dialRedis(t, at)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.ask("PING")
		return c, err
	}
	var open []*redisClient
	for range 3 {
		c, err := ping()
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	if _, err := ping(); err == nil {
		t.Error("a fourth connection is served")
	}
	for _, c := range open {
		if _, err := c.ask("PING"); err != nil {
			t.Errorf("one that was there: %v", err)
		}
	}
	open[0].Close()
	harness.Within(t, harness.Patience, "another one is served once one has gone", func() error { _, err := ping(); return err })
}

// announced is what an instance was told of a client by version 2 of the PROXY
// protocol, as proxy-protocol.txt of haproxy.org has it.
type announced struct {
	client    string
	authority string
}

// readAnnouncement reads a header.
func readAnnouncement(r io.Reader) (announced, error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(r, head); err != nil {
		return announced{}, err
	}
	if string(head[:12]) != "\r\n\r\n\x00\r\nQUIT\n" || head[12] != 0x21 || head[13] != 0x11 {
		return announced{}, fmt.Errorf("no header: %q", head)
	}
	rest := make([]byte, binary.BigEndian.Uint16(head[14:]))
	if _, err := io.ReadFull(r, rest); err != nil {
		return announced{}, err
	}
	a := announced{client: net.JoinHostPort(net.IP(rest[:4]).String(), strconv.Itoa(int(binary.BigEndian.Uint16(rest[8:]))))}
	for at := 12; at+3 <= len(rest); {
		n := int(binary.BigEndian.Uint16(rest[at+1:]))
		if rest[at] == 0x02 {
			a.authority = string(rest[at+3 : at+3+n])
		}
		at += 3 + n
	}
	return a, nil
}

// TestConnectionsByName: TLS goes through by the name that is asked for, on a port
// that serves HTTPS as well, and the instance learns who the client is.
func TestConnectionsByName(t *testing.T) {
	ca := newAuthority(t)
	secret, err := tls.X509KeyPair(ca.issue(1, "db.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	consul := harness.StartConsul(t)
	told := make(chan announced, 16)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				a, err := readAnnouncement(c)
				if err != nil {
					a.client = err.Error()
				}
				told <- a
				s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{secret}, MinVersion: tls.VersionTLS12})
				_, _ = io.Copy(s, s)
			}()
		}
	}()
	registerAt(consul, "pg", "pg-1", ln.Addr().String())
	consul.Lists("pg", 1)
	web := harness.StartInstance(t, "web", "web-1")
	consul.Register(web)
	consul.Lists("web", 1)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")
	certText, keyText := ca.issue(2, "www.example.com")
	write(t, cert, certText)
	write(t, key, keyText)
	g := harness.StartGateway(t, harness.Options{
		Consul:   consul.Address(),
		Listener: fmt.Sprintf("  tls {\n    certificate {\n      cert_file = %q\n      key_file  = %q\n    }\n  }\n", cert, key),
		Policies: `
route "web" {
  service = "web"
}
tcp_route "pg" {
  listener       = "public"
  service        = "pg"
  sni            = ["db.example.com"]
  proxy_protocol = "v2"
}
`,
	})
	ask := func(name string, versions ...uint16) (*tls.Conn, error) {
		c := &tls.Config{ServerName: name, RootCAs: ca.pool, MinVersion: tls.VersionTLS12}
		if len(versions) > 0 {
			c.MaxVersion = versions[0]
		}
		return tls.Dial("tcp", g.Public, c)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c, err := ask("db.example.com", version)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(harness.Patience))
		a := <-told
		if a.client != c.LocalAddr().String() || a.authority != "db.example.com" {
			t.Errorf("the instance was told %+v, not %s", a, c.LocalAddr())
		}
		fmt.Fprint(c, "hello")
		b := make([]byte, 5)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
			t.Errorf("%q %v", b, err)
		}
		c.Close()
	}
	c, err := ask("www.example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(harness.Patience))
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(c); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(string(b), "HTTP/1.1 200") {
		t.Errorf("%q %v", b, err)
	}
	harness.Within(t, harness.Patience, "the access log tells of a connection", func() error {
		lines, err := g.AccessLog()
		for _, l := range lines {
			if l["sni"] == "db.example.com" && l["protocol"] == "TLS" && l["instance"] != "" && l["bytes_in"].(float64) > 200 {
				return nil
			}
		}
		return errors.Join(err, errors.New("it does not"))
	})
}
