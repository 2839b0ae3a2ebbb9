// This module calls the gateway with gRPC's own client. It is separate so that
// gRPC does not enter the gateway's own dependencies.
module github.com/lictor/lictor/e2e/grpc

go 1.26.0

replace github.com/lictor/lictor => ../..

require (
	github.com/lictor/lictor v0.0.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
)
