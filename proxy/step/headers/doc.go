// Package headers is the step that sets, adds and removes fields of requests and of
// responses (RFC 9110 section 6.3).
//
// Of each block remove comes first, then set, then add. A value that the request has
// no part of is copied as it is. One that it has is checked each time: where it can't
// be a field's value, because it is empty, too long or holds a control character, the
// field is not sent; what it would have replaced is gone even so, so that no client
// writes it in place of the policy.
package headers
