package ui

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// site is a handler with a clock of its own.
type site struct {
	*Handler
	sampler *Sampler
	fake    *fakeGateway
	now     time.Time
}

func newSite(token string) *site {
	s := &site{fake: newFake(), now: at(0)}
	s.sampler = NewSampler(s.fake)
	o := Options{
		Port: 9980, Now: func() time.Time { return s.now }, Fail: func(w http.ResponseWriter, status int, name, _ string) { http.Error(w, name, status) },
		Explain: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
	}
	if token != "" {
		o.Token = func(given string) bool { return given == token }
	}
	s.Handler = NewHandler(s.sampler, o)
	return s
}

// ask sends one request with fields, "Name: value" each; a body makes it a form.
func (s *site) ask(t *testing.T, method, path, body string, fields ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

const origin = "Origin: http://example.com"

func (s *site) signedIn(t *testing.T, token string) (cookie string) {
	t.Helper()
	a := s.ask(t, "POST", "/ui/sign-in", url.Values{"token": {token}}.Encode(), origin)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/ui/" || len(a.Cookies()) != 1 {
		t.Fatalf("%d %v", a.StatusCode, a.Header)
	}
	return "Cookie: " + a.Cookies()[0].Name + "=" + a.Cookies()[0].Value
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	s := newSite("correct horse")
	for _, path := range []string{"/ui/", "/ui/events"} {
		if a := s.ask(t, "GET", path, ""); a.StatusCode == http.StatusOK {
			t.Errorf("%s is shown to anybody", path)
		}
	}
	for _, form := range []string{"token=wrong", "token=", "x=y", "token=%zz", "token=" + strings.Repeat("x", 20<<10)} {
		a := s.ask(t, "POST", "/ui/sign-in", form, origin)
		if a.StatusCode != http.StatusForbidden || len(a.Cookies()) != 0 {
			t.Errorf("%.20s: %d %v", form, a.StatusCode, a.Cookies())
		}
	}
	if a := s.ask(t, "POST", "/ui/sign-in", "token=correct+horse"); a.StatusCode != http.StatusForbidden || len(a.Cookies()) != 0 {
		t.Errorf("without an origin: %d", a.StatusCode)
	}
	if a := s.ask(t, "GET", "/ui/sign-in?token=correct+horse", ""); len(a.Cookies()) != 0 {
		t.Error("a URL signs in")
	}

	a := s.ask(t, "POST", "/ui/sign-in", "token=correct+horse", origin)
	c := a.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/ui/" || len(c.Value) < 26 || strings.Contains(c.Value, "horse") || c.Name != "lictor_session_9980" {
		t.Errorf("%+v", c)
	}
	cookie := "Cookie: " + c.Name + "=" + c.Value
	if a := s.ask(t, "GET", "/ui/", "", cookie); a.StatusCode != http.StatusOK {
		t.Errorf("signed in: %d", a.StatusCode)
	}
	if a := s.ask(t, "GET", "/ui/", "", "Authorization: Bearer correct horse"); a.StatusCode != http.StatusOK {
		t.Errorf("by the token itself: %d", a.StatusCode)
	}
	if a := s.ask(t, "POST", "/ui/sign-out", "", cookie, origin); a.StatusCode != http.StatusSeeOther || a.Cookies()[0].MaxAge >= 0 {
		t.Errorf("%d %v", a.StatusCode, a.Cookies())
	}
	if a := s.ask(t, "GET", "/ui/", "", cookie); a.StatusCode != http.StatusSeeOther {
		t.Errorf("signed out, and yet: %d", a.StatusCode)
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	s := newSite("x")
	cookie := s.signedIn(t, "x")
	s.now = s.now.Add(sessionTime - time.Second)
	if a := s.ask(t, "GET", "/ui/", "", cookie); a.StatusCode != http.StatusOK {
		t.Errorf("too soon: %d", a.StatusCode)
	}
	s.now = s.now.Add(time.Second)
	if a := s.ask(t, "GET", "/ui/", "", cookie); a.StatusCode != http.StatusSeeOther {
		t.Errorf("never: %d", a.StatusCode)
	}
	first := s.signedIn(t, "x")
	s.now = s.now.Add(time.Second)
	for range mostSessions {
		s.signedIn(t, "x")
	}
	if a := s.ask(t, "GET", "/ui/", "", first); a.StatusCode != http.StatusSeeOther || len(s.sessions.end) != mostSessions {
		t.Errorf("%d sessions, the oldest gets %d", len(s.sessions.end), a.StatusCode)
	}
}

// Another token ends what was begun with the one before, even what begins at that
// moment.
func TestAnotherTokenEndsSessions(t *testing.T) {
	t.Parallel()
	s := newSite("x")
	one, two := s.signedIn(t, "x"), s.signedIn(t, "x")
	s.SignOutAll()
	for _, cookie := range []string{one, two} {
		if a := s.ask(t, "GET", "/ui/", "", cookie); a.StatusCode != http.StatusSeeOther {
			t.Errorf("an old session gets %d", a.StatusCode)
		}
	}
	if a := s.ask(t, "GET", "/ui/", "", s.signedIn(t, "x")); a.StatusCode != http.StatusOK {
		t.Errorf("a new session gets %d", a.StatusCode)
	}
	s.SignOutAll()
	asked := 0
	s.token = func(given string) bool { asked++; return given == "x" && asked == 1 } // replaced after the first look
	if a := s.ask(t, "POST", "/ui/sign-in", "token=x", origin); a.StatusCode != http.StatusForbidden || len(a.Cookies()) != 0 || len(s.sessions.end) != 0 {
		t.Errorf("%d %v, %d sessions", a.StatusCode, a.Cookies(), len(s.sessions.end))
	}
}

// The form is for who has signed in, and for our own pages.
func TestWhoMayExplain(t *testing.T) {
	t.Parallel()
	s := newSite("x")
	cookie := s.signedIn(t, "x")
	for _, test := range []struct {
		fields []string
		want   int
	}{
		{[]string{cookie, origin}, http.StatusTeapot},
		{[]string{cookie}, http.StatusForbidden},
		{[]string{origin}, http.StatusUnauthorized},
		{[]string{"Cookie: lictor_session_9980=wrong", origin}, http.StatusUnauthorized},
		{[]string{"Cookie: lictor_session_9980=", origin}, http.StatusUnauthorized},
		{[]string{strings.Replace(cookie, "9980", "9981", 1), origin}, http.StatusUnauthorized},
		{[]string{"Authorization: Bearer x", origin}, http.StatusTeapot},
		{[]string{"Authorization: Bearer y", origin}, http.StatusUnauthorized},
	} {
		if got := s.ask(t, "POST", "/ui/explain", "", test.fields...).StatusCode; got != test.want {
			t.Errorf("%q: %d, want %d", test.fields, got, test.want)
		}
	}
}

func TestWithoutAToken(t *testing.T) {
	t.Parallel()
	s := newSite("")
	a := s.ask(t, "GET", "/ui/", "")
	b, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != http.StatusOK || strings.Contains(string(b), "Sign out") {
		t.Errorf("%d %v", a.StatusCode, err)
	}
	for _, method := range []string{"GET", "POST"} {
		if a := s.ask(t, method, "/ui/sign-in", "", origin); a.StatusCode != http.StatusSeeOther || len(a.Cookies()) != 0 {
			t.Errorf("%s: %d", method, a.StatusCode)
		}
	}
}

var (
	inline  = regexp.MustCompile(`(?i)<script>|<script [^>]*[^"]>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:`)
	outside = regexp.MustCompile(`(?i)(https?:)?//[a-z0-9.-]+\.[a-z]+`)
	asHTML  = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc`)
)

// The pages do what their policy allows: nothing inline, nothing from elsewhere,
// and no text made HTML. They are small.
func TestPagesAndFiles(t *testing.T) {
	t.Parallel()
	s := newSite("x")
	cookie := s.signedIn(t, "x")
	raw, wire := 0, 0
	pages := map[string]string{}
	for path, field := range map[string]string{"/ui/": cookie, "/ui/sign-in": "X: y"} {
		a := s.ask(t, "GET", path, "", field)
		b, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode != http.StatusOK {
			t.Fatal(a.StatusCode, err)
		}
		policy := a.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: %q", path, policy)
		}
		pages[path] = string(b)
		raw, wire = raw+len(b), wire+len(b)
	}
	for name, a := range assets() {
		if a.contentType == "" {
			if !strings.HasSuffix(name, ".html") {
				t.Errorf("%s has no type", name)
			}
			if got := s.ask(t, "GET", "/ui/static/"+name, "").StatusCode; got != http.StatusNotFound {
				t.Errorf("%s: %d", name, got)
			}
			continue
		}
		pages[name] = string(a.content)
		raw, wire = raw+len(a.content), wire+len(a.small)
		got := s.ask(t, "GET", "/ui/static/"+name, "")
		if got.StatusCode != http.StatusOK || got.Header.Get("ETag") == "" || got.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", name, got.StatusCode, got.Header)
		}
		if again := s.ask(t, "GET", "/ui/static/"+name, "", "If-None-Match: "+got.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %d", name, again.StatusCode)
		}
		if small := s.ask(t, "GET", "/ui/static/"+name, "", "Accept-Encoding: gzip, br"); small.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %v", name, small.Header)
		}
	}
	for name, text := range pages {
		if strings.HasSuffix(name, "/") || strings.HasSuffix(name, "sign-in") {
			if bad := inline.FindString(text); bad != "" {
				t.Errorf("%s: %q is inline", name, bad)
			}
		}
		for _, bad := range outside.FindAllString(text, -1) {
			if !strings.Contains(bad, "www.w3.org") && !strings.Contains(bad, "api.example.com") { // a namespace, a placeholder
				t.Errorf("%s names %s", name, bad)
			}
		}
		if bad := asHTML.FindString(text); bad != "" {
			t.Errorf("%s: %s", name, bad)
		}
	}
	if raw > 72<<10 || wire > 30<<10 {
		t.Errorf("%d bytes, %d on the wire", raw, wire)
	}
	t.Logf("%d bytes, %d on the wire", raw, wire)
	for _, path := range []string{"/ui/static/", "/ui/static/x.js", "/ui/static/../handler.go", "/ui/x"} {
		if got := s.ask(t, "GET", path, "", cookie).StatusCode; got == http.StatusOK {
			t.Errorf("%s: %d", path, got)
		}
	}
}
