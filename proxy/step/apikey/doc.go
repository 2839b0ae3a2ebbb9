// Package apikey asks for a key that a file knows by its SHA-256. That is hash
// enough: a key of Generate has 256 random bits, so that nobody finds it by trying,
// and none is looked up in the time of a slow hash.
//
//	field or parameter ─▶ SHA-256 ─▶ the file's digests ─▶ the name
//
// The lookup compares digests, never keys: what its time tells is of a digest that
// the asker can't choose the bits of. The key does not reach the instance, under
// any spelling of its field's or parameter's name.
package apikey
