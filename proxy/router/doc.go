// Package router decides which route a request belongs to. It knows requests by
// their host, path, method, query and fields only, and routes by Rules, which
// are plain values; the pipeline above it has the Exchange and the Route.
//
//	request target ── Normalize ──┬── the path that is forwarded
//	                              │
//	                              ▼
//	 Host ──► tier of an exact host ──► of wildcards, longest first ──► of any host
//	               │
//	               ├─ 1 exact path ────┐
//	               ├─ 2 patterns       │  a leaf: the rules with this path,
//	               ├─ 3 regexes        ├─ named methods before any, then more
//	               └─ 4 prefixes,      │  conditions before fewer, then by name
//	                    longest first ─┘
//
// The first rule of which every condition holds has the request. A rule that
// fails by its method, a field or a parameter is passed over, and the search
// goes on through less specific paths and then less specific hosts. If it ends
// without a rule, and there were rules that failed by their method alone, the
// answer is MethodNotAllowed with the methods of all of those; else it is
// NoRoute.
//
// # Precedence
//
// Which rule is asked first is decided by, in this order:
//
//  1. the host: exact, then the longest wildcard, then any;
//  2. the path: exact, then pattern (segment by segment from the left, a
//     literal before a variable), then regex, then the longest prefix;
//  3. the method: rules that name methods before rules for any; for HEAD, those
//     that name it before those that imply it by GET;
//  4. the number of header and query conditions, more before fewer;
//  5. the name.
//
// With these rules
//
//	checkout   hosts = ["shop.example.com"]  path         = "/cart/checkout"  methods = ["POST"]
//	item       hosts = ["shop.example.com"]  path_pattern = "/cart/{item}"
//	beta       hosts = ["*.example.com"]     path_prefix  = "/cart"           headers = { X-Beta = "1" }
//	cart       hosts = ["*.example.com"]     path_prefix  = "/cart"
//	everything                               path_prefix  = "/"               methods = ["GET"]
//
// requests go where the right column says:
//
//	POST shop.example.com/cart/checkout       checkout    exact host and path
//	GET  shop.example.com/cart/checkout       item        checkout fails by method, a pattern is next
//	GET  shop.example.com/cart/a/b            cart        no rule of the exact host fits, the wildcard is next
//	GET  eu.shop.example.com/cart + X-Beta: 1 beta        more conditions than cart
//	HEAD example.com/cart                     everything  *.example.com is not example.com; GET answers HEAD
//	PUT  example.com/cart                     405         Allow: GET, HEAD
//
// Rules between which only the name would choose, although they have the same
// path and conditions, are refused by New. Rules that can never win are told
// by Unreachable. Rules that are Last are a table of their own, which is looked at
// when the first one says 404, and only then.
//
// # Paths
//
// A path is matched in the form that Normalize gives it, and must be forwarded
// in that form. What a request spells /public/%2e%2e/admin is matched, and
// sent, as /admin. Three things stay for the operator to know, because RFC 3986
// makes them data: %2F inside a segment, for which listeners can refuse it;
// ";params", with which /admin;x is not under the prefix /admin; and escaped
// delimiters such as %3A, which differ from bare ones. A server that drops or
// decodes these should be protected by rules that allow what it offers, not by
// rules that guard some of it.
//
// # Cost
//
// A match allocates nothing. It is a hash look-up for the host and for each
// length of wildcards, one walk down a radix tree for exact paths and prefixes,
// one look-up a segment for patterns, and one expression after the other for
// the regexes of a host. The order inside a leaf is fixed when the router is
// built. Patterns are the one place that goes back on a miss; the tree of a
// host's patterns bounds it. The values of variables are not kept: what needs
// them can split the path once more by the rule's pattern.
package router
