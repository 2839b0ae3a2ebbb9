// This module looks at the dashboard with a real browser. It is separate so that
// what drives the browser does not enter the gateway's own dependencies.
module github.com/lictor/lictor/e2e/ui

go 1.26.0

replace github.com/lictor/lictor => ../..

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/lictor/lictor v0.0.0-00010101000000-000000000000
)

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	go.opentelemetry.io/proto/otlp v1.11.0 // indirect
	golang.org/x/net v0.60.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
