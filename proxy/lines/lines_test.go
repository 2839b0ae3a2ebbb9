package lines

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "list")
	if err := os.WriteFile(name, []byte("\xef\xbb\xbfa\r\n\n  # not this\n\tb # c \nlast"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Read(name, 100)
	if want := []Line{{1, "a"}, {4, "b # c"}, {5, "last"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for file, want := range map[string]string{
		name:                         "more than 8 bytes",
		dir:                          "not a file",
		filepath.Join(dir, "absent"): "no such file",
	} {
		if _, err := Read(file, 8); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}
