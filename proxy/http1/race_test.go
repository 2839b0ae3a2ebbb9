//go:build race

package http1_test

// raceDetector is on: it makes sync.Pool drop some of what is put back.
const raceDetector = true
