package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed static
var files embed.FS

// Prefix is where the dashboard is.
const Prefix = "/ui/"

// Options say how the dashboard is served.
type Options struct {
	// Token reports whether a text is the admin API's token now; nil when that asks
	// for none. It must take as long for any text.
	Token func(string) bool
	// Port is the listener's. Browsers send cookies to every port of a machine, so
	// the cookie's name holds it.
	Port uint16
	// Explain serves the explain form as POST /v1/explain does.
	Explain http.HandlerFunc
	// Fail writes an error as the admin API does.
	Fail func(w http.ResponseWriter, status int, name, title string)
	// Now is the time; nil means time.Now.
	Now func() time.Time
}

// Handler serves the dashboard. It trusts whoever calls it to have looked at the
// Host and at the origin of the request.
type Handler struct {
	sampler  *Sampler
	token    func(string) bool
	fail     func(w http.ResponseWriter, status int, name, title string)
	cookie   string
	sessions *sessions
	static   map[string]asset
	mux      *http.ServeMux
}

// asset is one embedded file.
type asset struct {
	content, small    []byte // small is by gzip
	contentType, etag string
}

// NewHandler returns a handler of everything below Prefix.
func NewHandler(s *Sampler, o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{
		sampler: s, token: o.Token, fail: o.Fail, cookie: "lictor_session_" + strconv.Itoa(int(o.Port)),
		sessions: newSessions(o.Now), static: assets(), mux: http.NewServeMux(),
	}
	h.mux.HandleFunc("GET /ui/{$}", h.index)
	h.mux.HandleFunc("GET /ui/static/{file}", h.file)
	h.mux.HandleFunc("GET /ui/sign-in", h.signInPage)
	h.mux.HandleFunc("POST /ui/sign-in", h.signIn)
	h.mux.HandleFunc("POST /ui/sign-out", h.signOut)
	h.mux.HandleFunc("GET /ui/events", h.signedIn(h.events))
	h.mux.HandleFunc("POST /ui/explain", h.signedIn(o.Explain))
	return h
}

// signedIn serves those who have signed in.
func (h *Handler) signedIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !h.admitted(r):
			h.fail(w, http.StatusUnauthorized, "token-missing", "Sign in first")
		case r.Method != http.MethodGet && r.Header.Get("Origin") == "": // every browser tells it; that it is ours was seen to
			h.fail(w, http.StatusForbidden, "cross-site", "This is for the dashboard's own pages")
		default:
			next(w, r)
		}
	}
}

// assets are the embedded files, by name.
var assets = sync.OnceValue(func() map[string]asset {
	types := map[string]string{"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
	all := map[string]asset{}
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		panic("ui: the embedded files can't be read: " + err.Error())
	}
	for _, e := range entries {
		b, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic("ui: the embedded files can't be read: " + err.Error())
		}
		_, extension, _ := strings.Cut(e.Name(), ".")
		sum := sha256.Sum256(b)
		var small bytes.Buffer
		z := gzip.NewWriter(&small)
		_, _ = z.Write(b) // to memory
		_ = z.Close()
		all[e.Name()] = asset{b, small.Bytes(), types[extension], `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	return all
})

// policy lets a page use what comes from here, and nothing else: no inline script
// or style, no other address, no frame around it, and no text made HTML.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// ServeHTTP serves a request that is from here.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := w.Header()
	f.Set("Content-Security-Policy", policy)
	f.Set("Referrer-Policy", "same-origin") // none would make the origin of forms null
	f.Set("Cross-Origin-Opener-Policy", "same-origin")
	f.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.mux.ServeHTTP(w, r)
}

// admitted reports whether the dashboard may be shown.
func (h *Handler) admitted(r *http.Request) bool {
	if h.token == nil {
		return true
	}
	if secret, ok := h.secret(r); ok && h.sessions.valid(secret) {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && h.token(strings.TrimSpace(token))
}

func (h *Handler) index(w http.ResponseWriter, r *http.Request) {
	if !h.admitted(r) {
		http.Redirect(w, r, Prefix+"sign-in", http.StatusSeeOther)
		return
	}
	h.page(w, http.StatusOK, "index.html", map[string]any{"SignOut": h.token != nil})
}

// file serves what holds no secret: it is the same for everybody.
func (h *Handler) file(w http.ResponseWriter, r *http.Request) {
	a, ok := h.static[r.PathValue("file")]
	if !ok || a.contentType == "" {
		h.fail(w, http.StatusNotFound, "no-route", "There is no such file")
		return
	}
	w.Header().Set("Cache-Control", "no-cache") // ask whether it is still the same
	w.Header().Set("ETag", a.etag)
	w.Header().Set("Content-Type", a.contentType)
	if r.Header.Get("If-None-Match") == a.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Vary", "Accept-Encoding")
	content := a.content
	if takesGzip(r) {
		w.Header().Set("Content-Encoding", "gzip")
		content = a.small
	}
	_, _ = w.Write(content) // the client has gone
}

// takesGzip reports whether a browser says so; none refuses it by a weight of 0.
func takesGzip(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
}

// mostForm bounds the body of the sign-in form, in bytes.
const mostForm = 16 << 10

func (h *Handler) signInPage(w http.ResponseWriter, r *http.Request) {
	if h.admitted(r) {
		http.Redirect(w, r, Prefix, http.StatusSeeOther)
		return
	}
	h.page(w, http.StatusOK, "signin.html", map[string]any{"Refused": false})
}

func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	if h.token == nil {
		http.Redirect(w, r, Prefix, http.StatusSeeOther)
		return
	}
	if r.Header.Get("Origin") == "" { // every browser tells it; that it is ours was seen to
		h.fail(w, http.StatusForbidden, "cross-site", "Signing in is for browsers")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if err := r.ParseForm(); err != nil || !h.token(strings.TrimSpace(r.PostForm.Get("token"))) {
		h.page(w, http.StatusForbidden, "signin.html", map[string]any{"Refused": true})
		return
	}
	if old, ok := h.secret(r); ok {
		h.sessions.finish(old)
	}
	secret := h.sessions.begin()
	if !h.token(strings.TrimSpace(r.PostForm.Get("token"))) { // replaced meanwhile, maybe before SignOutAll could see the session
		h.sessions.finish(secret)
		h.page(w, http.StatusForbidden, "signin.html", map[string]any{"Refused": true})
		return
	}
	h.setCookie(w, r, secret)
	http.Redirect(w, r, Prefix, http.StatusSeeOther)
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	if secret, ok := h.secret(r); ok {
		h.sessions.finish(secret)
	}
	h.setCookie(w, r, "")
	http.Redirect(w, r, Prefix+"sign-in", http.StatusSeeOther)
}

var pages = template.Must(template.ParseFS(files, "static/*.html"))

func (h *Handler) page(w http.ResponseWriter, status int, name string, data map[string]any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = pages.ExecuteTemplate(w, name, data) // the client has gone
}
