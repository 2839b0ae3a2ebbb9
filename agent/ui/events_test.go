package ui

import (
	"bufio"
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// stream opens /ui/events and returns a function that reads the next event.
func stream(t *testing.T, s *site, fields ...string) (response *http.Response, next func() event) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/ui/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	response, err = (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	body := bufio.NewReader(response.Body)
	if response.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		body = bufio.NewReader(z)
	}
	return response, func() event {
		t.Helper()
		var text strings.Builder
		for {
			line, err := body.ReadString('\n')
			if err != nil {
				return event{kind: "end"}
			}
			if line == "\n" {
				return events(t, []byte(text.String()))[0]
			}
			text.WriteString(line)
		}
	}
}

func (s *site) viewers() int {
	s.sampler.mu.Lock()
	defer s.sampler.mu.Unlock()
	return s.sampler.viewers
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"identity", "gzip"} {
		s := newSite("")
		response, next := stream(t, s, "Accept-Encoding: "+encoding)
		if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%d %v", response.StatusCode, response.Header)
		}
		if e := next(); e.kind != "state" {
			t.Fatalf("begins with %v", e)
		}
		s.fake.change(func(f *fakeGateway) { f.state.Gateway = 2 })
		s.sampler.sample(at(1))
		if e := next(); e.kind != "step" || e.data["gateway"] != 2.0 {
			t.Errorf("%s: %v", encoding, e)
		}
		response.Body.Close()
		for end := time.Now().Add(time.Minute); s.viewers() > 0; s.sampler.sample(at(2)) {
			if time.Now().After(end) {
				t.Fatal("a viewer that has gone is still there")
			}
		}
	}
}

// Who signs out, or whose time is over, sees no more.
func TestEventsEndWithTheSession(t *testing.T) {
	t.Parallel()
	s := newSite("x")
	cookie := s.signedIn(t, "x")
	_, next := stream(t, s, cookie)
	if e := next(); e.kind != "state" {
		t.Fatalf("begins with %v", e)
	}
	_, secret, _ := strings.Cut(cookie, "=")
	s.sessions.finish(secret)
	s.sampler.sample(at(1))
	if e := next(); e.kind != "signed-out" {
		t.Errorf("%v", e)
	}
	if e := next(); e.kind != "end" {
		t.Errorf("%v", e)
	}
}

func TestEventsWhenTooManyWatch(t *testing.T) {
	t.Parallel()
	s := newSite("")
	for range mostViewers {
		s.sampler.watch()
	}
	response, _ := stream(t, s)
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}
