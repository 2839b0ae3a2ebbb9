package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

func main() {
	folder := flag.String("dir", "", "the `folder` to write the pictures to; without one, only the table is printed")
	flag.Parse()
	if err := run(os.Stdout, *folder); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// run prints what came of the requests, and writes the pictures to the folder
// unless it is "".
func run(out io.Writer, folder string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "passed\trefused\tlongest wait\tmost in 10 s\tpromised\t  limit")
	for _, s := range subjects() {
		story, err := play(s)
		if err != nil {
			return fmt.Errorf("playing %s: %w", s.file, err)
		}
		fmt.Fprintf(table, "%d\t%d\t%s\t%d\t%d\t  %s\n", story.passed(), story.refused(), story.longestWait(), story.most(), s.promise, s.heading())
		if folder == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, s.file+".svg"), draw(story), 0o600); err != nil {
			return fmt.Errorf("writing a picture: %w", err)
		}
	}
	return table.Flush()
}
