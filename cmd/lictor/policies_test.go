package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/consul/api"
)

// kvServer is Consul's KV store as far as the commands use it.
type kvServer struct {
	*httptest.Server
	mu     sync.Mutex
	index  uint64
	keys   map[string]api.KVPair
	before func() // the next transaction
	writes int
	tokens []string
}

func newKVServer(t *testing.T, pairs ...string) *kvServer {
	t.Helper()
	s := &kvServer{index: 10, keys: map[string]api.KVPair{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	for i := 0; i < len(pairs); i += 2 {
		s.put(pairs[i], pairs[i+1])
	}
	return s
}

func (s *kvServer) put(key, text string) {
	s.index++
	s.keys[key] = api.KVPair{Key: key, Value: []byte(text), ModifyIndex: s.index}
}

// texts is all that is in it, as one line.
func (s *kvServer) texts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, key := range slices.Sorted(maps.Keys(s.keys)) {
		out = append(out, key+"="+string(s.keys[key].Value))
	}
	return strings.Join(out, " ")
}

func (s *kvServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, r.Header.Get("X-Consul-Token"))
	w.Header().Set("X-Consul-Index", fmt.Sprint(s.index))
	w.Header().Set("X-Consul-LastContact", "0")
	w.Header().Set("X-Consul-KnownLeader", "true")
	if r.URL.Path == "/v1/txn" {
		if s.before != nil {
			s.before()
			s.before = nil
		}
		s.transaction(w, r)
		return
	}
	prefix := strings.TrimPrefix(r.URL.Path, "/v1/kv/")
	var list []api.KVPair
	for _, key := range slices.Sorted(maps.Keys(s.keys)) {
		if strings.HasPrefix(key, prefix) {
			list = append(list, s.keys[key])
		}
	}
	if len(list) == 0 || !r.URL.Query().Has("recurse") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(list)
}

func (s *kvServer) transaction(w http.ResponseWriter, r *http.Request) {
	var ops api.TxnOps
	if err := json.NewDecoder(r.Body).Decode(&ops); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var errs api.TxnErrors
	for i, op := range ops {
		if s.keys[op.KV.Key].ModifyIndex != op.KV.Index {
			errs = append(errs, &api.TxnError{OpIndex: i, What: fmt.Sprintf("failed to set key %q, index is stale", op.KV.Key)})
		}
	}
	if len(errs) > 0 {
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(api.TxnResponse{Errors: errs})
		return
	}
	s.writes++
	for _, op := range ops {
		switch op.KV.Verb {
		case api.KVCAS:
			s.put(op.KV.Key, string(op.KV.Value))
		case api.KVDeleteCAS:
			delete(s.keys, op.KV.Key)
		default:
		}
	}
	_ = json.NewEncoder(w).Encode(api.TxnResponse{})
}

// policies runs a command of `lictor policies` against it.
func (s *kvServer) policies(args ...string) run {
	args = slices.Insert(slices.Clone(args), 1, "-http-addr", s.URL)
	return lictor(nil, append([]string{"policies"}, args...)...)
}

// files makes a directory of files.
func files(t *testing.T, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		file := filepath.Join(dir, filepath.FromSlash(pairs[i]))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(pairs[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// policy is a route of this name.
func policy(name string) string {
	return fmt.Sprintf("route %q {\n  path    = \"/%s\"\n  service = \"web\"\n}\n", name, name)
}

const kvPrefix = "lictor/policies/"

func TestPoliciesPush(t *testing.T) {
	t.Parallel()
	s := newKVServer(t, kvPrefix+"a.hcl", policy("a"), kvPrefix+"old.hcl", policy("old"), "other/x", "y")
	dir := files(t, "a.hcl", policy("a2"), "team/b.hcl", policy("b"), "README.md", "# no policy", ".hidden.hcl", "nonsense {", ".git/c.hcl", "nonsense {")
	r := s.policies("push", dir)
	if r.code != exitOK || !strings.Contains(r.stdout, "created lictor/policies/team/b.hcl\nchanged lictor/policies/a.hcl\nPushed as one transaction: 1 created, 1 changed, 0 removed.") ||
		!strings.Contains(r.stderr, "Note: lictor/policies/old.hcl has no file and was kept; -prune removes it.") {
		t.Errorf("push: %+v", r)
	}
	want := fmt.Sprintf("lictor/policies/a.hcl=%s lictor/policies/old.hcl=%s lictor/policies/team/b.hcl=%s other/x=y", policy("a2"), policy("old"), policy("b"))
	if got := s.texts(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if r := s.policies("push", dir); r.code != exitOK || !strings.Contains(r.stdout, "Nothing to push") || s.writes != 1 {
		t.Errorf("again: %+v, %d transactions", r, s.writes)
	}
	r = s.policies("push", "-prune", "-json", dir)
	var told struct {
		Created, Changed, Removed, Kept, Same []string
	}
	if err := json.Unmarshal([]byte(r.stdout), &told); err != nil || r.code != exitOK || !slices.Equal(told.Removed, []string{kvPrefix + "old.hcl"}) || len(told.Same) != 2 || told.Created == nil {
		t.Errorf("prune: %+v, %v", r, err)
	}
	if got := s.texts(); strings.Contains(got, "old.hcl") || !strings.Contains(got, "other/x=y") {
		t.Errorf("got %s", got)
	}
}

func TestPoliciesPushRefuses(t *testing.T) {
	t.Parallel()
	agent := `
listener "public" {
  address = "127.0.0.1:0"
}
consul {
}
policies {
  kv_prefix = "team/policies"
}
limit "token_bucket" "of_file" {
  rate = "1/s"
}
`
	config := filepath.Join(files(t, "lictor.hcl", agent), "lictor.hcl")
	for name, tt := range map[string]struct {
		there []string
		files []string
		args  []string
		want  []string
	}{
		"a mistake":          {nil, []string{"a.hcl", "route \"a\" {\n  servce = \"web\"\n}\n"}, nil, []string{"a.hcl line 2", "servce", "Nothing was written."}},
		"a conflict of keys": {[]string{kvPrefix + "kept.hcl", policy("a")}, []string{"z.hcl", policy("a")}, nil, []string{"Duplicate route", "kv:lictor/policies/kept.hcl"}},
		"a file's path":      {nil, []string{"a.hcl", "route \"a\" {\n  service = \"web\"\n  upstream_tls {\n    ca_file = \"ca.pem\"\n  }\n}\n"}, nil, []string{"can't name a file", "a.hcl line 4"}},
		"a limit of a file":  {nil, []string{"a.hcl", "route \"a\" {\n  service = \"web\"\n  limits = [\"of_file\"]\n}\n"}, nil, []string{"Unknown limit", "-config-file"}},
		"a redefinition":     {nil, []string{"a.hcl", "limit \"token_bucket\" \"of_file\" {\n  rate = \"1/s\"\n}\n"}, []string{"-config-file", config}, []string{"Duplicate limit", "lictor.hcl"}},
		"nothing":            {nil, []string{"README.md", "text"}, []string{"-prune"}, []string{"no policy files"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newKVServer(t, tt.there...)
			dir := files(t, tt.files...)
			r := s.policies(append(append([]string{"push"}, tt.args...), dir)...)
			if r.code != exitFailed || s.writes > 0 {
				t.Errorf("exit %d, %d transactions", r.code, s.writes)
			}
			for _, w := range tt.want {
				if !strings.Contains(r.stderr, w) {
					t.Errorf("lacks %q: %s", w, r.stderr)
				}
			}
		})
	}
	// With the configuration the same is right, and its prefix is taken.
	s := newKVServer(t)
	dir := files(t, "a.hcl", "route \"a\" {\n  path = \"/a\"\n  service = \"web\"\n  limits = [\"of_file\"]\n}\n")
	if r := s.policies("push", "-config-file", config, dir); r.code != exitOK || !strings.HasPrefix(s.texts(), "team/policies/a.hcl=") {
		t.Errorf("%+v: %s", r, s.texts())
	}
}

func TestPoliciesPushConflict(t *testing.T) {
	t.Parallel()
	s := newKVServer(t, kvPrefix+"a.hcl", policy("a"), kvPrefix+"b.hcl", policy("b"))
	for _, key := range []string{"a.hcl", "b.hcl", "c.hcl"} { // changed, the same, new
		s.mu.Lock()
		s.before = func() { s.put(kvPrefix+key, policy("theirs"+key[:1])) }
		s.mu.Unlock()
		r := s.policies("push", files(t, "a.hcl", policy("mine"), "b.hcl", policy("b"), "c.hcl", policy("c")))
		if r.code != exitFailed || !strings.Contains(r.stderr, "somebody else has changed lictor/policies/"+key+" meanwhile") || !strings.Contains(r.stderr, "lictor policies diff") {
			t.Errorf("%s: %+v", key, r)
		}
		if !strings.Contains(s.texts(), "theirs") || strings.Contains(s.texts(), "mine") {
			t.Errorf("%s: %s", key, s.texts())
		}
		s.mu.Lock()
		delete(s.keys, kvPrefix+"c.hcl")
		s.put(kvPrefix+"a.hcl", policy("a"))
		s.put(kvPrefix+"b.hcl", policy("b"))
		s.mu.Unlock()
	}
}

func TestPoliciesPushTooMuch(t *testing.T) {
	t.Parallel()
	s := newKVServer(t)
	var pairs []string
	for i := range 129 {
		pairs = append(pairs, fmt.Sprintf("r%d.hcl", i), policy(fmt.Sprintf("r%d", i)))
	}
	r := s.policies("push", files(t, pairs...))
	if r.code != exitFailed || !strings.Contains(r.stderr, "129 changes are more than the 128 that Consul takes in one transaction") {
		t.Errorf("%+v", r)
	}
}

func TestPoliciesPull(t *testing.T) {
	t.Parallel()
	s := newKVServer(t, kvPrefix+"a.hcl", policy("a"), kvPrefix+"team/b.hcl", policy("b"), kvPrefix+"plain", policy("plain"))
	dir := filepath.Join(t.TempDir(), "new")
	r := s.policies("pull", dir)
	if r.code != exitOK || !strings.Contains(r.stdout, "Pulled: 3 of 3 keys were new or different.") {
		t.Fatalf("%+v", r)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "team", "b.hcl")); err != nil || string(b) != policy("b") {
		t.Errorf("%q, %v", b, err)
	}
	if r := s.policies("diff", dir); r.code != exitOK || r.stdout != "" {
		t.Errorf("what was pulled differs: %+v", r)
	}
	if r := s.policies("push", dir); r.code != exitOK || s.writes != 0 {
		t.Errorf("what was pulled is pushed: %+v", r)
	}

	// Neither of the two files is overwritten when one must not be.
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.hcl", "mine")
	write("extra.hcl", "extra")
	s.mu.Lock()
	s.put(kvPrefix+"new.hcl", policy("new"))
	s.mu.Unlock()
	r = s.policies("pull", dir)
	if r.code != exitFailed || !strings.Contains(r.stderr, "a.hcl differs") || !strings.Contains(r.stderr, "-force") {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, "new.hcl")); err == nil {
		t.Error("a refused pull wrote a file")
	}
	r = s.policies("pull", "-force", "-json", dir)
	var told struct {
		Written           []string
		Keys              int
		OnlyInDirectory   []string `json:"only_in_directory"`
		Prefix, Something string
	}
	if err := json.Unmarshal([]byte(r.stdout), &told); err != nil || !slices.Equal(told.Written, []string{"a.hcl", "new.hcl"}) ||
		told.Keys != 4 || !slices.Equal(told.OnlyInDirectory, []string{kvPrefix + "extra.hcl"}) {
		t.Errorf("%+v, %v", r, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

// No key makes pull write outside of its directory, or hidden.
func TestPoliciesPullStaysInside(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../out.hcl", "a/../../out.hcl", "a/../b.hcl", "/etc/out.hcl", "./a.hcl", "a//b.hcl", ".git/hooks/post-commit", "a/.b.hcl", "a\x00b", "a\nb.hcl", `..\out.hcl`, "link/out.hcl"} {
		s := newKVServer(t, kvPrefix+"good.hcl", policy("good"), kvPrefix+name, policy("bad"))
		around := t.TempDir()
		dir := filepath.Join(around, "policies")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(around, filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		r := s.policies("pull", dir)
		if r.code != exitFailed {
			t.Errorf("%q: %+v", name, r)
		}
		err := filepath.WalkDir(around, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				t.Errorf("%q: wrote %s", name, path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestPoliciesDiff(t *testing.T) {
	t.Parallel()
	s := newKVServer(t, kvPrefix+"a.hcl", policy("a"), kvPrefix+"gone.hcl", "x \x1b[31m\n", kvPrefix+"same.hcl", policy("same"))
	dir := files(t, "a.hcl", strings.Replace(policy("a"), "web", "api", 1), "same.hcl", policy("same"), "new.hcl", "# \x1b[2J\n")
	r := s.policies("diff", dir)
	want := "--- kv:lictor/policies/a.hcl\n+++ " + filepath.Join(dir, "a.hcl") + "\n@@ -1,4 +1,4 @@\n route \"a\" {\n   path    = \"/a\"\n-  service = \"web\"\n+  service = \"api\"\n }\n" +
		"Only in Consul: lictor/policies/gone.hcl (push keeps it, push -prune removes it)\n" +
		"--- /dev/null\n+++ " + filepath.Join(dir, "new.hcl") + "\n@@ -0,0 +1 @@\n+# \ufffd[2J\n"
	if r.code != 1 || r.stdout != want {
		t.Errorf("exit %d, got\n%s\nwant\n%s", r.code, r.stdout, want)
	}
	r = s.policies("diff", "-json", dir)
	var told struct {
		Prefix      string
		Differences []difference
	}
	if err := json.Unmarshal([]byte(r.stdout), &told); err != nil || r.code != 1 || len(told.Differences) != 3 || told.Differences[0].State != "changed" || told.Differences[1].State != "kept" {
		t.Errorf("%+v, %v", r, err)
	}
	s.Close()
	if r := s.policies("diff", dir); r.code != exitTrouble || r.stderr == "" {
		t.Errorf("without Consul: %+v", r)
	}
	if r := s.policies("push", dir); r.code != exitFailed || !strings.Contains(r.stderr, "reading lictor/policies/") {
		t.Errorf("without Consul: %+v", r)
	}
}

func TestPoliciesUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noPrefix := filepath.Join(files(t, "lictor.hcl", "listener \"x\" {\n  address = \"127.0.0.1:0\"\n}\n"), "lictor.hcl")
	for _, tt := range []struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{nil, exitUsage, "", "lictor policies COMMAND"},
		{[]string{"help"}, exitOK, "push [-prune] DIR", ""},
		{[]string{"pusch"}, exitUsage, "", `unknown command "pusch"`},
		{[]string{"push"}, exitUsage, "", "give one directory"},
		{[]string{"diff", dir, dir}, exitUsage, "", "give one directory"},
		{[]string{"push", "-prefix", "/x", dir}, exitUsage, "", "begin with a slash"},
		{[]string{"push", "-h"}, exitOK, "", "-prune"},
		{[]string{"pull", "-config-file", noPrefix, dir}, exitFailed, "", "kv_prefix"},
		{[]string{"diff", "-config-file", filepath.Join(dir, "absent.hcl"), dir}, exitTrouble, "", "absent.hcl"},
		{[]string{"diff", "-token-file", filepath.Join(dir, "absent"), dir}, exitTrouble, "", "token file"},
	} {
		r := lictor(nil, append([]string{"policies"}, tt.args...)...)
		if r.code != tt.code || !strings.Contains(r.stdout, tt.stdout) || !strings.Contains(r.stderr, tt.stderr) {
			t.Errorf("%q: %+v", tt.args, r)
		}
	}
}

func TestPoliciesToken(t *testing.T) {
	t.Parallel()
	s := newKVServer(t, kvPrefix+"a.hcl", policy("a"))
	dir := files(t, "a.hcl", policy("a"), "token", "secret-token\n")
	if r := s.policies("diff", "-token-file", filepath.Join(dir, "token"), dir); r.code != exitOK || !slices.Equal(s.tokens, []string{"secret-token"}) {
		t.Errorf("%+v: asked with %q", r, s.tokens)
	}
}
