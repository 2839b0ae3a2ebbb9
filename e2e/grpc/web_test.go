//go:build e2e

package grpc

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"

	"github.com/lictor/lictor/e2e/harness"
)

// web is a client of gRPC-Web, made by hand after gRPC's PROTOCOL-WEB.
type web struct {
	http *http.Client
	text bool
}

// message frames one.
func message(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(b))), b...)
}

// answer is what comes back: the messages, and the trailers that end them.
type answer struct {
	contentType string
	messages    [][]byte
	trailers    map[string]string
}

func (w *web) call(t *testing.T, address, method string, frames ...[]byte) answer {
	t.Helper()
	body := bytes.Join(frames, nil)
	kind := "application/grpc-web+proto"
	if w.text {
		kind = "application/grpc-web-text+proto"
		var coded []byte
		for _, f := range frames { // each with padding of its own
			coded = base64.StdEncoding.AppendEncode(coded, f)
		}
		body = coded
	}
	r, err := http.NewRequestWithContext(within(t, harness.Patience), http.MethodPost, "http://"+address+"/grpc.testing.TestService/"+method, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Grpc-Web", "1")
	resp, err := w.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v, %q, %v", resp.Status, resp.Header, b, err)
	}
	if w.text {
		b = plain(t, b)
	}
	return parse(t, resp.Header.Get("Content-Type"), b)
}

// plain decodes pieces of base64, each with padding of its own.
func plain(t *testing.T, coded []byte) []byte {
	t.Helper()
	var b []byte
	for ; len(coded) > 0; coded = coded[4:] {
		var err error
		if b, err = base64.StdEncoding.AppendDecode(b, coded[:4]); err != nil {
			t.Fatalf("%q: %v", coded, err)
		}
	}
	return b
}

// parse takes the frames apart. The one with the trailers is the last.
func parse(t *testing.T, contentType string, b []byte) answer {
	t.Helper()
	a := answer{contentType: contentType}
	for len(b) > 0 {
		if len(b) < 5 || a.trailers != nil {
			t.Fatalf("what is %q?", b)
		}
		kind, n := b[0], binary.BigEndian.Uint32(b[1:])
		if uint64(len(b)) < uint64(n)+5 {
			t.Fatalf("a frame of %d bytes has %d", n, len(b)-5)
		}
		frame := b[5 : 5+n]
		b = b[5+n:]
		if kind&0x80 == 0 {
			a.messages = append(a.messages, frame)
			continue
		}
		a.trailers = map[string]string{}
		for line := range strings.SplitSeq(strings.TrimSuffix(string(frame), "\r\n"), "\r\n") {
			name, value, ok := strings.Cut(line, ":")
			if !ok || name != strings.ToLower(name) {
				t.Errorf("a trailer says %q", line)
			}
			a.trailers[name] = strings.TrimSpace(value)
		}
	}
	return a
}

// TestWeb calls a server of gRPC by gRPC-Web, over both versions of HTTP, as bytes
// and as text.
func TestWeb(t *testing.T) {
	_, _, port := serve(t, grpc.MaxRecvMsgSize(4<<20))
	_, g := through(t, "grpc_web {}", port)
	for _, version := range []int{1, 2} {
		for _, text := range []bool{false, true} {
			t.Run(fmt.Sprintf("HTTP%d/text=%v", version, text), func(t *testing.T) {
				p := new(http.Protocols)
				p.SetHTTP1(version == 1)
				p.SetUnencryptedHTTP2(version == 2)
				tr := &http.Transport{Protocols: p}
				t.Cleanup(tr.CloseIdleConnections)
				w := &web{&http.Client{Transport: tr}, text}
				testWeb(t, w, g.Public)
			})
		}
	}
}

func testWeb(t *testing.T, w *web, address string) {
	t.Helper()
	kind := "application/grpc-web+proto"
	if w.text {
		kind = "application/grpc-web-text+proto"
	}
	for _, size := range []int{0, 1, 2, 3, 100_000} {
		a := w.call(t, address, "UnaryCall", message(t, &pb.SimpleRequest{Payload: &pb.Payload{Body: make([]byte, size)}}))
		var out pb.SimpleResponse
		if len(a.messages) != 1 || proto.Unmarshal(a.messages[0], &out) != nil || len(out.GetPayload().GetBody()) != size {
			t.Errorf("%d bytes: %d messages", size, len(a.messages))
		}
		if a.trailers["grpc-status"] != "0" || a.contentType != kind {
			t.Errorf("%s, %v", a.contentType, a.trailers)
		}
	}
	var frames [][]byte
	for n := range 5 {
		frames = append(frames, message(t, &pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: make([]byte, n)}}))
	}
	a := w.call(t, address, "FullDuplexCall", frames...)
	if len(a.messages) != 5 || a.trailers["grpc-status"] != "0" {
		t.Errorf("%d messages, %v", len(a.messages), a.trailers)
	}
	if a = w.call(t, address, "NoSuchCall", message(t, &pb.Empty{})); a.trailers["grpc-status"] != "12" || len(a.messages) != 0 {
		t.Errorf("a method that the server lacks: %v", a.trailers)
	}
}

// TestWebPages: a browser asks before a page of another origin calls, and lets it see
// what the policy says.
func TestWebPages(t *testing.T) {
	_, _, port := serve(t)
	_, g := through(t, `grpc_web {}
  cors {
    allow_origins = ["https://shop.example.com"]
    allow_methods = ["POST"]
    allow_headers = ["content-type", "x-grpc-web", "x-user-agent", "grpc-timeout"]
  }`, port)
	ask := func(method string, fields ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(within(t, harness.Patience), method, "http://"+g.Public+"/grpc.testing.TestService/UnaryCall",
			bytes.NewReader(message(t, &pb.SimpleRequest{})))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://shop.example.com")
		for i := 0; i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	before := ask(http.MethodOptions, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-grpc-web")
	if before.Header.Get("Access-Control-Allow-Origin") != "https://shop.example.com" ||
		!strings.Contains(before.Header.Get("Access-Control-Allow-Headers"), "x-grpc-web") {
		t.Errorf("the browser is told %s %v", before.Status, before.Header)
	}
	call := ask(http.MethodPost, "Content-Type", "application/grpc-web+proto", "X-Grpc-Web", "1")
	if call.Header.Get("Access-Control-Allow-Origin") != "https://shop.example.com" || call.Header.Get("Content-Type") != "application/grpc-web+proto" {
		t.Errorf("the call: %s %v", call.Status, call.Header)
	}
}

// TestWebRefused: what the gateway answers itself has the same form.
func TestWebRefused(t *testing.T) {
	_, g := through(t, "grpc_web {}", never)
	for _, text := range []bool{false, true} {
		a := (&web{http.DefaultClient, text}).call(t, g.Public, "UnaryCall", message(t, &pb.SimpleRequest{}))
		if a.trailers["grpc-status"] != "14" || a.trailers["grpc-message"] != "The instance refused the connection" {
			t.Errorf("%v", a.trailers)
		}
	}
}
