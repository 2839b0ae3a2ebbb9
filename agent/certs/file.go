package certs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxFile bounds a file of certificates, in bytes.
const maxFile = 4 << 20

// FileError says which file is at fault.
type FileError struct {
	File string
	Err  error
}

// Error names the file and says what is wrong with it.
func (e *FileError) Error() string { return e.File + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *FileError) Unwrap() error { return e.Err }

// readFile reads a regular file. Others, such as a pipe, could block for ever.
func readFile(path string) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		if bad, ok := errors.AsType[*fs.PathError](err); ok {
			err = bad.Err // the path is in the FileError
		}
		return nil, &FileError{File: path, Err: err}
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fail(err)
	case !info.Mode().IsRegular():
		return fail(errors.New("not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return fail(err)
	case len(text) > maxFile:
		return fail(fmt.Errorf("more than %d bytes", maxFile))
	}
	return text, nil
}
