// Package compress codes the bodies of instances' answers on their way to clients
// that accept it: by zstd (RFC 8878), br (RFC 7932) and gzip (RFC 1952).
//
//	instance's body -> encoder -> body -> engine
//
// An answer is coded when its media type is listed, it is not coded already, not
// a part, not small, not signed by a digest, and nobody forbids to transform it.
// Which coding that is the client says (RFC 9110 section 12.5.3), and Vary says
// that it did. Since the coded bytes are another representation, its validator
// becomes a weak one, and neither a length nor ranges are offered any more.
//
// A body whose length the instance has not told is passed on as it comes: what the
// encoder holds is flushed before the gateway waits for more of it, so that an
// event reaches the client at once.
//
// Memory is bounded: the windows of the codings are 128 KiB at most, so many
// answers are coded at once and no more, and encoders are used again.
package compress
