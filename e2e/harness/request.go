package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Answer is what a client got.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Instance returns which instance answered, or "".
func (a Answer) Instance() string { return a.Header.Get("X-Instance") }

// Echo decodes the body as that of an instance.
func (a Answer) Echo(t testing.TB) Echo {
	t.Helper()
	e, err := ParseEcho(a.Body)
	if err != nil {
		t.Fatalf("status %d: %v", a.Status, err)
	}
	return e
}

// Problem is the body of an answer that the gateway made itself (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// Problem decodes the body as a problem.
func (a Answer) Problem(t testing.TB) Problem {
	t.Helper()
	if got := a.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/problem+json") {
		t.Fatalf("status %d, Content-Type %q instead of application/problem+json: %s", a.Status, got, a.Body)
	}
	var p Problem
	if err := json.Unmarshal(a.Body, &p); err != nil {
		t.Fatalf("decoding the problem %q: %v", a.Body, err)
	}
	return p
}

// Get sends a GET on a connection of its own.
func (g *Gateway) Get(path string, fields ...string) Answer {
	g.t.Helper()
	return g.Do(http.MethodGet, path, nil, fields...)
}

// Do sends one request on a connection of its own. Fields are "Name: value"; a
// Host among them is the request's host.
func (g *Gateway) Do(method, path string, body io.Reader, fields ...string) Answer {
	g.t.Helper()
	answer, err := g.Try(method, path, body, fields...)
	if err != nil {
		g.t.Fatal(err)
	}
	return answer
}

// Try is Do with an error instead of a failed test, for polling.
func (g *Gateway) Try(method, path string, body io.Reader, fields ...string) (Answer, error) {
	request, err := http.NewRequestWithContext(g.t.Context(), method, g.URL(path), body)
	if err != nil {
		return Answer{}, fmt.Errorf("asking the gateway: %w", err)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Host" {
			request.Host = value
			continue
		}
		request.Header.Add(name, value)
	}
	client := http.Client{
		Timeout:       Patience,
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("asking the gateway: %w", err)
	}
	return read(response)
}

func read(response *http.Response) (Answer, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("reading the gateway's answer %s: %w", response.Status, err)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// Raw writes a request byte for byte, which no HTTP library would do for a bad
// one, and reads the answer.
func (g *Gateway) Raw(text string) Answer {
	g.t.Helper()
	conn := g.Dial()
	if _, err := io.WriteString(conn, text); err != nil {
		g.t.Fatalf("writing a raw request: %v", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		g.t.Fatalf("reading the answer to %q: %v", text, err)
	}
	answer, err := read(response)
	if err != nil {
		g.t.Fatal(err)
	}
	return answer
}

// Dial opens a connection to the public listener that ends with the test and is
// given Patience for all that happens on it.
func (g *Gateway) Dial() net.Conn {
	g.t.Helper()
	conn, err := net.DialTimeout("tcp", g.Public, Patience)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		g.t.Fatal(err)
	}
	return conn
}
