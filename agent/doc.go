// Package agent assembles one gateway from its configuration and runs it.
//
//	config.Load ─▶ build ─▶ generation ─commit─▶ proxy.Swap        (reload)
//	catalog sources ─Feed─▶ follow ─▶ upstream.Set.Apply           (catalog change)
//	listeners ─▶ engine ─Exchange─▶ proxy.Proxy                     (request)
//	admin API, metrics ─▶ read all of it
//
// New does everything that can fail, Run serves until its context ends and then
// drains. The files of the package each hold one of these concerns.
package agent
