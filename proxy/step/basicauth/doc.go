// Package basicauth asks for a user and a password (RFC 7617), which a file of
// users knows by their hashes.
//
//	Authorization ─▶ credentials ─▶ verified lately? ──yes─▶ the user
//	                                   │ no
//	                                   ▼
//	                                 gate ──full─▶ 503
//	                                   │ a few at a time
//	                                   ▼
//	                             bcrypt, argon2id ──wrong─▶ 401
//
// What attackers have been thought of:
//
//   - Who guesses users learns nothing: an unknown one costs what one of the file
//     costs, always the same one for the same name, and is answered alike.
//   - Who guesses passwords takes a few processors' time at most, and of one address
//     only so many wait. Who has been verified passes beside that queue.
//   - Nobody fills the memory of what was verified: only right passwords enter, as
//     digests under a key of this process, together with the line of the file. A
//     changed line makes them worthless.
package basicauth
