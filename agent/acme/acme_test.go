package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

func challengeOf(kind, domain, token string) acme.Challenge {
	return acme.Challenge{
		Type: kind, Token: token, KeyAuthorization: token + ".thumb", Identifier: acme.Identifier{Type: "dns", Value: domain},
	}
}

// TestPending answers for what is pending, its own and others', and nothing else.
func TestPending(t *testing.T) {
	now := time.Now()
	p := newPending()
	add := func(c acme.Challenge) published {
		t.Helper()
		one, err := publish(c, now)
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	own := add(challengeOf(HTTP01, "shop.test", "own"))
	p.add(own)
	p.add(add(challengeOf(TLSALPN01, "shop.test", "alpn")))
	var texts [][]byte
	for _, c := range []acme.Challenge{challengeOf(HTTP01, "other.test", "theirs"), challengeOf(TLSALPN01, "other.test", "theirs")} {
		text, err := json.Marshal(add(c))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	p.follow("kv", append(texts, []byte("nonsense"), []byte(`{"challenge":{"type":"tls-alpn-01"}}`)))

	for _, c := range []struct {
		host, token string
		late        time.Duration
		want        string
	}{
		{"shop.test", "own", 0, "own.thumb"},
		{"SHOP.test", "own", 0, "own.thumb"},
		{"shop.test", "own", 2 * challengeLife, "own.thumb"}, // it is taken back when it is over
		{"shop.test", "alpn", 0, ""},
		{"shop.test", "", 0, ""},
		{"shop.test", "theirs", 0, ""},
		{"other.test", "theirs", 0, "theirs.thumb"},
		{"other.test", "theirs", challengeLife, ""}, // who published it has crashed
		{"evil.test", "own", 0, ""},
	} {
		got, ok := p.Answer([]byte(c.host), []byte(c.token), now.Add(c.late))
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s of %s: %q %t, want %q", c.token, c.host, got, ok, c.want)
		}
	}
	for name, want := range map[string]bool{"shop.test": true, "Other.test": true, "evil.test": false, "": false} {
		if got := p.Certificate(name, now); (got != nil) != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	p.remove(own.Challenge)
	p.follow("kv", nil)
	if _, ok := p.Answer([]byte("shop.test"), []byte("own"), now); ok {
		t.Error("what is over is answered")
	}
	if p.Certificate("other.test", now) != nil || p.Certificate("shop.test", now) == nil {
		t.Error("the wrong ones were taken back")
	}
}

func TestRetry(t *testing.T) {
	down, refused := errors.New("down"), fmt.Errorf("order: %w", acme.Problem{Type: "x"})
	for _, c := range []struct {
		err      error
		failures int
		r        float64
		want     time.Duration
	}{
		{down, 1, 0, 10 * time.Second},
		{down, 1, 1, 7500 * time.Millisecond},
		{down, 3, 0, 40 * time.Second},
		{down, 8, 0, 10 * time.Minute},
		{down, 1000, 0, 10 * time.Minute},
		{refused, 1, 0, 5 * time.Minute},
		{refused, 2, 0, 10 * time.Minute},
		{refused, 100, 0, 6 * time.Hour},
	} {
		if got := retry(c.err, c.failures, c.r); got != c.want {
			t.Errorf("%v for the %dth time: %v, want %v", c.err, c.failures, got, c.want)
		}
	}
}

func TestDue(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &tls.Certificate{Leaf: &x509.Certificate{NotBefore: from, NotAfter: from.Add(90*24*time.Hour - time.Second)}}
	if got, want := due(c), from.Add(60*24*time.Hour); got.Sub(want).Abs() > time.Second {
		t.Errorf("due at %v, want %v", got, want)
	}
}

func TestCheckDirectory(t *testing.T) {
	for url, ok := range map[string]bool{
		LetsEncrypt: true, "https://ca.test:14000/dir": true, "http://ca.test/": false, "ca.test": false, "": false,
		"https://": false, "https://me@ca.test/": false, "https://ca.test/#a": false, "https://ca.test/%zz": false,
	} {
		if err := CheckDirectory(url); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// memoryKV is a KV store. A lock that is lost is taken from its holder.
type memoryKV struct {
	mu    sync.Mutex
	keys  map[string]string
	locks map[string]*memoryLock
	away  error // what every question for a key is answered with; nil for what there is
}

type memoryLock struct {
	kv  *memoryKV
	key string
}

func (l *memoryLock) Release(context.Context) error {
	l.kv.mu.Lock()
	defer l.kv.mu.Unlock()
	if l.kv.locks[l.key] != l {
		return errors.New("it was lost")
	}
	delete(l.kv.locks, l.key)
	return nil
}

func (k *memoryKV) Get(_ context.Context, key string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch v, ok := k.keys[key]; {
	case k.away != nil:
		return nil, k.away
	case ok:
		return []byte(v), nil
	}
	return nil, fs.ErrNotExist
}

func (k *memoryKV) Put(_ context.Context, key string, text []byte, held Lock) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l, ok := held.(*memoryLock); ok && k.locks[l.key] != l {
		return errors.New("the lock was lost")
	}
	k.keys[key] = string(text)
	return nil
}

func (k *memoryKV) Remove(_ context.Context, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name := range k.keys {
		if name == key || strings.HasPrefix(name, key+"/") {
			delete(k.keys, name)
		}
	}
	return nil
}

func (k *memoryKV) Keys(_ context.Context, prefix string) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for name := range k.keys {
		if strings.HasPrefix(name, prefix) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (k *memoryKV) Acquire(_ context.Context, key string) (Lock, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locks[key] != nil {
		return nil, errors.New("somebody has it")
	}
	k.locks[key] = &memoryLock{k, key}
	return k.locks[key], nil
}

func (k *memoryKV) Follow(context.Context, string, func([][]byte, error)) {}

// TestKVStorage keeps what certmagic keeps, and none of what is written under a lock
// that was lost.
func TestKVStorage(t *testing.T) {
	ctx := t.Context()
	kv := &memoryKV{keys: map[string]string{"elsewhere/a": "x"}, locks: map[string]*memoryLock{}}
	s := newKVStorage(kv, "lictor/acme/")
	for key, text := range map[string]string{"certificates/ca/shop.test/shop.test.crt": "c", "certificates/ca/shop.test/shop.test.key": "k", "acme/ca/users/a": "u"} {
		if err := s.Store(ctx, key, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := kv.keys["lictor/acme/acme/ca/users/a"]; got != "u" {
		t.Errorf("stored as %v", kv.keys)
	}
	if b, err := s.Load(ctx, "certificates/ca/shop.test/shop.test.key"); err != nil || string(b) != "k" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := s.Load(ctx, "certificates/ca/shop.test/shop.test.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	for key, terminal := range map[string]bool{"certificates/ca/shop.test": false, "acme/ca/users/a": true} {
		if i, err := s.Stat(ctx, key); err != nil || i.IsTerminal != terminal {
			t.Errorf("%s: %+v, %v", key, i, err)
		}
	}
	if s.Exists(ctx, "certificates/ca/shop") || !s.Exists(ctx, "certificates/ca") {
		t.Error("a folder is a whole part of a key")
	}
	if got, err := s.List(ctx, "certificates", false); err != nil || !slices.Equal(got, []string{"certificates/ca"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := s.List(ctx, "certificates", true); err != nil || len(got) != 2 {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.List(ctx, "nothing", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}

	if err := s.Lock(ctx, "issue_cert_shop.test"); err != nil {
		t.Fatal(err)
	}
	if err := s.Store(ctx, "certificates/ca/shop.test/shop.test.crt", []byte("new")); err != nil {
		t.Error(err)
	}
	clear(kv.locks) // another gateway may have it now
	if err := s.Store(ctx, "certificates/ca/shop.test/shop.test.crt", []byte("late")); err == nil {
		t.Error("it was written without the lock")
	}
	if err := s.Store(ctx, "certificates/ca/other.test/other.test.crt", []byte("o")); err != nil {
		t.Errorf("another's lock was asked for: %v", err)
	}
	if err := s.Unlock(ctx, "issue_cert_shop.test"); err == nil {
		t.Error("nobody says that the lock was lost")
	}
	if err := s.Delete(ctx, "certificates/ca"); err != nil || len(kv.keys) != 2 {
		t.Errorf("%v, %v", err, kv.keys)
	}
}
