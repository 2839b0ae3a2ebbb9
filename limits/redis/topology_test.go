//go:build e2e

package redis

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// askUntilAnswered asks until the budget answers, which takes a while where the
// client has to learn first who to ask.
func askUntilAnswered(t *testing.T, l *Limiter) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		d, answered := l.Ask([]byte("k"), 1, l.clock())
		if answered {
			if !d.Allowed || d.Remaining != 4 {
				t.Errorf("%+v", d)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not answered: %+v", l.store.Stats())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// startCluster runs a cluster of one node. It returns two names of it.
func startCluster(t *testing.T) (*server, []string) {
	t.Helper()
	s := startServer(t, "--cluster-enabled", "yes")
	c := s.client()
	if err := c.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; {
		if info := c.ClusterInfo(t.Context()).Val(); strings.Contains(info, "cluster_state:ok") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the cluster did not form")
		}
		time.Sleep(5 * time.Millisecond)
	}
	_, port, _ := net.SplitHostPort(s.address)
	return s, []string{s.address, "localhost:" + port}
}

func TestCluster(t *testing.T) {
	s, addresses := startCluster(t)
	st := newStore(t, s, func(o *Options) { o.Addresses = addresses })
	askUntilAnswered(t, newLimiter(t, st, Spec{Name: "a", Limit: hourly(5), OnError: Closed}))
}

// TestClusterRights: in a cluster the user has to find out who has which keys.
func TestClusterRights(t *testing.T) {
	s, addresses := startCluster(t)
	if !grant(t, s.client(), slices.Concat(rights, clusterRights)) {
		return
	}
	st := newStore(t, s, func(o *Options) {
		o.Addresses = addresses
		o.Credentials = func() (string, string, error) { return "lictor", "secret", nil }
	})
	askUntilAnswered(t, newLimiter(t, st, Spec{Name: "a", Limit: hourly(5), OnError: Closed}))
	if log, err := s.client().Do(t.Context(), "ACL", "LOG").Slice(); err != nil || len(log) > 0 {
		t.Errorf("refused: %v, %v", log, err)
	}
}

// TestSentinel has one that watches one master.
func TestSentinel(t *testing.T) {
	master := startServer(t)
	host, port, _ := net.SplitHostPort(master.address)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, "sentinel monitor limits %s %s 1\n", host, port), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := startServer(t, file, "--sentinel")
	st := newStore(t, sentinel, func(o *Options) { o.Master = "limits" })
	askUntilAnswered(t, newLimiter(t, st, Spec{Name: "a", Limit: hourly(5), OnError: Closed}))
}
