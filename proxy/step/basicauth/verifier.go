package basicauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
)

// Bounds on what was verified and is remembered, over all files.
const (
	MaxRemembered = 65536
	shards        = 16
)

// digest stands for a line of a file and the password that has opened it.
type digest = [sha256.Size]byte

// Verifier verifies passwords, a few at a time, and remembers which were right. One
// serves all routes, and outlives their generations.
type Verifier struct {
	key    [32]byte // of this process
	gate   *gate
	shards [shards]shard
}

type shard struct {
	mu    sync.RWMutex
	right map[digest]struct{}
}

// NewVerifier returns a verifier that remembers nothing.
func NewVerifier() *Verifier {
	v := &Verifier{gate: newGate(max(1, min(MaxHashing, runtime.GOMAXPROCS(0)/2)))}
	_, _ = rand.Read(v.key[:]) // it never fails
	for i := range v.shards {
		v.shards[i].right = map[digest]struct{}{}
	}
	return v
}

// digest binds a password to a line. All parts but the last have a fixed length, and
// no digest ever leaves the process.
func (v *Verifier) digest(line *[sha256.Size]byte, password []byte) digest {
	var space [32 + sha256.Size + maxCredentials + 3]byte
	b := append(space[:0], v.key[:]...)
	b = append(b, line[:]...)
	return sha256.Sum256(append(b, password...))
}

// stranger chooses the user whose hash an unknown name is tried against, always the
// same one for the same name, so that its time tells nothing.
func (v *Verifier) stranger(u *users, name []byte) *user {
	d := v.digest(&[sha256.Size]byte{}, name)
	return u.order[binary.BigEndian.Uint64(d[:8])%uint64(len(u.order))]
}

// remembered returns the user if these credentials were right before.
func (v *Verifier) remembered(u *users, c *credentials) *user {
	known := u.byName[string(c.name())]
	one := known
	if one == nil {
		one = v.stranger(u, c.name())
	}
	d := v.digest(&one.line, c.password())
	if !v.has(&d) {
		return nil
	}
	return known // nil for an unknown name, whatever the password
}

// verify returns the user whom the credentials prove, nil when they don't. An error
// says that nothing is known: there are too many at once, or ctx is done.
func (v *Verifier) verify(ctx context.Context, client netip.Addr, u *users, c *credentials) (*user, error) {
	if err := v.gate.enter(ctx, client); err != nil {
		return nil, err
	}
	defer v.gate.leave(client)
	known := u.byName[string(c.name())]
	one := known
	if one == nil {
		one = v.stranger(u, c.name())
	}
	d := v.digest(&one.line, c.password())
	if known != nil && v.has(&d) { // while this one waited
		return known, nil
	}
	right := one.hash.matches(c.password())
	if !right || known == nil {
		return nil, nil //nolint:nilnil // nobody, for sure
	}
	v.remember(&d)
	return known, nil
}

func (v *Verifier) has(d *digest) bool {
	s := &v.shards[d[0]%shards]
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.right[*d]
	return ok
}

// remember takes note of right credentials, and forgets any others when there are
// too many. Nobody can push others out who does not know as many passwords.
func (v *Verifier) remember(d *digest) {
	s := &v.shards[d[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.right) >= MaxRemembered/shards {
		for other := range s.right {
			delete(s.right, other)
			break
		}
	}
	s.right[*d] = struct{}{}
}
