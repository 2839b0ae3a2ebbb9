package consul

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// TestAccess asks as a Source does, but in the agent's own datacenter.
func TestAccess(t *testing.T) {
	asked := make(chan *http.Request, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		_, _ = w.Write([]byte(`"127.0.0.1:8300"`))
	}))
	t.Cleanup(s.Close)
	a, err := NewAccess(Config{Address: s.URL, Token: "secret", Datacenter: "dc2", Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	var leader string
	if _, err := a.API().Raw().Query("/v1/status/leader", &leader, a.Options(t.Context(), 7, time.Minute)); err != nil {
		t.Fatal(err)
	}
	r := <-asked
	q := r.URL.Query()
	if r.Header.Get("X-Consul-Token") != "secret" || q.Get("dc") != "" || q.Get("index") != "7" || q.Get("wait") != "60000ms" {
		t.Errorf("asked %s with the token %q", r.URL, r.Header.Get("X-Consul-Token"))
	}
	if o := a.Options(t.Context(), 0, time.Minute); o.WaitTime != 0 || o.WaitIndex != 0 {
		t.Errorf("a plain read waits: %+v", o)
	}
}
