package consul

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Get returns the value of one key, which begins with the prefix. One that does not
// exist is fs.ErrNotExist.
func (k *KV) Get(ctx context.Context, key string) (_ []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	pair, meta, err := k.con.api.KV().Get(key, k.con.options(ctx, 0, 0))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s in Consul's KV store: %w", key, k.explain(err, "write"))
	case pair == nil && !meta.KnownLeader:
		return nil, fmt.Errorf("reading %s in Consul's KV store: %w", key, errNoLeader)
	case pair == nil:
		return nil, fmt.Errorf("reading %s in Consul's KV store: %w", key, fs.ErrNotExist)
	}
	return pair.Value, nil
}

// Put writes one key. With a lock it does so in one step with the check that the lock
// is still held, and fails when it is not.
func (k *KV) Put(ctx context.Context, key string, text []byte, held *KVLock) error {
	ops := api.TxnOps{}
	if held != nil {
		ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: held.key, Session: held.session}})
	}
	ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVSet, Key: key, Value: text}})
	return k.transact(ctx, key, ops)
}

// Remove removes a key, and all keys that begin with it and a slash. That there are
// none is no error.
func (k *KV) Remove(ctx context.Context, key string) error {
	return k.transact(ctx, key, api.TxnOps{
		{KV: &api.KVTxnOp{Verb: api.KVDelete, Key: key}},
		{KV: &api.KVTxnOp{Verb: api.KVDeleteTree, Key: key + "/"}},
	})
}

func (k *KV) transact(ctx context.Context, key string, ops api.TxnOps) error {
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	ok, resp, _, err := k.con.api.Txn().Txn(ops, k.con.options(ctx, 0, 0))
	switch {
	case err != nil && strings.Contains(err.Error(), "Permission denied"):
		return fmt.Errorf("writing %s to Consul's KV store: the token lacks %s: %w", key, k.rule("write"), err)
	case err != nil:
		return fmt.Errorf("writing %s to Consul's KV store: %w", key, err)
	case ok:
		return nil
	}
	return k.refused(ops, resp)
}

// Keys returns the keys that begin with a text, which begins with the prefix.
func (k *KV) Keys(ctx context.Context, prefix string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	keys, _, err := k.con.api.KV().Keys(prefix, "", k.con.options(ctx, 0, 0))
	if err != nil {
		return nil, fmt.Errorf("listing %s in Consul's KV store: %w", prefix, k.explain(err, "write"))
	}
	return keys, nil
}

// Follow calls take with the values of all keys that begin with a text, at first and
// after each change, and with an error once when they can't be read, until ctx is
// done. Unlike KVWatch it believes every answer: it is for what is soon over.
func (k *KV) Follow(ctx context.Context, prefix string, take func(texts [][]byte, err error)) {
	var index uint64
	var pause time.Duration
	failing := false
	below := &KV{con: k.con, prefix: prefix}
	for ctx.Err() == nil {
		wait := waitTime
		if index == 0 {
			wait = 0
		}
		one, cancel := context.WithTimeout(ctx, deadline(wait))
		a, err := below.ask(one, index)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && a.denied:
			err = fmt.Errorf("the token may not read %s: its policy needs %s", prefix, k.rule("write"))
		}
		if err != nil {
			index = 0
			if !failing {
				take(nil, k.explain(err, "write"))
			}
			failing = true
			pause = grow(pause, kvLimit(err))
			timer := time.NewTimer(jitter(pause, chance()))
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			continue
		}
		failing, pause = false, 0
		if a.docs.Index != index || index == 0 {
			texts := make([][]byte, 0, len(a.docs.List))
			for _, d := range a.docs.List {
				texts = append(texts, d.Text)
			}
			take(texts, nil)
		}
		index = nextIndex(index, a.docs.Index)
	}
}

// nextIndex is the index to wait for after an answer: never 0, which would ask in a
// loop, and from the beginning when Consul has lost its state.
func nextIndex(was, got uint64) uint64 {
	if got < was {
		return 0
	}
	return max(got, 1)
}
