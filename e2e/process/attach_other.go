//go:build !unix

package process

import "errors"

// Attach is for systems on which a program can hand over to another one.
func Attach(string, int) (*Process, error) { return nil, errors.ErrUnsupported }
