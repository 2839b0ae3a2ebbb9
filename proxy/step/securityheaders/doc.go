// Package securityheaders is the step that writes the fields by which browsers guard
// the users of a page. They are on all answers of a route, the gateway's own as well.
// What the instance has said itself stays, unless the policy says otherwise.
package securityheaders
