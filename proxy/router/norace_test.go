//go:build !race

package router_test

// raceDetector is off.
const raceDetector = false
