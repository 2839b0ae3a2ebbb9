package acme

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// slowKV is a store of which others learn some time later what was written.
type slowKV struct {
	KV
	late time.Duration
	to   *Pending
}

// Put has the others learn of a challenge late.
func (k *slowKV) Put(_ context.Context, _ string, text []byte, _ Lock) error {
	time.AfterFunc(k.late, func() { k.to.follow("kv", [][]byte{text}) })
	return nil
}

// TestSpread has a server ask a gateway that learns of a challenge seconds after it was
// published by another: by the time that the server is let ask, it knows the answer.
func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := newPending()
		s := solver{&issuer{spec: Spec{KVPrefix: "x/"}, pending: newPending(), storage: newKVStorage(&slowKV{late: 4 * time.Second, to: other}, "x/")}}
		c := challengeOf(HTTP01, "shop.test", "token")
		if err := s.Present(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := s.Wait(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if got, ok := other.Answer([]byte("shop.test"), []byte("token"), time.Now()); !ok || got != "token.thumb" {
			t.Error("the server is let ask whom nobody has told")
		}
		alone := solver{&issuer{pending: newPending()}}
		before := time.Now()
		if err := alone.Wait(t.Context(), c); err != nil || time.Since(before) != 0 {
			t.Errorf("one that is alone waits for nobody: %v", err)
		}
	})
}
