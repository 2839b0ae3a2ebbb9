package certs

import "crypto/sha256"

// source is one thing that is read from files, and kept until they hold a newer
// one that is sound. Its zero value is of no use.
type source[T any] struct {
	files []string
	parse func(texts [][]byte) (T, error)

	value T
	sum   [sha256.Size]byte // of the content that value was made of
	bad   [sha256.Size]byte // of the content that was refused since, zero for none
	told  bool              // that it was refused
}

func newSource[T any](files []string, parse func([][]byte) (T, error)) *source[T] {
	return &source[T]{files: files, parse: parse}
}

// look reads the files and reports whether there is a new value. The error of
// each broken content is returned once. With patience it is returned only when
// the content is still the same at the second look, because whoever replaces two
// files replaces one of them first.
func (s *source[T]) look(patience bool) (changed bool, err error) {
	texts, sum, err := s.read()
	switch {
	case err == nil && sum == s.sum:
		s.bad, s.told = [sha256.Size]byte{}, false
		return false, nil
	case sum == s.bad && s.told:
		return false, nil
	}
	if err == nil {
		var v T
		if v, err = s.parse(texts); err == nil {
			s.value, s.sum = v, sum
			s.bad, s.told = [sha256.Size]byte{}, false
			return true, nil
		}
	}
	if patience && sum != s.bad {
		s.bad, s.told = sum, false
		return false, nil
	}
	s.bad, s.told = sum, true
	return false, err
}

// read returns the files' content and its digest. A file that can't be read has
// its error for content.
func (s *source[T]) read() (texts [][]byte, sum [sha256.Size]byte, err error) {
	h := sha256.New()
	for _, f := range s.files {
		text, bad := readFile(f)
		if bad != nil {
			text = []byte(bad.Error())
			if err == nil {
				err = bad
			}
		}
		one := sha256.Sum256(text)
		h.Write(one[:])
		texts = append(texts, text)
	}
	return texts, [sha256.Size]byte(h.Sum(nil)), err
}
