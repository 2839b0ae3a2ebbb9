//go:build e2e

package grpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/lictor/lictor/e2e/harness"
)

// echo is a server of gRPC's test service that sends back what it gets.
type echo struct {
	pb.UnimplementedTestServiceServer
	ended chan error // what the contexts of calls that were held end with
}

func (e *echo) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if len(md.Get("hold")) > 0 {
		<-ctx.Done()
		e.ended <- context.Cause(ctx)
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	back := metadata.MD{"data-bin": md.Get("data-bin"), "grpc-accept": md.Get("grpc-accept-encoding")}
	if d, ok := ctx.Deadline(); ok {
		back.Set("left", time.Until(d).String())
	}
	_ = grpc.SetHeader(ctx, back)
	_ = grpc.SetTrailer(ctx, metadata.MD{"trail-bin": md.Get("data-bin")})
	return &pb.SimpleResponse{Payload: in.GetPayload()}, nil
}

func (e *echo) FullDuplexCall(s pb.TestService_FullDuplexCallServer) error {
	for {
		in, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			e.ended <- err
			return err
		}
		if err := s.Send(&pb.StreamingOutputCallResponse{Payload: in.GetPayload()}); err != nil {
			return err
		}
	}
}

// serve runs an echo until the test ends.
func serve(t *testing.T, o ...grpc.ServerOption) (*echo, *grpc.Server, int) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{ended: make(chan error, 16)}
	s := grpc.NewServer(o...)
	pb.RegisterTestServiceServer(s, e)
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(ln) })
	t.Cleanup(func() {
		s.Stop()
		served.Wait()
	})
	return e, s, ln.Addr().(*net.TCPAddr).Port
}

// through starts a gateway in front of the ports, and returns a client of it.
func through(t *testing.T, route string, ports ...int) (pb.TestServiceClient, *harness.Gateway) {
	t.Helper()
	var instances strings.Builder
	for _, p := range ports {
		fmt.Fprintf(&instances, "instance {\n address = \"127.0.0.1\"\n port = %d\n }\n", p)
	}
	g := harness.StartGateway(t, harness.Options{Config: fmt.Sprintf(
		"service \"test\" {\n %s }\nroute \"test\" {\n service = \"test\"\n protocol = \"grpc\"\n %s\n}\n", instances.String(), route)})
	conn, err := grpc.NewClient(g.Public, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return pb.NewTestServiceClient(conn), g
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestUnary: messages of any size, compressed or not, metadata of any bytes and the
// client's deadline come through, and trailers come back.
func TestUnary(t *testing.T) {
	const most = 64 << 20
	_, _, port := serve(t, grpc.MaxRecvMsgSize(most))
	c, _ := through(t, "", port)
	data := string([]byte{0, 1, 0xff, '\r', '\n', 0x80})
	for _, size := range []int{0, 1, 16 << 10, 1 << 20, 20 << 20} {
		for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
			ctx := metadata.AppendToOutgoingContext(within(t, harness.Patience), "data-bin", data)
			var head, trailer metadata.MD
			body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			options = append(options, grpc.Header(&head), grpc.Trailer(&trailer), grpc.MaxCallRecvMsgSize(most))
			out, err := c.UnaryCall(ctx, &pb.SimpleRequest{Payload: &pb.Payload{Body: body}}, options...)
			if err != nil || !bytes.Equal(out.GetPayload().GetBody(), body) {
				t.Fatalf("%d bytes: %d came back, %v", size, len(out.GetPayload().GetBody()), err)
			}
			if got := head.Get("data-bin"); len(got) != 1 || got[0] != data {
				t.Errorf("metadata came back as %q", got)
			}
			if got := trailer.Get("trail-bin"); len(got) != 1 || got[0] != data {
				t.Errorf("the trailer came back as %q", got)
			}
			if left, err := time.ParseDuration(strings.Join(head.Get("left"), "")); err != nil || left <= 0 || left > harness.Patience {
				t.Errorf("the server had %v left, %v", left, err)
			}
		}
	}
}

// TestEnds: a call ends at the server when the client gives up, when its deadline has
// passed and when the route's timeout has.
func TestEnds(t *testing.T) {
	e, _, port := serve(t)
	hold := func(ctx context.Context) context.Context { return metadata.AppendToOutgoingContext(ctx, "hold", "1") }
	ended := func(why string) {
		t.Helper()
		select {
		case <-e.ended:
		case <-time.After(harness.Patience):
			t.Errorf("%s: the call goes on at the server", why)
		}
	}
	patient, _ := through(t, "", port)
	if _, err := patient.UnaryCall(hold(within(t, 100*time.Millisecond)), &pb.SimpleRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("the client's deadline: %v", err)
	}
	ended("the client's deadline")
	ctx, cancel := context.WithCancel(within(t, harness.Patience))
	stream, err := patient.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pb.StreamingOutputCallRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("the client gives up: %v", err)
	}
	ended("the client gives up")
	hasty, _ := through(t, `timeout = "200ms"`, port)
	_, err = hasty.UnaryCall(hold(within(t, harness.Patience)), &pb.SimpleRequest{})
	if s, _ := status.FromError(err); s.Code() != codes.DeadlineExceeded || s.Message() != "The instance did not answer in time" {
		t.Errorf("the route's timeout: %v", err)
	}
	ended("the route's timeout")
}

// TestStops: servers that are stopped gracefully one after the other, and such that
// give up their connections all the time, fail no call.
func TestStops(t *testing.T) {
	var ports []int
	var servers []*grpc.Server
	for range 3 {
		_, s, port := serve(t, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 50 * time.Millisecond}))
		ports, servers = append(ports, port), append(servers, s)
	}
	c, _ := through(t, "", ports...)
	var calls, failed atomic.Int64
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.UnaryCall(within(t, harness.Patience), &pb.SimpleRequest{Payload: &pb.Payload{Body: make([]byte, 1000)}}); err != nil {
					if failed.Add(1) == 1 {
						t.Errorf("a call failed: %v", err)
					}
				}
				calls.Add(1)
			}
		})
	}
	more := func() {
		want := calls.Load() + 1000
		harness.Within(t, harness.Patience, "calls go on", func() error {
			if n := calls.Load(); n < want {
				return fmt.Errorf("%d of %d", n, want)
			}
			return nil
		})
	}
	more()
	for _, s := range servers[:2] {
		s.GracefulStop()
		more()
	}
	close(stop)
	callers.Wait()
	t.Logf("%d calls, %d failed", calls.Load(), failed.Load())
}
