// Package tracing records sampled exchanges by the OpenTelemetry SDK and sends them
// to a collector by OTLP over HTTP.
//
//	finish ─▶ Record ─▶ SDK: spans ─▶ queue ─▶ Run: batches ─▶ exporter ─▶ collector
//	                                    └─ full: dropped and counted
//
// An exchange that is not sampled never comes here, and one that is never waits:
// whether it is sampled, and under which ids, the proxy has decided at its beginning,
// and everything else is told of it once, when it is over.
package tracing
