package acme

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
)

// KV is Consul's KV store, as far as certificates need it. Keys are whole. What is
// not there is fs.ErrNotExist.
type KV interface {
	Get(ctx context.Context, key string) ([]byte, error)
	// Put writes a key. With a lock it does so only while that is held.
	Put(ctx context.Context, key string, text []byte, held Lock) error
	// Remove removes a key, and all below it and a slash.
	Remove(ctx context.Context, key string) error
	// Keys returns the keys that begin so.
	Keys(ctx context.Context, prefix string) ([]string, error)
	// Acquire waits until the lock is ours, or ctx is done.
	Acquire(ctx context.Context, key string) (Lock, error)
	// Follow calls take with what lies below the prefix, at first and after each
	// change, or with why it can't be read, until ctx is done.
	Follow(ctx context.Context, prefix string, take func(texts [][]byte, err error))
}

// Lock is one that is held, until Release or until its holder has not been heard of
// for a while.
type Lock interface {
	Release(ctx context.Context) error
}

// kvStorage keeps all below a prefix of Consul's KV store. It is certmagic's Storage.
type kvStorage struct {
	kv     KV
	prefix string // ends in a slash

	mu   sync.Mutex
	held map[string]Lock // by name
}

func newKVStorage(kv KV, prefix string) *kvStorage {
	return &kvStorage{kv: kv, prefix: strings.TrimSuffix(prefix, "/") + "/", held: map[string]Lock{}}
}

func (s *kvStorage) key(key string) string { return s.prefix + strings.Trim(key, "/") }

// Lock implements certmagic.Locker.
func (s *kvStorage) Lock(ctx context.Context, name string) error {
	l, err := s.kv.Acquire(ctx, s.key(path.Join("locks", certmagic.StorageKeys.Safe(name))))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[name] = l
	return nil
}

// Unlock implements certmagic.Locker.
func (s *kvStorage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	l := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if l == nil {
		return fmt.Errorf("the lock %q is not held", name)
	}
	return l.Release(context.WithoutCancel(ctx))
}

// fence returns the lock under which a key is written: that of a certificate's order.
// One that has lost it, because it was not heard of for too long, must not write over
// what another gateway has got meanwhile.
func (s *kvStorage) fence(key string) Lock {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.held {
		if domain, ok := strings.CutPrefix(name, "issue_cert_"); ok && path.Base(path.Dir(key)) == certmagic.StorageKeys.Safe(domain) {
			return l
		}
	}
	return nil
}

// Store implements certmagic.Storage.
func (s *kvStorage) Store(ctx context.Context, key string, value []byte) error {
	return s.kv.Put(ctx, s.key(key), value, s.fence(key))
}

// Load implements certmagic.Storage.
func (s *kvStorage) Load(ctx context.Context, key string) ([]byte, error) {
	return s.kv.Get(ctx, s.key(key))
}

// Delete implements certmagic.Storage.
func (s *kvStorage) Delete(ctx context.Context, key string) error {
	return s.kv.Remove(ctx, s.key(key))
}

// Exists implements certmagic.Storage.
func (s *kvStorage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List implements certmagic.Storage.
func (s *kvStorage) List(ctx context.Context, below string, recursive bool) ([]string, error) {
	keys, err := s.kv.Keys(ctx, s.key(below)+"/")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []string
	for _, k := range keys {
		k = strings.TrimPrefix(k, s.prefix)
		if !recursive {
			rest := strings.TrimPrefix(k, strings.Trim(below, "/")+"/")
			first, _, _ := strings.Cut(rest, "/")
			k = path.Join(below, first)
		}
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return nil, fs.ErrNotExist
	}
	return out, nil
}

// Stat implements certmagic.Storage.
func (s *kvStorage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	text, err := s.kv.Get(ctx, s.key(key))
	if err == nil {
		return certmagic.KeyInfo{Key: key, Size: int64(len(text)), IsTerminal: true}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return certmagic.KeyInfo{}, err
	}
	keys, err := s.kv.Keys(ctx, s.key(key)+"/")
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	if len(keys) == 0 {
		return certmagic.KeyInfo{}, fs.ErrNotExist
	}
	return certmagic.KeyInfo{Key: key}, nil
}
