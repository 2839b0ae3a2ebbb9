// Generate writes an access log of made-up requests, the same for the same flags: a
// day's rhythm, many clients of which a few ask far too often, and now and then a
// path that nobody serves. It measures what lictor simulate can do:
//
//	go run ./agent/simulate/generate -lines 10000000 > big.jsonl
//	time bin/lictor simulate -policy policies -log big.jsonl
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"time"
)

func main() {
	lines := flag.Int("lines", 100_000, "how many `lines` to write")
	rate := flag.Float64("rate", 500, "requests a second, on average")
	clients := flag.Int("clients", 20_000, "how many `clients` there are")
	format := flag.String("format", "json", "json or combined")
	flag.Parse()
	if err := write(os.Stdout, *lines, *rate, *clients, *format == "combined"); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

var paths = [...]string{"/orders/17", "/orders", "/", "/search", "/static/app.js", "/login", "/wp-login.php"}

func write(to io.Writer, lines int, rate float64, clients int, combined bool) error {
	w := bufio.NewWriterSize(to, 1<<20)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // made up
	at := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
	for i := range lines {
		wave := 1 + 0.7*math.Sin(2*math.Pi*float64(i)/float64(max(lines, 1))*3)
		at = at.Add(time.Duration(random.ExpFloat64() / (rate * wave) * float64(time.Second)))
		client := int(float64(clients) * math.Pow(random.Float64(), 4)) // the first ones ask most
		ip := fmt.Sprintf("10.%d.%d.%d", client>>16&255, client>>8&255, client&255)
		if client%3 == 0 {
			ip = fmt.Sprintf("2001:db8:%x:%x::1", client>>16, client&0xffff)
		}
		path := paths[int(float64(len(paths))*math.Pow(random.Float64(), 2))]
		took := random.ExpFloat64() * 40
		if combined {
			fmt.Fprintf(w, "%s - - [%s] \"GET %s HTTP/1.1\" 200 512 \"-\" \"agent/%d\"\n", ip, at.Format("02/Jan/2006:15:04:05 -0700"), path, client%9)
			continue
		}
		fmt.Fprintf(w, `{"time":"%s","request_id":"%032x","client":"%s","method":"GET","host":"shop.example.com","path":"%s","query":"","status":200,"bytes_in":0,"bytes_out":512,"duration_ms":%.3f,"upstream_ms":%.3f,"route":"shop","service":"shop","instance":"shop-1","retries":0,"limit":"","limit_key_class":"","user_agent":"agent/%d","referer":"","tls":true,"protocol":"HTTP/1.1","error":""}`+"\n",
			at.Format("2006-01-02T15:04:05.000Z"), random.Uint64(), ip, path, took, took, client%9)
	}
	return w.Flush()
}
