// Package rewrite is the step that changes the path and the query on their way to the
// instance. It sees the path after strip_prefix.
//
// What it makes is held to what the gateway holds every path to: the normal form, no
// dot segment by any spelling, no control character, no space, no backslash. What a
// request has a say in is escaped, so that a segment stays one segment; and where a
// claim or a field is missing, the request is refused rather than sent to another
// path.
package rewrite
