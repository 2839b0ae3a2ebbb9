// Package websocket lets implementations of WebSocket that nobody here wrote speak to
// each other, directly and with the gateway between them. What they notice must be
// the same: messages of every size and kind, fragments, compression, pings, closes,
// and each violation of RFC 6455 that a strict implementation answers.
//
// Its tests want the build tag e2e, and packages.sh to have installed what they run.
package websocket
