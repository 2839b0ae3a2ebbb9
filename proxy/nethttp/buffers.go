package nethttp

import "sync"

// bufferSize is the size of a piece of a body, in bytes: measured, more gains
// little.
const bufferSize = 32 << 10

type buffer [bufferSize]byte

// buffers lends space for bodies while they are moving.
var buffers = sync.Pool{New: func() any { return new(buffer) }}
