package staple

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"
)

// TestAsk asks responders over a network.
func TestAsk(t *testing.T) {
	a := newAuthority(t, "authority")
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	good := a.says(fresh(serial, ocsp.Good, time.Hour))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /good", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		q, err := ocsp.ParseRequest(text)
		if err != nil || q.SerialNumber.Int64() != serial || r.Header.Get("Content-Type") != "application/ocsp-request" {
			t.Errorf("asked %+v, %v, %v", q, err, r.Header)
		}
		_, _ = w.Write(good) // the client says what it has not got
	})
	mux.HandleFunc("/broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(good)
	})
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(good)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxAnswer+1)) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/head", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("a", 4*maxHead))
		_, _ = w.Write(good)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/later", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(ocsp.TryLaterErrorResponse) })
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, c := range []struct{ paths, want string }{
		{"/good", ""},
		{"/broken", "EOF"},
		{"/short", "unexpected EOF"},
		{"/busy", "it answers 503 Service Unavailable"},
		{"/large", "more than 32768 bytes"},
		{"/endless", "more than 32768 bytes"},
		{"/head", "headers exceeded"},
		{"/away", "it answers 307 Temporary Redirect"},
		{"/later", "try later"},
		{"/away /busy /good", ""},
		{"/away /later", "307 Temporary Redirect; asking"},
	} {
		var responders []string
		for path := range strings.FieldsSeq(c.paths) {
			responders = append(responders, server.URL+path)
		}
		s := subjectOf(t, a.issue(serial, nil, responders...))
		got, err := ask(t.Context(), newClient(newTransport()), s)
		switch {
		case c.want == "" && (err != nil || !bytes.Equal(got.raw, good)):
			t.Errorf("%s: %v", c.paths, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), responders[0])):
			t.Errorf("%s: got %v, want %q", c.paths, err, c.want)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d questions went where a redirect led", n)
	}
}

// hanging is a responder that never answers.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestAskHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, start := subjectOf(t, newAuthority(t, "authority").issue(serial, nil, responderURL)), time.Now()
		_, err := ask(t.Context(), newClient(hanging{}), s)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if got := time.Since(start); got != askTime { // by the clock of the bubble
			t.Errorf("it was waited for %v", got)
		}
	})
}
