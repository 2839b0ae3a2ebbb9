//go:build e2e

package grpc

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/lictor/lictor/e2e/harness"
)

// never is a port that nobody listens on.
const never = 1

func config(i *harness.Instance, secret string) string {
	return fmt.Sprintf(`
service "app" {
  instance {
    address = %q
    port    = %d
  }
}
service "gone" {
  instance {
    address = "127.0.0.1"
    port    = %d
  }
}
limit "fixed_window" "few" {
  limit  = 1
  window = "24h"
}
limit "fixed_window" "dear" {
  limit  = 10
  window = "24h"
}
jwt "main" {
  json_web_key_set {
    hmac {
      secret_file = %q
    }
  }
  algorithms = ["HS256"]
}
route "limited" {
  path_prefix = "/limited.Service"
  service     = "app"
  limits      = ["few"]
}
route "slow" {
  path_prefix = "/slow.Service"
  service     = "app"
  timeout     = "200ms"
}
route "gone" {
  path_prefix = "/gone.Service"
  service     = "gone"
}
route "unknown" {
  path_prefix = "/unknown.Service"
  service     = "nobody-has-it"
}
route "denied" {
  path_prefix = "/denied.Service"
  service     = "app"
  ip_access {
    deny = ["127.0.0.0/8"]
  }
}
route "verified" {
  path_prefix = "/verified.Service"
  service     = "app"
  jwt {
    provider = "main"
  }
}
`, i.Host, i.Port, never, secret)
}

// TestStatuses calls a method of each route with gRPC's own client.
func TestStatuses(t *testing.T) {
	app := harness.StartInstance(t, "app", "app-1")
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	app.Handle("/slow.Service/Call", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := harness.StartGateway(t, harness.Options{Config: config(app, secret)})
	conn, err := grpc.NewClient(g.Public, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	t.Cleanup(cancel)

	// The one call that the limit grants. The instance speaks no gRPC.
	_ = conn.Invoke(ctx, "/limited.Service/Call", &emptypb.Empty{}, &emptypb.Empty{})

	for _, c := range []struct {
		service  string
		code     codes.Code
		message  string
		pushback bool
	}{
		{"limited", codes.ResourceExhausted, "Request cannot be satisfied as assigned quota has been exceeded", true},
		{"slow", codes.DeadlineExceeded, "The instance did not answer in time", false},
		{"gone", codes.Unavailable, "The instance refused the connection", false},
		{"unknown", codes.Unavailable, "The service is not registered", true},
		{"denied", codes.PermissionDenied, "Requests from this address are not allowed", false},
		{"verified", codes.Unauthenticated, "A token is required", false},
		{"no", codes.Unimplemented, "No route matches the request", false},
	} {
		t.Run(c.service, func(t *testing.T) {
			var trailer metadata.MD
			err := conn.Invoke(ctx, "/"+c.service+".Service/Call", &emptypb.Empty{}, &emptypb.Empty{}, grpc.Trailer(&trailer))
			s, ok := status.FromError(err)
			if !ok || s.Code() != c.code || s.Message() != c.message {
				t.Errorf("the client understands %v", err)
			}
			if got := len(trailer.Get("grpc-retry-pushback-ms")) == 1; got != c.pushback {
				t.Errorf("when to call again: %v", trailer)
			}
			if len(trailer.Get("x-request-id")) != 1 {
				t.Errorf("no request id in %v", trailer)
			}
		})
	}
}

// TestClientHoldsBack: a client that repeats calls by itself waits for as long as
// the gateway says.
func TestClientHoldsBack(t *testing.T) {
	app := harness.StartInstance(t, "app", "app-1")
	g := harness.StartGateway(t, harness.Options{Config: fmt.Sprintf(`
service "app" {
  instance {
    address = %q
    port    = %d
  }
}
limit "token_bucket" "slow" {
  rate  = "1/2s"
  burst = 1
}
route "limited" {
  service = "app"
  limits  = ["slow"]
}
`, app.Host, app.Port)})
	conn, err := grpc.NewClient(g.Public, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(`{
		"methodConfig": [{"name": [{}], "retryPolicy": {
			"maxAttempts": 2, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
			"retryableStatusCodes": ["RESOURCE_EXHAUSTED"]
		}}]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	t.Cleanup(cancel)
	for range 2 {
		_ = conn.Invoke(ctx, "/any.Service/Call", &emptypb.Empty{}, &emptypb.Empty{})
	}
	if n := app.Served(); n != 2 {
		t.Errorf("%d calls came through, of two that were made", n)
	}
}
