package agent

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// tokenFollowed is a token whose file a test rewrites.
func tokenFollowed(t *testing.T, text string) (token *adminToken, file string, log *output) {
	t.Helper()
	file, log = filepath.Join(t.TempDir(), "token"), &output{}
	write(t, file, text)
	token, err := newAdminToken(file, hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: log}))
	if err != nil {
		t.Fatal(err)
	}
	return token, file, log
}

// tokenStep is one look at the file.
type tokenStep struct {
	content  string // of the file, or missing
	patience bool
	good     string // the token in force then
	err      string
}

// TestAdminTokenFollowsItsFile has one token in force at every moment: the last that
// was found, by a watcher twice.
func TestAdminTokenFollowsItsFile(t *testing.T) {
	const (
		patiently = true
		atOnce    = false
		missing   = "missing"
	)
	for _, c := range []struct {
		name   string
		steps  []tokenStep
		logged map[string]int
	}{
		{"watched", []tokenStep{
			{"first\n", patiently, "first", ""},
			{"first", patiently, "first", ""},
			{"second\n", patiently, "first", ""},
			{"second", patiently, "second", ""},
			{"third", patiently, "second", ""},
			{"first", patiently, "second", ""},
			{"second", patiently, "second", ""},
			{"second", patiently, "second", ""},
		}, map[string]int{"[INFO]  admin token replaced": 1, "[ERROR]": 0}},
		{"watched while it is written", []tokenStep{
			{"first", patiently, "first", ""},
			{"", patiently, "first", ""},
			{"sec", patiently, "first", ""},
			{"second", patiently, "first", ""},
			{"second", patiently, "second", ""},
		}, map[string]int{"[INFO]  admin token replaced": 1, "[ERROR]": 0}},
		{"watched, gone and empty", []tokenStep{
			{missing, patiently, "first", ""},
			{missing, patiently, "first", "token"},
			{missing, patiently, "first", ""},
			{" \n", patiently, "first", ""},
			{" \n", patiently, "first", "is empty"},
			{"\n", patiently, "first", ""},
			{"first", patiently, "first", ""},
			{"first", patiently, "first", ""},
			{"\n", patiently, "first", ""},
			{"\n", patiently, "first", "is empty"},
		}, map[string]int{"[ERROR]": 3, "can be read again": 1, "replaced": 0}},
		{"reloaded", []tokenStep{
			{"first", atOnce, "first", ""},
			{"second", atOnce, "second", ""},
			{"", atOnce, "second", "is empty"},
			{"", atOnce, "second", "is empty"},
			{"", patiently, "second", ""},
			{missing, atOnce, "second", "token"},
			{"third", atOnce, "third", ""},
		}, map[string]int{"[ERROR]": 2, "[INFO]  admin token replaced": 2, "can be read again": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, file, log := tokenFollowed(t, "first")
			replaced := 0
			token.replaced = func() { replaced++ }
			for n, s := range c.steps {
				if s.content == missing {
					if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
						t.Fatal(err)
					}
				} else {
					write(t, file, s.content)
				}
				err := token.look(s.patience)
				if (err != nil) != (s.err != "") || err != nil && !strings.Contains(err.Error(), s.err) {
					t.Errorf("step %d: %v", n, err)
				}
				for _, given := range []string{"first", "second", "sec", "third", "", "\n"} {
					if token.is(given) != (given == s.good) {
						t.Errorf("step %d: %q is the token: %t", n, given, given != s.good)
					}
				}
			}
			for text, times := range c.logged {
				if n := log.count(text); n != times {
					t.Errorf("%q is logged %d times:\n%s", text, n, log)
				}
			}
			if n := log.count("admin token replaced"); n != replaced {
				t.Errorf("%d are logged, %d are told", n, replaced)
			}
		})
	}
}

// Whoever asks while the token is replaced is judged by one of both.
func TestAdminTokenSideBySide(t *testing.T) {
	token, file, _ := tokenFollowed(t, "odd")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if token.is("") || token.is("none") {
					t.Error("a stranger is let in")
				}
			}
		})
	}
	for n := range 100 {
		text := [...]string{"even", "odd", ""}[n%3]
		write(t, file, text)
		if err := token.look(false); (err != nil) != (text == "") {
			t.Errorf("%q: %v", text, err)
		}
	}
	close(stop)
	wg.Wait()
	if !token.is("even") { // the last one that was read
		t.Error("the last one is not in force")
	}
}

// What can be read but once is not read again.
func TestAdminTokenFromAPipe(t *testing.T) {
	if (*adminToken)(nil).is("") || (*adminToken)(nil).look(false) != nil {
		t.Error("without a file there is a token")
	}
	token, file, _ := tokenFollowed(t, "first")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil { // stands for whatever is no file
		t.Fatal(err)
	}
	if err := token.look(false); err == nil || !strings.Contains(err.Error(), "not a regular file") || !token.is("first") {
		t.Errorf("%v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("piped\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	piped, err := newAdminToken(fmt.Sprintf("/dev/fd/%d", r.Fd()), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	if err := piped.look(false); err != nil || !piped.is("piped") {
		t.Errorf("%v", err)
	}
}

// A reload takes the token over at once; one that is none leaves that of before, and
// says so.
func TestReloadReadsTheAdminToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "correct horse\n")
	g := start(t, adminAt("127.0.0.1:0", fmt.Sprintf("token_file = %q", file)))
	opens := func(token string) bool {
		return g.api("GET", "/v1/health", "Authorization: Bearer "+token).status == http.StatusOK
	}
	write(t, file, "battery staple\n")
	if r, err := g.Reload(); err != nil || len(r.Notes) > 0 {
		t.Errorf("%+v %v", r, err)
	}
	if opens("correct horse") || !opens("battery staple") {
		t.Error("the token is not the new one")
	}
	write(t, file, "\n")
	if r, err := g.Reload(); err != nil || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "is empty: the previous one stays") {
		t.Errorf("%+v %v", r, err)
	}
	if opens("correct horse") || opens("") || !opens("battery staple") {
		t.Error("the token of before is not in force")
	}
	// A policy that is refused is no reason to keep a token that has leaked.
	write(t, file, "third\n")
	write(t, g.file, "broken {\n")
	if _, err := g.Reload(); err == nil {
		t.Error("it is not refused")
	}
	if opens("battery staple") || !opens("third") {
		t.Error("the token is not the third one")
	}
	for _, secret := range []string{"horse", "staple", "third"} {
		if strings.Contains(g.log.String(), secret) {
			t.Errorf("%q is logged", secret)
		}
	}
}

// Without a reload the file is followed, and whoever came with the token of before
// is seen out.
func TestAdminTokenWatched(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "correct horse\n")
	g := start(t, adminAt("127.0.0.1:0", fmt.Sprintf("token_file = %q", file)))
	const before = "Authorization: Bearer correct horse"
	cookie := g.signIn("correct horse")
	if a := g.api("GET", "/ui/", cookie); a.status != http.StatusOK {
		t.Errorf("who has signed in gets %d", a.status)
	}
	resp, log := g.monitorFrom(t.Context(), "", before)
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	write(t, file, "battery staple\n")
	eventually(t, "the new token is in force", func() bool {
		return g.api("GET", "/v1/health", "Authorization: Bearer battery staple").status == http.StatusOK
	})
	if a := g.api("GET", "/v1/health", before); a.status != http.StatusUnauthorized {
		t.Errorf("the old one gets %d", a.status)
	}
	eventually(t, "who has signed in is seen out", func() bool { return g.api("GET", "/ui/", cookie).status == http.StatusSeeOther })
	if rest, err := io.ReadAll(log); err != nil || strings.Contains(string(rest), "replaced") { // it ends
		t.Errorf("%q %v", rest, err)
	}
}

// signIn signs in at the dashboard, and returns the field that shows it.
func (g *gateway) signIn(token string) string {
	g.t.Helper()
	base := "http://" + g.admin.addr.String()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, base+"/ui/sign-in", strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", base)
	resp, err := fresh.RoundTrip(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	if len(resp.Cookies()) != 1 {
		g.t.Fatal(resp.Status)
	}
	return "Cookie: " + resp.Cookies()[0].Name + "=" + resp.Cookies()[0].Value
}
