package compress

import (
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Coding is one content coding (RFC 9110 section 8.4.1).
type Coding uint8

// The codings. Identity is none.
const (
	Identity Coding = iota
	Zstd
	Brotli
	Gzip
	codings
)

var codingNames = [codings]string{"identity", "zstd", "br", "gzip"}

// String returns the coding as Content-Encoding names it.
func (c Coding) String() string { return codingNames[c] }

// Level says how much effort goes into a smaller body. Each coding has numbers of
// its own for that, and the client chooses the coding, so that these are words.
type Level uint8

// The levels.
const (
	// Balanced is for answers that are made anew each time.
	Balanced Level = iota
	// Fast takes the least time.
	Fast
	// Small takes several times as long, and more memory.
	Small
	levels
)

var levelNames = [levels]string{"balanced", "fast", "small"}

// String returns the level as a policy names it.
func (l Level) String() string { return levelNames[l] }

// How far back the codings look, in bytes, which is most of what they hold.
// Measured on JSON of 100 KiB, more gains nothing. Gzip's 32 KiB are its format's.
const (
	zstdWindow   = 128 << 10
	brotliWindow = 17 // its logarithm
)

// encoder is what the codings have in common.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

// effort is what a level means to each coding. Measured on JSON of 100 KiB, a
// stream holds 0.8, 0.9 and 0.8 MiB when fast, 1.8, 1.6 and 1.0 MiB when balanced,
// 4.7, 3.1 and 1.4 MiB when small.
var effort = [levels]struct {
	zstd   zstd.EncoderLevel
	brotli int
	gzip   int
}{
	Balanced: {zstd.SpeedDefault, 4, 6},
	Fast:     {zstd.SpeedFastest, 1, 1},
	Small:    {zstd.SpeedBetterCompression, 6, 9},
}

// newEncoder returns an encoder that is to be Reset before its first use. It works
// on the goroutine that calls it.
func newEncoder(c Coding, l Level) (encoder, error) {
	switch c {
	case Zstd:
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(effort[l].zstd), zstd.WithWindowSize(zstdWindow),
			zstd.WithLowerEncoderMem(true), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	case Brotli:
		return brotli.NewWriterOptions(nil, brotli.WriterOptions{Quality: effort[l].brotli, LGWin: brotliWindow}), nil
	default:
		return gzip.NewWriterLevel(nil, effort[l].gzip)
	}
}
