// Package lines reads files that hold one entry a line, such as lists of
// addresses, users and keys. What is read may be secret: no error quotes it.
package lines
