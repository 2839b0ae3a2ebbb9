//go:build race

package router_test

// raceDetector is on: it makes sync.Pool, of which regexp takes its machines,
// drop some of what is put back.
const raceDetector = true
