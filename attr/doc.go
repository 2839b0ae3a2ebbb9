// Package attr reads the attributes of HCL blocks into Go values and collects
// what is wrong with them, so that one pass over a configuration finds every
// mistake. All that read configuration share it, and so its words: the same
// mistake is told in the same way wherever it is made.
//
// An attribute that is absent (nil), null or wrong reads as its default.
package attr
