package tracing

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// partialError is an export of which the collector has taken a part only.
type partialError struct {
	rejected int // spans; 0 for a warning alone
	message  string
}

func (e *partialError) Error() string {
	return fmt.Sprintf("the collector rejected %d spans: %q", e.rejected, e.message)
}

// partial reads an ExportTraceServiceResponse: its field 1 is the partial success,
// of which field 1 counts the rejected spans and field 2 is a message. An answer that
// can't be read is taken for a success, as the status said.
func partial(reply []byte) error {
	var e partialError
	eachField(reply, func(n protowire.Number, _ uint64, inner []byte) {
		if n != 1 {
			return
		}
		eachField(inner, func(n protowire.Number, v uint64, text []byte) {
			switch n {
			case 1:
				e.rejected = int(min(v, 1<<30))
			case 2:
				e.message = clip(string(text))
			}
		})
	})
	if e == (partialError{}) {
		return nil
	}
	return &e
}

// eachField calls f for the fields of a message that are numbers or bytes.
func eachField(b []byte, f func(n protowire.Number, v uint64, bytes []byte)) {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return
		}
		b = b[size:]
		switch kind {
		case protowire.VarintType:
			v, size := protowire.ConsumeVarint(b)
			if size < 0 {
				return
			}
			f(n, v, nil)
			b = b[size:]
		case protowire.BytesType:
			v, size := protowire.ConsumeBytes(b)
			if size < 0 {
				return
			}
			f(n, 0, v)
			b = b[size:]
		default:
			if size = protowire.ConsumeFieldValue(n, kind, b); size < 0 {
				return
			}
			b = b[size:]
		}
	}
}
