package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// lockLife is how long a lock outlives a gateway that is not heard of any
	// more; Consul may take twice as long to notice.
	lockLife = 30 * time.Second
	// lockWait is how long one question may wait for a lock to be given back.
	lockWait = 10 * time.Second
	// lockRest is the time between two tries where Consul refuses a lock that
	// nobody holds, since its last holder was lost.
	lockRest = time.Second
)

// KVLock is a lock in Consul's KV store that is held: a key that a session of ours
// has. The session ends by itself when nobody renews it.
type KVLock struct {
	kv           *KV
	key, session string
	stop         context.CancelFunc
	renewals     sync.WaitGroup
}

// Acquire waits until the lock of that key is ours, or ctx is done. The token needs
// session:write for the node of its agent, besides what it needs for the key.
func (k *KV) Acquire(ctx context.Context, key string) (*KVLock, error) {
	session, err := k.session(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("locking %s in Consul's KV store: %w", key, err)
	}
	l := &KVLock{kv: k, key: key, session: session}
	var renewing context.Context
	renewing, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.renewals.Go(func() { l.renew(renewing) })
	if err := l.wait(ctx); err != nil {
		l.end(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("locking %s in Consul's KV store: %w", key, k.explain(err, "write"))
	}
	return l, nil
}

func (k *KV) session(ctx context.Context, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	id, _, err := k.con.api.Session().Create(&api.SessionEntry{
		Name: key, TTL: lockLife.String(), Behavior: api.SessionBehaviorDelete,
		// What is written under a lock is written in one step with the look at it.
		LockDelay: time.Millisecond,
	}, k.con.writeOptions(ctx))
	if statusCode(err) == http.StatusForbidden && !unknownToken(err) {
		return "", fmt.Errorf(`the token lacks session_prefix "" { policy = "write" }: %w`, err)
	}
	return id, err
}

// wait asks for the key until it is given to our session.
func (l *KVLock) wait(ctx context.Context) error {
	kv := l.kv.con.api.KV()
	for {
		one, cancel := context.WithTimeout(ctx, deadline(0))
		got, _, err := kv.Acquire(&api.KVPair{Key: l.key, Session: l.session}, l.kv.con.writeOptions(one))
		cancel()
		if err != nil || got {
			return err
		}
		if err := l.sleep(ctx); err != nil {
			return err
		}
	}
}

// sleep waits for the key to be given back by whoever has it.
func (l *KVLock) sleep(ctx context.Context) error {
	one, cancel := context.WithTimeout(ctx, deadline(lockWait))
	defer cancel()
	kv, con := l.kv.con.api.KV(), l.kv.con
	pair, meta, err := kv.Get(l.key, con.options(one, 0, 0))
	if err != nil {
		return err
	}
	if pair != nil && pair.Session != "" {
		_, _, err = kv.Get(l.key, con.options(one, meta.LastIndex, lockWait))
		return err
	}
	timer := time.NewTimer(lockRest)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// renew keeps the session, until ctx is done.
func (l *KVLock) renew(ctx context.Context) {
	tick := time.NewTicker(lockLife / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			one, cancel := context.WithTimeout(ctx, deadline(0))
			_, _, _ = l.kv.con.api.Session().Renew(l.session, l.kv.con.writeOptions(one)) // Put notices a session that is lost
			cancel()
		}
	}
}

// Release gives the lock back.
func (l *KVLock) Release(ctx context.Context) error {
	one, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	was, _, err := l.kv.con.api.KV().Release(&api.KVPair{Key: l.key, Session: l.session}, l.kv.con.writeOptions(one))
	if err == nil && !was {
		err = errors.New("it was lost")
	}
	l.end(ctx)
	if err != nil {
		return fmt.Errorf("unlocking %s in Consul's KV store: %w", l.key, err)
	}
	return nil
}

// end ends the session, and with it what it holds.
func (l *KVLock) end(ctx context.Context) {
	l.stop()
	l.renewals.Wait()
	one, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	_, _ = l.kv.con.api.Session().Destroy(l.session, l.kv.con.writeOptions(one)) // it ends by itself else
}
