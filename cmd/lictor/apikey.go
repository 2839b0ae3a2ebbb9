package main

import (
	"flag"
	"fmt"
	"time"

	"github.com/lictor/lictor/proxy/step/apikey"
)

// runAPIKey makes a key. The line for the file goes to standard output, so that it
// can be appended there; the key, which is nowhere else, to standard error.
func runAPIKey(e env, args []string) int {
	fs := flag.NewFlagSet("lictor api-key", flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	expires := fs.String("expires", "", "when the key ends: a `date` such as 2030-01-31, or a time of RFC 3339; default: never")
	if code, ok := parse(fs, args); !ok {
		return code
	}
	if fs.NArg() != 1 {
		fmt.Fprintln(e.stderr, "lictor api-key: give one name. The key is printed to standard error, once; the line for keys_file to standard output:")
		fmt.Fprintln(e.stderr, "  lictor api-key NAME >> api.keys")
		return exitUsage
	}
	var until time.Time
	if *expires != "" {
		var err error
		if until, err = apikey.ParseExpiry(*expires); err != nil {
			return fail(e, err)
		}
	}
	key, line, err := apikey.Generate(fs.Arg(0), until)
	if err != nil {
		return fail(e, err)
	}
	fmt.Fprintln(e.stdout, line)
	fmt.Fprintln(e.stderr, key)
	return exitOK
}
