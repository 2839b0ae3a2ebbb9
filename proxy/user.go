package proxy

// User is who a password or a key has proven the client to be. The zero value is
// nobody.
type User struct {
	// Source tells apart those who have the same name but are not the same, such as
	// users of different files.
	Source string
	// Name is as the operator wrote it.
	Name string
}
