// Package simulate replays recorded access logs against policies, in virtual time:
// who would have been limited, when and how often.
//
//	files ──Open──▶ blocks of lines ──▶ parsers, one a core ──▶ the order of the log
//	                                                                  │
//	               Report ◀── tallies, one a limit ◀── proxy.Replay ◀─┘ by start
//
// Nothing here decides about a request: the router, the steps and the limiters are
// those of a gateway (proxy.Replay), and time is an argument to all of them. So a
// log that tells all of what limits ask of a request is decided as the gateway
// would have. What a log does not tell is said in the Report, and the limits that
// need it are left out rather than guessed.
//
// Lines are parsed on all cores and decided about one after the other. What is kept
// in memory does not grow with the log: lines wait only until none can come any
// more that began earlier (Window, MostWaiting), keys are counted by a sketch, and
// the worst ones are found in a bounded table.
//
// Logs are hostile input. Whoever sends requests chooses paths and fields, so that
// reports show them with everything escaped that is not plain.
package simulate
