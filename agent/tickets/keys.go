package tickets

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// period is how long a key seals. Periods begin at midnight and at noon, UTC.
const period = 12 * time.Hour

// lifetime bounds the time between a full handshake and the last one that resumes a
// session of TLS 1.2, and the life of a ticket of any version.
const lifetime = 2 * period

// keyLabel tells these keys from others that somebody derives from the same secret.
const keyLabel = "lictor tls session ticket 1 "

// Keys seal and open tickets. They are for use by many at once. The zero value is of no
// use; see Parse.
type Keys struct {
	secrets [][]byte // as HKDF has extracted them; the first one seals
	now     atomic.Pointer[ring]
}

// Len returns how many secrets there are.
func (k *Keys) Len() int { return len(k.secrets) }

// ring is the keys of a time: of the first secret's the present one, then all others.
type ring struct {
	period int64
	keys   []key
}

// key is that of one secret and one period.
type key struct {
	name   [nameSize]byte // is told with each ticket
	secret []byte
}

// at returns the keys of a time. Those who come first in a period may derive them at
// the same time, to the same end.
func (k *Keys) at(now time.Time) (*ring, error) {
	p := periodOf(now)
	if r := k.now.Load(); r != nil && r.period == p {
		return r, nil
	}
	r := &ring{period: p}
	for _, secret := range k.secrets {
		for _, q := range []int64{p, p - 1, p + 1} {
			one, err := derive(secret, q)
			if err != nil {
				return nil, err
			}
			r.keys = append(r.keys, one)
		}
	}
	k.now.Store(r)
	return r, nil
}

// periodOf returns the number of the period that a time is in.
func periodOf(now time.Time) int64 {
	s, length := now.Unix(), int64(period/time.Second)
	if s < 0 {
		s -= length - 1 // a clock that is set to long ago; towards the past, too
	}
	return s / length
}

// derive returns the key of a secret for a period.
func derive(secret []byte, p int64) (key, error) {
	b, err := hkdf.Expand(sha256.New, secret, keyLabel+strconv.FormatInt(p, 10), nameSize+keySize)
	if err != nil {
		return key{}, fmt.Errorf("deriving the key of a period: %w", err)
	}
	return key{[nameSize]byte(b), b[nameSize:]}, nil
}

// named returns the key of the name, nil where there is none.
func (r *ring) named(name [nameSize]byte) *key {
	for i := range r.keys {
		if r.keys[i].name == name {
			return &r.keys[i]
		}
	}
	return nil
}

// cipher returns what seals one ticket. Each has a key of its own, by its salt: so many
// tickets may be sealed in a period as no nonce would last for.
func (k *key) cipher(salt []byte) (cipher.AEAD, error) {
	one, err := hkdf.Expand(sha256.New, k.secret, string(salt), keySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of a ticket: %w", err)
	}
	block, err := aes.NewCipher(one)
	if err != nil {
		return nil, fmt.Errorf("making a cipher of the key of a ticket: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
