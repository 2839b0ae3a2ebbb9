package tickets

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

// A ticket is the name of its key, a salt, and what AES-256-GCM makes of the time at
// which the session was begun and the session. The server's name is bound to it.
const (
	nameSize  = 16
	saltSize  = 16
	keySize   = 32
	headSize  = nameSize + saltSize
	begunSize = 8
)

// Seal returns a ticket for a session with a server of the name, which was begun at a
// time. It is good until 24 hours after that.
func (k *Keys) Seal(now time.Time, server string, begun time.Time, session []byte) ([]byte, error) {
	r, err := k.at(now)
	if err != nil {
		return nil, err
	}
	ticket := append(make([]byte, 0, headSize+64+len(session)), r.keys[0].name[:]...)
	ticket = ticket[:headSize]
	_, _ = rand.Read(ticket[nameSize:]) // never fails
	aead, err := r.keys[0].cipher(ticket[nameSize:])
	if err != nil {
		return nil, err
	}
	text := binary.BigEndian.AppendUint64(make([]byte, 0, begunSize+len(session)), uint64(begun.Unix())) //nolint:gosec // the same bits come back
	return aead.Seal(ticket, nil, append(text, session...), bound(ticket[:headSize], server)), nil       //nolint:gosec // this cipher takes a random nonce by itself
}

// Open returns the session of a ticket and when it was begun. It is false where the
// ticket is for another server, too old, or not ours at all.
func (k *Keys) Open(now time.Time, server string, ticket []byte) (session []byte, begun time.Time, ok bool) {
	if len(ticket) < headSize {
		return nil, time.Time{}, false
	}
	r, err := k.at(now)
	if err != nil {
		return nil, time.Time{}, false
	}
	one := r.named([nameSize]byte(ticket))
	if one == nil {
		return nil, time.Time{}, false
	}
	aead, err := one.cipher(ticket[nameSize:headSize])
	if err != nil {
		return nil, time.Time{}, false
	}
	text, err := aead.Open(nil, nil, ticket[headSize:], bound(ticket[:headSize], server))
	if err != nil || len(text) < begunSize {
		return nil, time.Time{}, false
	}
	begun = time.Unix(int64(binary.BigEndian.Uint64(text)), 0) //nolint:gosec // as Seal wrote it
	return text[begunSize:], begun, now.Sub(begun) <= lifetime
}

// bound is what a ticket holds for, beyond what is in it. Names of hosts have no case
// (RFC 6066 section 3).
func bound(head []byte, server string) []byte {
	return append(slices.Clone(head), strings.ToLower(server)...)
}
