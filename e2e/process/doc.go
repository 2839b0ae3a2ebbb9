// Package process starts the programs that the demo and the end-to-end tests
// need, keeps what they print, and sees to it that none outlives its parent.
//
// A program runs in a process group of its own, so that Ctrl-C in a terminal
// reaches the parent alone and the parent ends its children in order. On Linux
// the kernel kills a child whose parent died without ending it.
package process
