// Package grpc tests how clients of gRPC understand what the gateway itself
// answers. Its tests run with the tag e2e.
package grpc
