// Package gate is where connections come in, whoever serves them: it counts them,
// refuses those beyond a bound, and waits when the system has no more to give.
package gate
