// Command bench compares the limiters with other libraries for Go that limit by
// key, side by side in one run:
//
//	for each round
//	  for each scenario       one key, a million keys, a flood ...
//	    for each contender    a fresh one, so that nobody inherits another's heap
//	                          ──▶ numbers ──▶ medians ──▶ table
//
// Everybody reads the clock for each decision, as the others always do; one line
// shows ours without, because a gateway reads it once for all that it decides on
// a request. Keys are handed over in the form that a library takes, ready made:
// what it costs to make a string of an address is counted for nobody.
package main
