// This module compares the limiters with other libraries'. It is separate so that
// none of them enters the gateway's own dependencies.
module github.com/lictor/lictor/limits/bench

go 1.26.0

replace github.com/lictor/lictor => ../..

require (
	github.com/lictor/lictor v0.0.0
	github.com/sethvargo/go-limiter v0.7.1
	github.com/throttled/throttled/v2 v2.15.0
	github.com/ulule/limiter/v3 v3.11.2
	golang.org/x/time v0.14.0
)

require (
	github.com/dchest/siphash v1.2.3 // indirect
	github.com/hashicorp/golang-lru v0.5.4 // indirect
	github.com/pkg/errors v0.9.1 // indirect
)
