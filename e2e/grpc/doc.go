// Package grpc tests gRPC through the gateway with gRPC's own client and server:
// calls of all kinds and their ends, what is understood of the gateway's own answers,
// and gRPC's interoperability cases, of which it prints a table. Its tests run with
// the tag e2e.
package grpc
