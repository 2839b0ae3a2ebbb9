package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Instances and load of gRPC are this program's own: frame by frame, on one goroutine
// a connection, so that they take little of the CPU that they share. What they say is
// gRPC all the same: messages behind their lengths, a status in the trailers. Either
// ends its connection when the other says something else.
const (
	// grpcMethod is what is called.
	grpcMethod = "/orders/Get"
	// asked is the size of a request's message, in bytes.
	asked = 128
	// mostGRPC bounds a reply's, so that it goes into one frame of DATA.
	mostGRPC = 16<<10 - messagePrefix
	// messagePrefix says whether a message is compressed, and its length.
	messagePrefix = 5
)

// message returns one of that size behind its prefix.
func message(size int) []byte {
	b := append(make([]byte, 1, messagePrefix+size), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(b[1:], uint32(size))
	return append(b, bytes.Repeat([]byte{'x'}, size)...)
}

// framed is a connection of HTTP/2, as one goroutine uses it. What is written leaves
// before it waits for more to read.
type framed struct {
	*http2.Framer
	r *bufio.Reader
	w *bufio.Writer

	block bytes.Buffer
	enc   *hpack.Encoder

	window    int64  // what may yet be sent on the connection, in bytes
	taken     uint32 // what has been received since the last WINDOW_UPDATE
	streams   uint32 // how many requests may be open at once
	perStream uint32 // what may be sent of each body
}

func newFramed(c net.Conn) *framed {
	f := &framed{
		r: bufio.NewReaderSize(c, 64<<10), w: bufio.NewWriterSize(c, 64<<10),
		window: 65535, streams: 1 << 31, perStream: 65535, // RFC 9113 section 6.5.2
	}
	f.Framer = http2.NewFramer(f.w, f.r)
	f.SetReuseFrames()
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.enc = hpack.NewEncoder(&f.block)
	return f
}

// read reads a frame, and returns it if it is about a call, which told says. To what is
// about the connection it sees itself.
func (f *framed) read() (frame http2.Frame, told bool, err error) {
	if f.r.Buffered() == 0 {
		if err := f.w.Flush(); err != nil {
			return nil, false, fmt.Errorf("writing: %w", err)
		}
	}
	if frame, err = f.ReadFrame(); err != nil {
		return nil, false, err
	}
	switch t := frame.(type) {
	case *http2.DataFrame:
		return frame, true, f.refund(uint32(len(t.Data())))
	case *http2.MetaHeadersFrame:
		return frame, true, nil
	case *http2.SettingsFrame:
		return nil, false, f.obey(t)
	case *http2.PingFrame:
		if !t.IsAck() {
			return nil, false, f.WritePing(true, t.Data)
		}
	case *http2.WindowUpdateFrame:
		if t.StreamID == 0 {
			f.window += int64(t.Increment)
		}
	case *http2.RSTStreamFrame:
		return nil, false, fmt.Errorf("stream %d was reset: %v", t.StreamID, t.ErrCode)
	case *http2.GoAwayFrame:
		if t.ErrCode != http2.ErrCodeNo {
			return nil, false, fmt.Errorf("GOAWAY: %v", t.ErrCode)
		}
	}
	return nil, false, nil
}

// refund lets the other side send as much as it has, from time to time. Streams have
// windows that are large enough for all of a body.
func (f *framed) refund(n uint32) error {
	if f.taken += n; f.taken < 32<<10 {
		return nil
	}
	n, f.taken = f.taken, 0
	return f.WriteWindowUpdate(0, n)
}

func (f *framed) obey(s *http2.SettingsFrame) error {
	if s.IsAck() {
		return nil
	}
	if n, ok := s.Value(http2.SettingHeaderTableSize); ok {
		f.enc.SetMaxDynamicTableSize(min(n, 4096))
	}
	if n, ok := s.Value(http2.SettingMaxConcurrentStreams); ok {
		f.streams = n
	}
	if n, ok := s.Value(http2.SettingInitialWindowSize); ok {
		f.perStream = n
	}
	return f.WriteSettingsAck()
}

// headers writes a head, or trailers, of name and value by turns.
func (f *framed) headers(stream uint32, end bool, pairs ...string) error {
	f.block.Reset()
	for pair := range slices.Chunk(pairs, 2) {
		if err := f.enc.WriteField(hpack.HeaderField{Name: pair[0], Value: pair[1]}); err != nil {
			return fmt.Errorf("encoding a head: %w", err)
		}
	}
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.block.Bytes(), EndHeaders: true, EndStream: end})
}

// body writes a message and takes it off the windows. It reports false when those
// have no room for it.
func (f *framed) body(stream uint32, end bool, message []byte) (bool, error) {
	if int64(len(message)) > int64(f.perStream) {
		return false, errSmallWindow
	}
	if int64(len(message)) > f.window {
		return false, nil
	}
	f.window -= int64(len(message))
	return true, f.WriteData(stream, end, message)
}

var errSmallWindow = errors.New("the other side's windows have no room for a message")

// field returns a field of a head or of trailers, a pseudo-field by its colon too.
func field(h *http2.MetaHeadersFrame, name string) string {
	for _, f := range h.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
