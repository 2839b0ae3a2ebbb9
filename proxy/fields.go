package proxy

import "bytes"

// Bounds on one field section. An engine that is told of more answers 431.
const (
	MaxFields     = 128
	MaxFieldName  = 1<<16 - 1
	MaxFieldValue = 1<<31 - 1
)

const (
	fieldDropped  = 1 << iota // not to be forwarded
	fieldArena                // stored in the arena, not in the received head
	fieldVerbatim             // stored exactly as "name: value\r\n"
	fieldHop                  // dropped because it is hop-by-hop, and still readable
)

// field is one line, by offsets: 16 bytes and no pointers.
type field struct {
	name, value uint32
	valueLen    uint32
	nameLen     uint16
	id          ID
	flags       uint8
}

// Fields is the field section of one message (RFC 9110 section 5): received
// lines by their offsets into the engine's buffer, added ones in an arena.
// Deleting sets a flag, no bytes move. A Fields must not be copied. Everything
// it returns is void once the exchange is over.
//
// Hop-by-hop and framing fields are flagged as they are recorded: they can be
// read, and are not forwarded. Only an engine writes them.
type Fields struct {
	head   []byte
	arena  []byte
	joined []byte // what the last Lookup joined
	lines  []field
	first  [knownIDs]uint16 // 1 + index of the first readable line of a known field
	lines0 [40]field
	arena0 [1024]byte
}

// Reset empties the section and lends it the head that Received will point into.
func (f *Fields) Reset(head []byte) {
	if f.lines == nil {
		f.lines, f.arena = f.lines0[:0], f.arena0[:0]
	}
	f.head, f.lines, f.arena = head, f.lines[:0], f.arena[:0]
	clear(f.first[:])
}

// Received records a line that the engine found in the head. verbatim says that
// its bytes are exactly "name: value\r\n". It reports false when there are too
// many lines.
func (f *Fields) Received(name, nameLen, value, valueLen int, verbatim bool) (ID, bool) {
	if len(f.lines) >= MaxFields || nameLen > MaxFieldName {
		return Other, false
	}
	id := Classify(f.head[name : name+nameLen])
	l := field{name: uint32(name), nameLen: uint16(nameLen), value: uint32(value), valueLen: uint32(valueLen), id: id} //nolint:gosec // within the head
	if hopByHop[id] {
		l.flags = fieldDropped | fieldHop
	}
	if verbatim {
		l.flags |= fieldVerbatim
	}
	f.lines = append(f.lines, l)
	f.note(id)
	return id, true
}

// Foreign records a received line that another parser hands over as strings.
// It is copied. It reports false when there are too many lines.
func (f *Fields) Foreign(name, value string) (ID, bool) {
	if len(f.lines) >= MaxFields || len(name) > MaxFieldName {
		return Other, false
	}
	return f.AddName(name, value), true
}

// note makes the last line the first one of its kind, if there is none yet.
func (f *Fields) note(id ID) {
	if id != Other && f.first[id] == 0 {
		f.first[id] = uint16(len(f.lines)) //nolint:gosec // MaxFields, and what few the gateway adds
	}
}

// Len counts the lines, the dropped ones too.
func (f *Fields) Len() int { return len(f.lines) }

// Live reports whether line i is to be forwarded.
func (f *Fields) Live(i int) bool { return f.lines[i].flags&fieldDropped == 0 }

// readable reports whether line i is to be seen: it is live, or not forwarded
// only for being hop-by-hop.
func (f *Fields) readable(i int) bool {
	return f.lines[i].flags&(fieldDropped|fieldHop) != fieldDropped
}

// ID returns which known field line i is.
func (f *Fields) ID(i int) ID { return f.lines[i].id }

// Name returns the name of line i as it was received or added.
func (f *Fields) Name(i int) []byte {
	l := &f.lines[i]
	return f.store(l)[l.name : l.name+uint32(l.nameLen)]
}

// Value returns the value of line i, without surrounding white space.
func (f *Fields) Value(i int) []byte {
	l := &f.lines[i]
	return f.store(l)[l.value : l.value+l.valueLen]
}

func (f *Fields) store(l *field) []byte {
	if l.flags&fieldArena != 0 {
		return f.arena
	}
	return f.head
}

// Drop keeps line i from being forwarded, and from being read as well.
func (f *Fields) Drop(i int) {
	l := &f.lines[i]
	l.drop()
	if int(f.first[l.id]) == i+1 {
		f.first[l.id] = 0
		for j := i + 1; j < len(f.lines); j++ {
			if f.lines[j].id == l.id && f.readable(j) {
				f.first[l.id] = uint16(j + 1) //nolint:gosec // as in note
				break
			}
		}
	}
}

func (l *field) drop() { l.flags = l.flags&^fieldHop | fieldDropped }

// Get returns the value of the first line of a known field, nil when there is
// none. Hop-by-hop fields are found too, although they are not forwarded.
func (f *Fields) Get(id ID) []byte {
	if i := f.first[id]; i != 0 {
		return f.Value(int(i) - 1)
	}
	return nil
}

// Next returns the index of the next line of a known field at or after i, -1
// when there is none. Deleted lines are skipped, hop-by-hop ones are not.
func (f *Fields) Next(id ID, i int) int {
	if f.first[id] == 0 {
		return -1
	}
	for i = max(i, int(f.first[id])-1); i < len(f.lines); i++ {
		if f.lines[i].id == id && f.readable(i) {
			return i
		}
	}
	return -1
}

// Lookup returns a field's value by its name in any case, several lines joined
// by ", " (RFC 9110 section 5.3), those of Cookie by "; " (RFC 9113 section
// 8.2.3). Hop-by-hop fields are found too. What was joined is void with the next
// Lookup.
func (f *Fields) Lookup(name string) ([]byte, bool) { return f.LookupBy(name, ", ") }

// LookupBy is Lookup with another separator than ", ".
func (f *Fields) LookupBy(name, separator string) ([]byte, bool) {
	id, wanted := Classify(stringBytes(name)), stringBytes(name)
	if id != Other && f.first[id] == 0 {
		return nil, false
	}
	if id == Cookie {
		separator = "; "
	}
	var found []byte
	n := 0
	for i := range f.lines {
		if f.lines[i].id != id || !f.readable(i) || (id == Other && !bytes.EqualFold(f.Name(i), wanted)) {
			continue
		}
		switch n++; n {
		case 1:
			found = f.Value(i)
		case 2:
			f.joined = append(f.joined[:0], found...)
			fallthrough
		default:
			f.joined = append(append(f.joined, separator...), f.Value(i)...)
			found = f.joined
		}
	}
	return found, n > 0
}

// Del drops every line of a known field.
func (f *Fields) Del(id ID) {
	i := int(f.first[id])
	if i == 0 {
		return
	}
	for i--; i < len(f.lines); i++ {
		if f.lines[i].id == id {
			f.lines[i].drop()
		}
	}
	f.first[id] = 0
}

// DelName drops every line of that name, in any case.
func (f *Fields) DelName(name string) {
	if id := Classify(stringBytes(name)); id != Other {
		f.Del(id)
		return
	}
	for i := range f.lines {
		if f.lines[i].id == Other && bytes.EqualFold(f.Name(i), stringBytes(name)) {
			f.lines[i].drop()
		}
	}
}

// Open starts a new line of a known field. Append its value to the slice and
// hand that to Close before anything else is done with f. A hop-by-hop field can
// be read, and is not forwarded.
func (f *Fields) Open(id ID) []byte { return f.open(names[id], id) }

func (f *Fields) open(name string, id ID) []byte {
	at := len(f.arena)
	a := append(f.arena, name...)
	a = append(a, ": "...)
	flags := uint8(fieldArena | fieldVerbatim)
	if hopByHop[id] {
		flags |= fieldDropped | fieldHop
	}
	f.lines = append(f.lines, field{
		name: uint32(at), nameLen: uint16(len(name)), value: uint32(len(a)), //nolint:gosec // within the arena
		id: id, flags: flags,
	})
	return a
}

// Close ends the line that Open started.
func (f *Fields) Close(a []byte) {
	l := &f.lines[len(f.lines)-1]
	l.valueLen = uint32(len(a)) - l.value //nolint:gosec // within the arena
	f.arena = append(a, '\r', '\n')
	f.note(l.id)
}

// Add appends a line of a known field, from text of any kind.
func (f *Fields) Add(id ID, value []byte) { f.Close(append(f.Open(id), value...)) }

// AddString appends a line of a known field.
func (f *Fields) AddString(id ID, value string) { f.Close(append(f.Open(id), value...)) }

// AddName appends a line by name and returns which field it is. A known one
// keeps the spelling given; a hop-by-hop one can be read, and is not forwarded.
// CR, LF and NUL, which would end the line for somebody, become spaces (RFC 9110
// section 5.5), so that the value may come from anywhere.
func (f *Fields) AddName(name, value string) ID {
	id := Classify(stringBytes(name))
	a := f.open(name, id)
	at := len(a)
	a = append(a, value...)
	for i, c := range a[at:] {
		if c == '\r' || c == '\n' || c == 0 {
			a[at+i] = ' '
		}
	}
	f.Close(a)
	return id
}

// AppendLines appends the forwardable lines as HTTP/1.1 writes them (RFC 9112
// section 5). Neighbours that are stored verbatim are copied as one run.
func (f *Fields) AppendLines(out []byte) []byte {
	n := len(f.lines)
	for i := 0; i < n; i++ {
		l := &f.lines[i]
		if l.flags&fieldDropped != 0 {
			continue
		}
		src := f.store(l)
		if l.flags&fieldVerbatim == 0 {
			out = append(out, src[l.name:l.name+uint32(l.nameLen)]...)
			out = append(out, ':', ' ')
			out = append(out, src[l.value:l.value+l.valueLen]...)
			out = append(out, '\r', '\n')
			continue
		}
		start, end := l.name, l.value+l.valueLen+2
		for i+1 < n && f.lines[i+1].flags == l.flags && f.lines[i+1].name == end {
			i++
			end = f.lines[i].value + f.lines[i].valueLen + 2
		}
		out = append(out, src[start:end]...)
	}
	return out
}

// DropNominated drops every field that a Connection field names (RFC 9110
// section 7.6.1). An engine calls it after parsing and before any step runs, so
// that a client can't remove what the gateway adds.
//
// More names than a message may have fields serve nobody but who wants to keep
// the gateway busy. Then every unknown field is dropped, and the result is
// false: an engine may refuse the message.
func (f *Fields) DropNominated() bool {
	named := 0
	for c := f.Next(Connection, 0); c >= 0; c = f.Next(Connection, c+1) {
		rest := f.Value(c)
		for len(rest) > 0 {
			var token []byte
			token, rest = cutList(rest)
			if len(token) == 0 || bytes.EqualFold(token, closeToken) || bytes.EqualFold(token, keepAliveToken) {
				continue
			}
			if named++; named > MaxFields {
				f.dropUnknown()
				return false
			}
			switch id := Classify(token); {
			case id == Other:
				f.DelName(lendString(token))
			case !unnominable[id] && !hopByHop[id]:
				f.Del(id)
			}
		}
	}
	return true
}

func (f *Fields) dropUnknown() {
	for i := range f.lines {
		if f.lines[i].id == Other {
			f.lines[i].drop()
		}
	}
}

var (
	closeToken     = []byte("close")
	keepAliveToken = []byte("keep-alive")
)

// cutList splits off the first element of a comma-separated list and trims it.
func cutList(s []byte) (element, rest []byte) {
	element, rest, _ = bytes.Cut(s, []byte{','})
	return trimOWS(element), rest
}

// HasToken reports whether a comma-separated field holds the lower-case token,
// in any of its lines and in any case.
func (f *Fields) HasToken(id ID, token string) bool {
	for i := f.Next(id, 0); i >= 0; i = f.Next(id, i+1) {
		rest := f.Value(i)
		for len(rest) > 0 {
			var t []byte
			if t, rest = cutList(rest); EqualFold(t, token) {
				return true
			}
		}
	}
	return false
}

// trimOWS removes optional white space (RFC 9110 section 5.6.3) at both ends.
func trimOWS(s []byte) []byte {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
