// Package cors is the step that lets pages of other origins use a route, by the CORS
// protocol of the Fetch Standard (section 3.3).
//
// It answers preflights itself: they carry no credentials, so they come before
// whatever asks who the user is, and after the limits whose key is in the request,
// which count them like any request. Their route is that of the request that they
// announce. On every other answer it writes the protocol's fields in place of the
// instance's, on the gateway's own as well, so that a page can read a 429 or a 401.
//
// It keeps nobody out. A request from an origin that is not allowed is served like one
// that names none, and the browser keeps the answer from the page.
package cors
