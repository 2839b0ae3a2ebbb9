package basicauth

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Bounds on what one verification may cost.
const (
	// MaxBcryptCost is the logarithm of the rounds of bcrypt; 14 takes about a
	// second.
	MaxBcryptCost = 14
	// MaxArgonMemory is in KiB.
	MaxArgonMemory = 256 << 10
	// MaxArgonTime is in passes, MaxArgonWork in passes times KiB.
	MaxArgonTime = 64
	MaxArgonWork = 1 << 20
	maxParallel  = 16
)

// hash is a password's, as a file has it.
type hash interface {
	// matches takes as long for a wrong password as for the right one.
	matches(password []byte) bool
}

type bcryptHash []byte

// bcryptBytes is how much of a password bcrypt looks at, as every other
// implementation does.
const bcryptBytes = 72

func (h bcryptHash) matches(password []byte) bool {
	return bcrypt.CompareHashAndPassword(h, password[:min(len(password), bcryptBytes)]) == nil
}

type argonHash struct {
	time, memory uint32
	threads      uint8
	salt, sum    []byte
}

func (h *argonHash) matches(password []byte) bool {
	sum := argon2.IDKey(password, h.salt, h.time, h.memory, h.threads, uint32(len(h.sum))) //nolint:gosec // parseArgon bounds it
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

// parseHash reads a hash. Its errors quote nothing.
func parseHash(s string) (hash, error) {
	switch {
	case strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"):
		return parseBcrypt(s)
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon(s)
	}
	for _, k := range []struct{ begin, name string }{
		{"$apr1$", "MD5"},
		{"$1$", "MD5"},
		{"{SHA}", "SHA-1"},
		{"{SSHA}", "SHA-1"},
		{"$5$", "SHA-256"},
		{"$6$", "SHA-512"},
		{"$argon2", "another argon2"},
		{"$2", "an old bcrypt"},
	} {
		if strings.HasPrefix(s, k.begin) {
			return nil, fmt.Errorf("the password is hashed by %s, which is not good enough: use bcrypt (htpasswd -B) or argon2id", k.name)
		}
	}
	return nil, errors.New("the password is not hashed, or in a way that is not known: use bcrypt (htpasswd -B) or argon2id")
}

func parseBcrypt(s string) (hash, error) {
	cost, err := bcrypt.Cost([]byte(s))
	const length = 60
	if err != nil || len(s) != length || strings.Trim(s[7:], "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return nil, errors.New("the hash of bcrypt is malformed")
	}
	if cost > MaxBcryptCost {
		return nil, fmt.Errorf("the cost of bcrypt is %d, more than %d", cost, MaxBcryptCost)
	}
	return bcryptHash(s), nil
}

var errArgon = errors.New("the hash of argon2id is malformed: it looks like $argon2id$v=19$m=65536,t=3,p=4$salt$hash")

// parseArgon reads a string in the PHC format.
func parseArgon(s string) (hash, error) {
	part := strings.Split(s, "$")
	if len(part) != 6 || part[2] != "v=19" {
		return nil, errArgon
	}
	cost := strings.Split(part[3], ",")
	if len(cost) != 3 {
		return nil, errArgon
	}
	var n [3]uint64
	for i, name := range [...]string{"m=", "t=", "p="} {
		v, ok := strings.CutPrefix(cost[i], name)
		var err error
		if n[i], err = strconv.ParseUint(v, 10, 32); !ok || err != nil || n[i] == 0 {
			return nil, errArgon
		}
	}
	if n[0] > MaxArgonMemory || n[1] > MaxArgonTime || n[0]*n[1] > MaxArgonWork || n[2] > maxParallel {
		return nil, fmt.Errorf("argon2id costs too much: m is at most %d, t %d, m times t %d, p %d", MaxArgonMemory, MaxArgonTime, MaxArgonWork, maxParallel)
	}
	strict := base64.RawStdEncoding.Strict()
	salt, err := strict.DecodeString(part[4])
	sum, more := strict.DecodeString(part[5])
	if err != nil || more != nil || len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64 {
		return nil, errArgon
	}
	return &argonHash{time: uint32(n[1]), memory: uint32(n[0]), threads: uint8(n[2]), salt: salt, sum: sum}, nil //nolint:gosec // bounded above
}
