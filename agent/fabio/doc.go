// Package fabio makes routes of the tags by which services tell fabio, the
// Consul-integrated router, what they serve: "urlprefix-host/path options".
//
//	instances with tags ──Parse──▶ Tag ──translate──▶ Route, or why there is none
//	                                                    │
//	      one route per host and path: Build ◀──────────┘
//	          │
//	          └──▶ policy text per service, and warnings for people
//
// Tags are written by whoever may register a service. What becomes of one is a
// route to that very service and nothing more: it names no file, no other service
// and no policy, takes no limit away, and is bounded in length and number. An
// option that keeps somebody out and can't be honoured makes that there is no
// route at all; any other that can't be honoured is told of and left out.
//
// The routes are policy text, so that what the gateway does with a tag is exactly
// what a person can write down instead. They are read as a text that is Last (see
// config.Source): no policy loses a request to them.
package fabio
