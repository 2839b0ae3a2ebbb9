// Package trial runs requests through the pipeline without an engine or an instance,
// for the tests of steps: what would have gone to the instance is returned, and the
// instance's answer is a function's.
package trial
