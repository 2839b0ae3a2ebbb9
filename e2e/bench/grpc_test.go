package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// calledInstance starts an instance, which must not complain, and returns its address.
func calledInstance(t *testing.T, size int) string {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = answerCalls(ln, size, func(err error) { t.Error(err) })
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln.Addr().String()
}

// TestCalls: instance and load understand each other, beyond their first windows and
// with the largest reply.
func TestCalls(t *testing.T) {
	conn, err := dialH2(t.Context(), calledInstance(t, mostGRPC), false)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := newCaller(conn, false, "example.org", mostGRPC)
	if err := c.call(32, func(begun int) bool { return begun < 1000 }); err != nil || len(c.took) != 1000 || len(c.since) != 0 {
		t.Errorf("%d calls were answered, %d not: %v", len(c.took), len(c.since), err)
	}
}

// h2c returns the protocols of who speaks HTTP/2 in clear.
func h2c() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// TestInstanceAnswersOthers: what the instance says is what net/http reads.
func TestInstanceAnswersOthers(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{Protocols: h2c()}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+calledInstance(t, 3)+grpcMethod, bytes.NewReader(message(asked)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "\x00\x00\x00\x00\x03xxx" || response.Trailer.Get("grpc-status") != "0" {
		t.Errorf("%q, %v: %v", body, response.Trailer, err)
	}
}

// TestLoadTellsFailures: a call is well only with its message and status 0, whoever
// answers.
func TestLoadTellsFailures(t *testing.T) {
	for _, test := range []struct {
		name, status string
		size         int
		fine         bool
	}{
		{"well", "0", 10, true},
		{"status", "14", 10, false},
		{"message", "0", 9, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if body, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(body, message(asked)) {
					t.Errorf("%q: %v", body, err)
				}
				w.Header().Set("Content-Type", "application/grpc")
				_, _ = w.Write(message(test.size))
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", test.status)
			}))
			server.Config.Protocols = h2c()
			server.Start()
			defer server.Close()
			conn, err := dialH2(t.Context(), server.Listener.Addr().String(), false)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			c := newCaller(conn, false, "example.org", 10)
			if err := c.call(1, func(begun int) bool { return begun == 0 }); (err == nil) != test.fine {
				t.Error(fmt.Sprint(err))
			}
		})
	}
}
