// Command picture draws the pictures of docs/limits.md: one for each way of
// limiting, of what became of the same requests of one client.
//
//	arrivals ──▶ play: the limiter itself, asked moment by moment
//	               │
//	               ▼
//	             story ──▶ draw ──▶ docs/images/NAME.svg
//
// Time is virtual, so what it draws is the same on every machine; a test compares
// it with the files.
package main
