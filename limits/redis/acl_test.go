//go:build e2e

package redis

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lictor/lictor/limits"
)

// rights are the commands that the user of a store needs: what docs/limits.md
// tells to grant.
var rights = []string{
	"eval", "evalsha", "ping", "time", "get", "set", "del", "expire", "pexpire",
	"hset", "hdel", "hgetall", "lindex", "llen", "lrange", "lset", "ltrim", "rpush",
}

// clusterRights are those that it needs besides in a cluster.
var clusterRights = []string{"cluster|slots", "command"}

// grant makes the user of the tests, with these commands alone. It reports false
// for Redis 5, which has neither users nor rights.
func grant(t *testing.T, c *redis.Client, commands []string) bool {
	t.Helper()
	line := []any{"ACL", "SETUSER", "lictor", "reset", "on", ">secret", "~{lictor:*"}
	for _, command := range commands {
		line = append(line, "+"+command)
	}
	err := c.Do(t.Context(), line...).Err()
	if err == nil {
		return true
	}
	if info := c.Info(t.Context(), "server").Val(); !strings.Contains(info, "redis_version:5.") {
		t.Fatal(err)
	}
	return false
}

// everything does all that a store is for. It returns how many calls failed.
func everything(t *testing.T, s *server, prefix string) uint64 {
	t.Helper()
	for _, empty := range [][]any{{"FLUSHALL"}, {"SCRIPT", "FLUSH"}} {
		if err := s.client().Do(t.Context(), empty...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	st := newStore(t, s, func(o *Options) {
		o.Prefix = prefix
		o.Credentials = func() (string, string, error) { return "lictor", "secret", nil }
	})
	for name, specs := range map[string][]limits.Spec{
		"bucket":  {hourly(3)},
		"fixed":   {limits.FixedWindowSpec{Limit: 3, Window: time.Minute}},
		"counter": {limits.SlidingWindowSpec{Limit: 3, Window: time.Minute, Precision: limits.PrecisionCounter}},
		"buckets": {limits.SlidingWindowSpec{Limit: 3, Window: time.Minute, Precision: limits.PrecisionBuckets, Buckets: 3}},
		"log": {
			limits.SlidingWindowSpec{Limit: 3, Window: time.Minute, Precision: limits.PrecisionLog},
			limits.SlidingWindowSpec{Limit: 3, Window: time.Hour, Precision: limits.PrecisionLog},
		},
	} {
		for _, spec := range specs {
			l := newLimiter(t, st, Spec{Name: name, Limit: spec})
			l.scripted()
			key := []byte("k")
			for _, second := range []int64{600, 601, 602, 603, 661, 900} {
				l.Take(key, 1, at(second*int64(time.Second)))
			}
			l.Refund(key, 1, at(900*int64(time.Second)))
			l.Peek(key, 1, at(901*int64(time.Second)))
		}
	}
	l := newLimiter(t, st, Spec{Name: "told", Limit: hourly(3)})
	if err := s.client().HSet(t.Context(), "{"+prefix+":told:gateways}", "gone", "0 1").Err(); err != nil {
		t.Fatal(err)
	}
	st.tell(l, l.clock())
	st.probe(l.clock())
	return st.Stats().Failed
}

// TestRights: the user that the guide tells to make may do all that is needed, and
// each of its rights is.
func TestRights(t *testing.T) {
	guide, err := os.ReadFile("../../docs/limits.md")
	if line := " resetkeys ~{lictor:* -@all +" + strings.Join(rights, " +") + "\n"; err != nil || !strings.Contains(string(guide), line) {
		t.Errorf("the guide does not grant %q: %v", line, err)
	}
	s := startServer(t)
	c := s.client()
	if !grant(t, c, rights) {
		return
	}
	if failed := everything(t, s, DefaultPrefix); failed > 0 {
		t.Errorf("%d calls failed; what was refused: %v", failed, c.Do(t.Context(), "ACL", "LOG").Val())
	}
	if everything(t, s, "other") == 0 {
		t.Error("keys of another prefix can be used")
	}
	for i, right := range rights {
		grant(t, c, slices.Delete(slices.Clone(rights), i, i+1))
		if everything(t, s, DefaultPrefix) == 0 {
			t.Errorf("%q is not needed", right)
		}
	}
}
