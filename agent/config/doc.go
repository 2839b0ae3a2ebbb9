// Package config turns configuration files into validated, plain Go values, or
// into every diagnostic at once.
//
//	files ──parse──▶ sections ──gohcl──▶ Block structs ──check──▶ Config, Policy
//	  │                 │                                           │
//	  └── *.hcl, *.hcl.json, in lexical order                       └── names resolved,
//	                    └── agent blocks, policy blocks                 routes checked together
//
// Values here hold defaults already, resolved paths, and no HCL but the ranges
// that a later warning points at. The package opens no connection and reads no
// secret: where a setting names a file with a secret, the value is its path.
//
// Load reads a whole agent configuration, LoadPolicies policies alone, Validate
// whatever it is given. Blocks that other packages understand, steps inside a
// route and providers beside it, come in through Options.
package config
