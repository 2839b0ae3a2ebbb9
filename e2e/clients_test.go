//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// LICTOR_LARGEST_MIB makes the largest body another than 64 MiB.
const largestVariable = "LICTOR_LARGEST_MIB"

// payload is a body to send: a file and what it should be at the other end.
type payload struct {
	file   string
	size   int64
	digest string
}

// transfer is one request of a client. A PUT sends the payload, a GET should
// come back with it.
type transfer struct {
	method  string
	path    string
	chunked bool // of a PUT's request, and of a GET's answer
	payload payload
}

// received is what a client says of an answer.
type received struct {
	status   int
	encoding string // Transfer-Encoding, "-" if there is none
	size     int64
	digest   string
}

// client runs transfers one after another, and says how many connections to the
// gateway that took.
type client struct {
	name string
	run  func(t *testing.T, g *harness.Gateway, all []transfer) (answers []received, connections int)
}

func clients() []client {
	return []client{
		{"go", goClient},
		{"curl", curlClient},
		{"node", script("node", "nodejs", "client.mjs")},
		{"python", script("python3", "python3", "client.py")},
	}
}

// Bodies of every size go through whole, in both directions, with a length and in
// chunks, and leave the connection as it was.
func TestClientsAndServers(t *testing.T) {
	t.Parallel()
	small := payloads(t, 0, 1, 64<<10, 1<<20)
	large := payloads(t, largest(t))
	for _, o := range []*origin{goOrigin(t), nginxOrigin(t), apacheOrigin(t)} {
		g := o.before(t)
		for _, c := range clients() {
			t.Run(c.name+"/"+o.name, func(t *testing.T) {
				t.Parallel()
				all := transfers(c.name, small)
				// The large body once on either side for each client and server.
				if c.name == "go" || o.name == "go" {
					all = append(all, transfers(c.name, large)...)
				}
				answers, connections := c.run(t, g, all)
				if len(answers) != len(all) {
					t.Fatalf("%d answers to %d requests", len(answers), len(all))
				}
				for i, tr := range all {
					o.check(t, tr, answers[i])
				}
				if connections != 1 {
					t.Errorf("%d connections instead of one that is kept", connections)
				}
			})
		}
	}
}

// transfers sends each payload in both ways and gets it back in both.
func transfers(client string, of []payload) []transfer {
	var all []transfer
	for _, p := range of {
		for _, chunked := range []bool{false, true} {
			name := fmt.Sprintf("%s-%d-%t", client, p.size, chunked)
			get := "/files/"
			if chunked {
				get = "/chunked/"
			}
			all = append(all,
				transfer{http.MethodPut, "/files/" + name, chunked, p},
				transfer{http.MethodGet, get + name, chunked, p})
		}
	}
	return all
}

func (o *origin) check(t *testing.T, tr transfer, got received) {
	t.Helper()
	if tr.method == http.MethodGet {
		if got.status != http.StatusOK || got.size != tr.payload.size || got.digest != tr.payload.digest {
			t.Errorf("GET %s answered %+v, want %d bytes with the digest %s", tr.path, got, tr.payload.size, tr.payload.digest)
		}
		// Servers may know the length of a small answer after all.
		if unsure := tr.chunked && tr.payload.size < o.chunksFrom; !unsure && tr.chunked != (got.encoding == "chunked") {
			t.Errorf("GET %s answered with Transfer-Encoding %q", tr.path, got.encoding)
		}
		return
	}
	if got.status != http.StatusCreated && got.status != http.StatusNoContent {
		t.Errorf("PUT %s answered %+v", tr.path, got)
		return
	}
	file := strings.TrimPrefix(tr.path, "/files/")
	f, err := o.stored(file)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if size, digest, err := hashed(f); err != nil || size != tr.payload.size || digest != tr.payload.digest {
		t.Errorf("PUT %s stored %d bytes with the digest %s, %v; want %d, %s", tr.path, size, digest, err, tr.payload.size, tr.payload.digest)
	}
	if o.framing == nil {
		return
	}
	want := "length"
	if tr.chunked {
		want = "chunked"
	}
	if how := o.framing(file); how != want {
		t.Errorf("PUT %s arrived with %s, was sent with %s", tr.path, how, want)
	}
}

// payloads writes files of random bytes, the same in every run.
func payloads(t *testing.T, sizes ...int64) []payload {
	t.Helper()
	all := make([]payload, len(sizes))
	for i, size := range sizes {
		f, err := os.Create(filepath.Join(t.TempDir(), strconv.FormatInt(size, 10)))
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.New()
		random := rand.NewChaCha8([32]byte{byte(i)})
		if _, err := io.CopyN(io.MultiWriter(f, digest), random, size); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		all[i] = payload{f.Name(), size, hex.EncodeToString(digest.Sum(nil))}
	}
	return all
}

func largest(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv(largestVariable)
	if text == "" {
		return 64 << 20
	}
	mib, err := strconv.ParseInt(text, 10, 32)
	if err != nil || mib < 1 {
		t.Fatalf("%s=%s is no number of MiB", largestVariable, text)
	}
	return mib << 20
}

func hashed(r io.Reader) (size int64, digest string, err error) {
	h := sha256.New()
	size, err = io.Copy(h, r)
	return size, hex.EncodeToString(h.Sum(nil)), err
}

// leaving is a connection of which is noted when the other side ends it. The client may
// do so as it likes: Go's makes a new one when it notices too late that it has written
// all of a request.
type leaving struct {
	net.Conn
	ours  atomic.Bool   // we have closed it
	ended *atomic.Int64 // how many of them the other side has ended
	once  sync.Once
}

func (l *leaving) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if err != nil && !l.ours.Load() {
		l.once.Do(func() { l.ended.Add(1) })
	}
	return n, err
}

func (l *leaving) Close() error {
	l.ours.Store(true)
	return l.Conn.Close()
}

// goClient waits for 100 (Continue) before it sends. It counts the connections that the
// gateway makes it open.
func goClient(t *testing.T, g *harness.Gateway, all []transfer) (answers []received, connections int) {
	t.Helper()
	var ended atomic.Int64
	transport := &http.Transport{
		MaxConnsPerHost:       1,
		ExpectContinueTimeout: harness.Patience,
		DisableCompression:    true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &leaving{Conn: c, ended: &ended}, nil
		},
	}
	defer transport.CloseIdleConnections()
	for _, tr := range all {
		answer, err := roundTrip(t.Context(), transport, g, tr)
		if err != nil {
			t.Fatalf("%s %s: %v", tr.method, tr.path, err)
		}
		answers = append(answers, answer)
	}
	return answers, 1 + int(ended.Load())
}

func roundTrip(ctx context.Context, transport *http.Transport, g *harness.Gateway, tr transfer) (received, error) {
	continued := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { continued = true }})
	request, err := http.NewRequestWithContext(ctx, tr.method, g.URL(tr.path), nil)
	if err != nil {
		return received{}, err
	}
	if tr.method == http.MethodPut {
		f, err := os.Open(tr.payload.file)
		if err != nil {
			return received{}, err
		}
		defer f.Close()
		request.Body, request.ContentLength = f, tr.payload.size
		if tr.chunked {
			request.ContentLength = -1
		} else if tr.payload.size == 0 {
			request.Body = http.NoBody
		}
		request.Header.Set("Expect", "100-continue")
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return received{}, err
	}
	defer response.Body.Close()
	if request.Body != nil && request.Body != http.NoBody && !continued {
		return received{}, fmt.Errorf("answered %s without 100 (Continue)", response.Status)
	}
	if response.Close {
		return received{}, fmt.Errorf("answered %s, and the connection ends with that", response.Status)
	}
	size, digest, err := hashed(response.Body)
	encoding := "-"
	if len(response.TransferEncoding) > 0 {
		encoding = strings.Join(response.TransferEncoding, ",")
	}
	return received{response.StatusCode, encoding, size, digest}, err
}

// curlClient waits for 100 (Continue) before it sends what is larger than 1 MiB.
func curlClient(t *testing.T, g *harness.Gateway, all []transfer) (answers []received, connections int) {
	t.Helper()
	program := harness.Program(t, "curl", "curl")
	dir := t.TempDir()
	file := func(n int) string { return filepath.Join(dir, strconv.Itoa(n)) }
	var args []string
	for n, tr := range all {
		if n > 0 {
			args = append(args, "--next")
		}
		args = append(args, "-sS", "--expect100-timeout", "30", "-o", file(n),
			"-w", `%{http_code} %{num_connects} %header{transfer-encoding}\n`)
		if tr.method == http.MethodPut {
			body := tr.payload.file
			if tr.chunked {
				args = append(args, "-H", "Transfer-Encoding: chunked")
				if tr.payload.size == 0 {
					body = os.DevNull // of a file with the length 0, curl 7.88 sends not even the last chunk
				}
			}
			args = append(args, "-T", body)
		}
		args = append(args, g.URL(tr.path))
	}
	for n, line := range run(t, nil, program, args...) {
		var r received
		var connects int
		if _, err := fmt.Sscan(line, &r.status, &connects); err != nil {
			t.Fatalf("reading curl's %q: %v", line, err)
		}
		connections += connects
		r.encoding = "-"
		if fields := strings.Fields(line); len(fields) > 2 {
			r.encoding = fields[2]
		}
		body, err := os.Open(file(n))
		if os.IsNotExist(err) {
			body, err = os.Open(os.DevNull) // curl makes no file of an empty answer
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.size, r.digest, err = hashed(body); err != nil {
			t.Fatal(err)
		}
		body.Close()
		answers = append(answers, r)
	}
	return answers, connections
}

// script is a client whose program runs a file of testdata/.
func script(interpreter, debian, file string) func(*testing.T, *harness.Gateway, []transfer) ([]received, int) {
	return func(t *testing.T, g *harness.Gateway, all []transfer) (answers []received, connections int) {
		t.Helper()
		host, port, err := net.SplitHostPort(g.Public)
		if err != nil {
			t.Fatal(err)
		}
		var input bytes.Buffer
		for _, tr := range all {
			framing, body := "length", "-"
			if tr.chunked {
				framing = "chunked"
			}
			if tr.method == http.MethodPut {
				body = tr.payload.file
			}
			fmt.Fprintln(&input, tr.method, tr.path, framing, body)
		}
		lines := run(t, &input, harness.Program(t, interpreter, debian), filepath.Join("testdata", file), host, port)
		for n, line := range lines {
			if n == len(lines)-1 {
				if _, err := fmt.Sscanf(line, "connections %d", &connections); err != nil {
					t.Fatalf("reading %s's %q: %v", interpreter, line, err)
				}
				break
			}
			var r received
			if _, err := fmt.Sscan(line, &r.status, &r.encoding, &r.size, &r.digest); err != nil {
				t.Fatalf("reading %s's %q: %v", interpreter, line, err)
			}
			answers = append(answers, r)
		}
		return answers, connections
	}
}

// run runs a program to its end and returns the lines that it printed.
func run(t *testing.T, input io.Reader, program string, args ...string) []string {
	t.Helper()
	var stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), program, args...)
	command.Stdin, command.Stderr = input, &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s\n%s", filepath.Base(program), err, stderr.Bytes(), output)
	}
	return strings.Split(strings.TrimRight(string(output), "\n"), "\n")
}

// Requests that are sent without waiting are answered in their order, whatever
// their bodies and answers are like.
func TestPipelining(t *testing.T) {
	t.Parallel()
	sizes := payloads(t, 0, 1, 64<<10, 1<<20)
	for _, start := range []func(*testing.T) *origin{goOrigin, nginxOrigin, apacheOrigin} {
		o := start(t)
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			all := transfers("raw", sizes)
			conn := o.before(t).Dial()
			sent := make(chan error, 1)
			go func() { sent <- pipeline(conn, all) }()
			answers := bufio.NewReader(conn)
			for _, tr := range all {
				response, err := http.ReadResponse(answers, &http.Request{Method: tr.method})
				if err != nil {
					t.Fatalf("reading the answer to %s %s: %v", tr.method, tr.path, err)
				}
				r := received{status: response.StatusCode, encoding: "-"}
				if len(response.TransferEncoding) > 0 {
					r.encoding = response.TransferEncoding[0]
				}
				if r.size, r.digest, err = hashed(response.Body); err != nil {
					t.Fatalf("reading the answer to %s %s: %v", tr.method, tr.path, err)
				}
				response.Body.Close()
				o.check(t, tr, r)
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}

// pipeline writes requests byte for byte, the chunks of odd sizes.
func pipeline(conn net.Conn, all []transfer) error {
	w := bufio.NewWriter(conn)
	for _, tr := range all {
		fmt.Fprintf(w, "%s %s HTTP/1.1\r\nHost: files\r\n", tr.method, tr.path)
		if tr.method == http.MethodGet {
			fmt.Fprint(w, "\r\n")
			continue
		}
		body, err := os.ReadFile(tr.payload.file)
		if err != nil {
			return err
		}
		if !tr.chunked {
			fmt.Fprintf(w, "Content-Length: %d\r\n\r\n%s", len(body), body)
			continue
		}
		fmt.Fprint(w, "Transfer-Encoding: chunked\r\n\r\n")
		for n := 1; len(body) > 0; n = n*3 + 1 {
			n = min(n, len(body))
			fmt.Fprintf(w, "%x\r\n%s\r\n", n, body[:n])
			body = body[n:]
		}
		fmt.Fprint(w, "0\r\n\r\n")
	}
	return w.Flush()
}

// What has a head like that of a body but none keeps the connection in step.
func TestAnswersWithoutBody(t *testing.T) {
	t.Parallel()
	file := payloads(t, 64<<10)[0]
	for _, start := range []func(*testing.T) *origin{goOrigin, nginxOrigin, apacheOrigin} {
		o := start(t)
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			conn := o.before(t).Dial()
			answers := bufio.NewReader(conn)
			ask := func(method, fields, body string, status int, length int64) http.Header {
				t.Helper()
				if _, err := io.WriteString(conn, method+" /files/x HTTP/1.1\r\nHost: files\r\n"+fields+"\r\n"+body); err != nil {
					t.Fatal(err)
				}
				response, err := http.ReadResponse(answers, &http.Request{Method: method})
				if err != nil {
					t.Fatalf("%s: %v", method, err)
				}
				defer response.Body.Close()
				got, err := io.ReadAll(response.Body)
				if err != nil || response.StatusCode != status || length >= 0 && response.ContentLength != length {
					t.Fatalf("%s %q: %s, Content-Length %d, %d bytes, %v; want %d and %d",
						method, fields, response.Status, response.ContentLength, len(got), err, status, length)
				}
				return response.Header
			}
			content, err := os.ReadFile(file.file)
			if err != nil {
				t.Fatal(err)
			}
			ask("PUT", fmt.Sprintf("Content-Length: %d\r\n", len(content)), string(content), http.StatusCreated, -1)
			modified := ask("HEAD", "", "", http.StatusOK, file.size).Get("Last-Modified")
			ask("GET", "If-Modified-Since: "+modified+"\r\n", "", http.StatusNotModified, -1)
			ask("GET", "Range: bytes=100-199\r\n", "", http.StatusPartialContent, 100)
			ask("GET", "", "", http.StatusOK, file.size)
		})
	}
}
