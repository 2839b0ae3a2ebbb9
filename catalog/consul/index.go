package consul

// cursor is a watch's place in the history of its service. It knows nothing of
// time or of content.
type cursor struct {
	// wait is the index that the next query asks with; 0 is a plain read, which
	// answers at once.
	wait uint64
	// seen is the index of the last answer that was believed. It is remembered
	// across errors, so that a Consul which lost its state is recognised even
	// though the query after an error is a plain one.
	seen uint64
}

// step judges the index of an answer. It reports whether the index went
// backwards, which means that Consul was restored from a snapshot or lost its
// state, and that a blocking answer may be a mix of old and new.
func (c cursor) step(index uint64) (next cursor, backwards bool) {
	if index < c.seen {
		return cursor{wait: 0, seen: index}, true
	}
	// Index 0 would not block at all: Consul asks its clients to wait with at
	// least 1.
	return cursor{wait: max(index, 1), seen: index}, false
}

// plain returns the cursor with the next query a plain read: after an error,
// after an answer that was not believed, and whenever the old index may belong
// to a history that is no more (it would block for the whole wait, blindly).
func (c cursor) plain() cursor {
	c.wait = 0
	return c
}
