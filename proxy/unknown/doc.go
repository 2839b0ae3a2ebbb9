// Package unknown finds the paths that are asked for most among those that no
// route takes: interfaces that somebody uses and nobody has registered.
//
// Clients choose the paths, so what is kept is bounded: as many paths as New was
// told, each of bounded length, counted by the Space-Saving algorithm (Metwally,
// Agrawal and El Abbadi, Efficient Computation of Frequent and Top-k Elements in
// Data Streams, 2005). A path that makes up more than one n-th of all requests is
// always among the n that are kept; a count is too high by no more than it says.
//
// Paths are told apart by their shape: segments that look like numbers or ids are
// all one, so /users/1 and /users/2 count together, and no id is shown.
package unknown
