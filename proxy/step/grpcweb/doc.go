// Package grpcweb is the step that lets browsers call servers of gRPC: it translates
// gRPC-Web (PROTOCOL-WEB of gRPC), which needs no trailers, to gRPC and back, as
// messages pass.
//
//	client ─application/grpc-web──────▶ messages as they are ─▶ instance
//	       ─application/grpc-web-text─▶ base64 taken off ─────▶
//	       ◀─ messages, then a frame with the trailers ◀──────── messages, trailers
//
// It looks at no message: what frames them is the same in both.
package grpcweb
