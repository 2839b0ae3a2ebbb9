//go:build e2e && unix

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// commands is what is known of one block of commands in a document.
type commands struct {
	// prints are regular expressions, each of which matches what the block prints.
	prints []string
	// settles says that what it prints may take a moment to come about: the block
	// is run again until it does.
	settles bool
	// inSource says that the block is run in the folder of the source.
	inSource bool
	// skip is why the block is not run.
	skip string
}

// documents are the documents with their blocks of commands, each by its first
// line without a comment. A block that is not listed fails the test, and so does
// one that is listed and no longer there.
var documents = map[string]map[string]commands{
	"README.md": {
		"make demo":             {skip: "TestDemo checks what it prints, and make test would run this test"},
		"make build":            {skip: "the program under test is built already, and stands in bin/"},
		"consul agent -dev":     {},
		"cat > web.hcl <<'END'": {prints: []string{`Registered service: web`}, settles: true},
		"mkdir -p policies":     {prints: []string{`Configuration is valid!`}},
		"bin/lictor agent -dev": {},
		"curl -i http://127.0.0.1:8080/": {prints: []string{
			`200 OK`, `RateLimit: "per_client";r=\d`, `200 (200 )+(429 )+`, `web-1 .* passing`, `per_client +token_bucket`,
		}},
	},
	"docs/access.md": {
		"python3 -m http.server --bind 127.0.0.1 9001 &": {},
		"mkdir -p policies lists":                        {prints: []string{`Configuration is valid!`}},
		"bin/lictor agent -config-file gateway.hcl":      {},
		"curl -i -H 'X-Forwarded-For: 192.0.2.200' http://127.0.0.1:8080/office/": {
			prints: []string{`403 Forbidden`, `urn:lictor:problem:address-denied`, `\n404\n`}, settles: true,
		},
		"bin/lictor api-key shop > policies/api.keys 2> shop.key": {prints: []string{`Configuration is valid!`, `Reloaded`}},
		`curl -s -o /dev/null -w '%{http_code}\n' -H "X-API-Key: $(cat shop.key)" http://127.0.0.1:8080/api/`: {
			prints: []string{`^404\n`, `401 Unauthorized`, `credentials-missing`},
		},
		"bin/lictor api-key -expires 2099-01-31 shop >> policies/api.keys 2> shop.new": {
			prints: []string{`^shop 2\n`, `Reloaded`, `404\n`},
		},
		"cat > decide.py <<'END'":            {},
		"cat > policies/decided.hcl <<'END'": {prints: []string{`Configuration is valid!`, `Reloaded`}},
		`curl -s -o /dev/null -w '%{http_code}\n' -H 'Authorization: ada' http://127.0.0.1:8080/decided/`: {
			prints: []string{`404\n`, `403 Forbidden`, `auth-refused`}, settles: true,
		},
		"cat > policies/users.htpasswd <<'END'": {prints: []string{`Configuration is valid!`, `Reloaded`}},
		"curl -i http://127.0.0.1:8080/":        {prints: []string{`401 Unauthorized`, `Basic realm="members", charset="UTF-8"`, `(200 ){3}429 `}},
	},
	"docs/operations.md": {
		"cat > lictor-rules.hcl <<'END'":                {},
		"consul agent -dev -config-file consul-acl.hcl": {},
		"consul acl policy create -token-file root.token -name lictor -rules @lictor-rules.hcl": {
			prints: []string{`Name: +lictor`}, settles: true, // the first token takes a moment
		},
		"consul acl token create -token-file root.token -policy-name lictor | awk '/SecretID/ { print $2 }' > consul.token": {},
		"cat > web.hcl <<'END'": {prints: []string{`Registered service: web`}},
		"mkdir -p policies":     {prints: []string{`Configuration is valid!`}},
		"bin/lictor agent -config-file gateway.hcl -pid-file lictor.pid": {},
		"old=$(cat lictor.pid)":                                         {},
		"curl -i http://127.0.0.1:8080/healthz":                         {prints: []string{`200 OK`, `"ready": true`, `"warnings": \[\]`}},
		"consul catalog nodes -token-file consul.token -service lictor": {prints: []string{`127\.0\.0\.1 +dc1`}, settles: true},
		"cat > policies/web.hcl <<'END'":                                {prints: []string{`Configuration is valid!`, `Reloaded`, `web +any`}},
		"mv access.log access.log.1":                                    {},
		"curl -s -o /dev/null http://127.0.0.1:8080/":                   {prints: []string{`"path":"/","query":"","status":200`}, settles: true},
		"curl -s http://127.0.0.1:9980/v1/metrics | grep '^lictor_endpoints'": {
			prints: []string{`lictor_endpoints\{service="web",state="open"\} 1`, `web .* passing`},
		},
		"bin/lictor debug -duration 2s -interval 1s -output lictor-debug.tar.gz": {
			prints: []string{`Wrote lictor-debug.tar.gz`, `/001/metrics.txt\n`, `/pprof/trace.out\n`, `/gateway.log\n`},
		},
		`kill -TERM "$(cat lictor.pid)"`: {},
	},
	"docs/policies-in-kv.md": {
		"consul agent -dev":                         {},
		"cat > web.hcl <<'END'":                     {prints: []string{`Registered service: web`}, settles: true},
		"cat > gateway.hcl <<'END'":                 {prints: []string{`Configuration is valid!`}},
		"bin/lictor agent -config-file gateway.hcl": {},
		"mkdir -p fleet":                            {prints: []string{`created lictor/policies/web.hcl\nPushed as one transaction: 1 created, 0 changed, 0 removed\.`}},
		`curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/`: {prints: []string{`^200\n`, `web +any`}, settles: true},
		`sed -i.before 's/per_client"\]/per_client"]\n  timeout     = "5s"/' fleet/web.hcl && rm fleet/web.hcl.before`: {
			prints: []string{`--- kv:lictor/policies/web.hcl\n\+\+\+ fleet/web.hcl\n`, `\n\+  timeout     = "5s"\n`, `0 created, 1 changed`, `wrote copy/web.hcl`, `\nalike\n`},
		},
		`consul kv put lictor/policies/web.hcl 'route "web" { servce = "web" }'`: {prints: []string{`Success!`}},
		"curl -s http://127.0.0.1:9980/v1/policies": {
			prints: []string{`on kv:lictor/policies/web.hcl line 1`, `are refused, the ones before stay: kv:lictor/policies/web.hcl:1,`, `lictor_kv_refused 1\n`, `\n200\n`}, settles: true,
		},
		"bin/lictor policies push -config-file gateway.hcl fleet":              {prints: []string{`changed lictor/policies/web.hcl`}},
		"curl -s http://127.0.0.1:9980/v1/metrics | grep '^lictor_kv_refused'": {prints: []string{`lictor_kv_refused 0\n`}, settles: true},
	},
	"docs/moving-from-fabio.md": {
		"consul agent -dev":     {},
		"cat > web.hcl <<'END'": {prints: []string{`Registered service: web`}, settles: true},
		"mkdir -p policies":     {prints: []string{`Configuration is valid!`}},
		"bin/lictor validate -fabio gateway.hcl": {prints: []string{
			`tag "urlprefix-:3306 proto=tcp": no route is made of it`, `strip_prefix = "/web"`, `hosts += \["www\.example\.com"\]`, `Tags amount to 2 routes, with 1 warnings`,
		}},
		"bin/lictor agent -config-file gateway.hcl": {},
		`curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/web/`: {
			prints: []string{`^200\n200\n`, `/web/\.\.\. .* per_client .* tag\n`}, settles: true,
		},
		"bin/lictor validate -fabio gateway.hcl > policies/from-tags.hcl": {
			prints: []string{`Configuration is valid!\n`, `Reloaded`, `/web/\.\.\. .* per_client .* policy\n`},
		},
	},
	"docs/jwt.md": {
		"python3 -m http.server --bind 127.0.0.1 9001 &": {},
		"cat > policies/shop.hcl <<'END'":                {prints: []string{`Configuration is valid!`}},
		"bin/lictor agent -config-file gateway.hcl":      {},
		"curl -s -D - -o /dev/null http://127.0.0.1:8080/shop/ | grep -e ^HTTP -e ^WWW-": {prints: []string{
			`^HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm="[^"]*"\r\n` +
				`HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer .*error="invalid_token".*\r\n` +
				`HTTP/1.1 403 Forbidden\r\nWWW-Authenticate: Bearer .*error="insufficient_scope".*\r\n` +
				`HTTP/1.1 200 OK\r\n$`,
		}},
		"sh token.sh ada news:read > ada.token": {prints: []string{`^REFUSED with 403`, `shop:read`}},
		"cat > policies/limits.hcl <<'END'":     {prints: []string{`Configuration is valid!`, `Reloaded`}},
		"for user in ada ada ada ada ada ada ada bob; do": {prints: []string{
			`^(ada 200\n){5}(ada 429\n){2}bob 200\n`, `per_user +token_bucket`,
		}},
		"redis-server --port 6379 --bind 127.0.0.1 --save '' &": {},
		"until curl -fs -o /dev/null http://127.0.0.1:8081/healthz && curl -fs -o /dev/null http://127.0.0.1:8082/healthz; do sleep 0.2; done": {
			prints: []string{`^(\d+ 200\n){5}(\d+ 429\n){2}$`},
		},
	},
	"docs/moving-from-nginx.md": {
		"python3 -m http.server --bind 127.0.0.1 9001 &": {prints: []string{`Configuration is valid!`}},
		"cat > access.log <<'END'": {prints: []string{
			`access\.log: combined, 53 lines`, `per_client +token_bucket`, `192\.0\.2\.55\n`, `1 +GET /\.env`,
		}},
		"bin/lictor agent -config-file gateway.hcl": {},
		`curl -s -o /dev/null -w '%{http_code}\n' -H 'Host: api.example.com' http://127.0.0.1:8080/orders/`: {
			prints: []string{`^200\n404\n +[2-9]\d 200\n +\d+ 429\n`, `REFUSED with 404`},
		},
	},
	"docs/explain.md": {
		"consul agent -dev":                         {},
		"cat > web.hcl <<'END'":                     {prints: []string{`Registered service: web`}, settles: true},
		"cat > gateway.hcl <<'END'":                 {prints: []string{`Configuration is valid!`}},
		"bin/lictor agent -config-file gateway.hcl": {},
		`bin/lictor explain -from 203.0.113.9 'http://shop.example.com/shop/cart/../'`: {prints: []string{
			`^REACHES an instance by route shop: .*/web-1\n`, `routes are found: /shop/\n`, `shop has it, .*gateway\.hcl:14`, `key client\.ip: 203\.0\.113\.9\n`, `remaining 2\n`,
			`web-1 at .* open, passing, .* would be asked now`, `is sent GET /\n`,
		}, settles: true},
		"bin/lictor explain http://shop.example.com/shpo || test $? = 1": {prints: []string{
			`^REFUSED with 404`, `shop comes closest: by path, it is for paths from /shop on`, `REFUSED with 405`, `by method, it takes GET, HEAD`, `REFUSED with 400`, `hides a dot segment`,
		}},
		`for i in 1 2 3; do curl -s -o /dev/null -w '%{http_code} ' -H 'Host: shop.example.com' http://127.0.0.1:8080/shop/; done; echo`: {prints: []string{
			`^200 200 429 \n`, `REFUSED with 429`, `per_client refuses: not enough is left`, `key client\.ip: 127\.0\.0\.1\n`, `remaining 0, retry after (30m0s|2\dm)`, `"remaining": 0`, `"retry_after_ms": \d+`, `REACHES`,
		}},
		"cat > broken.hcl <<'END'": {prints: []string{`Registered service: web`, `Deregistered service: web-1`}},
		"bin/lictor explain -from 203.0.113.9 http://shop.example.com/shop || test $? = 1": {
			prints: []string{`^REFUSED with 503: No instance of the service is healthy`, `web-2 at .*: ineligible, critical`, `check: home page`, `nobody can be asked: no healthy instance`}, settles: true,
		},
		`curl -s -H 'Content-Type: application/json' -d '{"url": "http://shop.example.com/shop", "from": "203.0.113.9"}' http://127.0.0.1:9980/v1/explain`: {
			prints: []string{`"status": 503`, `"problem": "urn:lictor:problem:no-healthy-instance"`},
		},
	},
	"docs/mesh.md": {
		"consul agent -dev":                         {},
		"cat > web.hcl <<'END'":                     {prints: []string{`Registered service: web`}, settles: true},
		"consul intention create -allow edge web":   {prints: []string{`Created: edge => web \(allow\)`}},
		"cat > gateway.hcl <<'END'":                 {prints: []string{`Configuration is valid!`}},
		"bin/lictor agent -config-file gateway.hcl": {},
		`curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/`: {
			prints: []string{`^200\n`, `web@mesh .*passing`, `lictor_mesh_leaf_expiry_seconds \d`}, settles: true,
		},
	},
	"docs/simulate.md": {
		"mkdir -p policies": {prints: []string{
			`access\.log: common, 8 lines`, `4 would go to a service, 3 would be told to come later \(37\.50 %`, `per_client +token_bucket`,
			`3 +3 .* 192\.0\.2\.1\n`, `1 +GET /wp-login\.php`,
		}},
		"bin/lictor simulate -policy policies -log access.log -html report.html": {prints: []string{`"denied": 3,`}},
		"go run ./agent/simulate/generate -lines 100000 | go run ./cmd/lictor simulate -policy agent/simulate/generate/policy.hcl -log -": {
			inSource: true, prints: []string{`-: json, 100,000 lines`, `per_client +token_bucket .* [1-9][0-9,]+ +[0-9.]+ %`},
		},
	},
	"docs/steps.md": {
		"mkdir -p site policies && echo hello > site/hello.txt": {},
		"cat > policies/moved.hcl <<'END'": {prints: []string{
			`(?i)location: https://shop\.example\.com/v2/cart\?id=7\r\n`, `(?i)location: http://example\.com/hello\.txt\r\n`, `\nhello\n`,
		}},
		"cat > policies/guarded.hcl <<'END'": {prints: []string{
			`Referrer-Policy: strict-origin-when-cross-origin`, `X-Frame-Options: DENY`, `frame-ancestors 'none'\r\n`,
			`nosniff\r\nX-Frame-Options: SAMEORIGIN\r\nContent-Security-Policy: frame-ancestors 'self'\r\n$`,
		}},
		"cat > policies/cors.hcl <<'END'":                            {prints: []string{`HTTP/1.1 204 No Content\r\n`, `Access-Control-Allow-Methods: GET, PUT`, `Access-Control-Max-Age: 600`, `\n0\n$`}},
		"cat > policies/fields.hcl <<'END'":                          {prints: []string{`(?i)cache-control: no-store\r\nx-route: fields on 127\.0\.0\.1\r\n$`}},
		"mkdir -p site/v2/details && echo seven > site/v2/details/7": {prints: []string{`seven\nseven\nHTTP/1.1 400 Bad Request`}},
		"seq 1 20000 > site/numbers.txt":                             {prints: []string{`108894 bytes as they are`, `\n\d{5} bytes compressed`, `\n20000\n`}},
	},
	"docs/limits.md": {
		"go run ./limits/picture": {inSource: true, prints: []string{
			`44 +43 +0s +14 +15 +token_bucket`, `47 +40 +5s +10 +11 +leaky_bucket .* queue`, `58 +29 +0s +20 +20 +fixed_window`, `42 +45 +0s +11 +19 .*counter`,
		}},
		`go test -count=1 -run 'TestThroughputUnderPressure|TestCounterAtItsWorst' ./limits`: {inSource: true, prints: []string{`ok`}},
		`go test -run '^$' -bench 'Memory' -benchtime 1x ./limits`:                           {inSource: true, prints: []string{`token_bucket.* B/key`}},
		"make compare":      {skip: "it downloads other libraries and takes minutes; the test of limits/bench runs it small"},
		"mkdir -p policies": {},
		`for i in $(seq 12); do curl -s -o /dev/null -w '%{http_code} ' http://127.0.0.1:8080/; done; echo`: {
			prints: []string{`(200 ){12}`, `monthly +fixed_window +10 .* permissive .* 2\n`},
		},
		"sed 's/permissive/enforcing/' policies/limits.hcl > limits.new && mv limits.new policies/limits.hcl": {
			prints: []string{`Reloaded`, `429 Too Many Requests`, `RateLimit-Policy: "monthly";q=10;w=2592000`, `Retry-After: \d+`},
		},
		"sed 's/limit  = 10/limit  = 4/' policies/limits.hcl > limits.new && mv limits.new policies/limits.hcl": {
			prints: []string{`(200 ){6}(429 ){2}`},
		},
	},
	"docs/tls.md": {
		"(umask 077; openssl rand -base64 32 > tls/tickets.secrets)": {},
	},
}

// TestDocuments runs every command that README.md and docs/ show, in the order in
// which they stand, each document in a folder of its own with ports of its own;
// and it validates every piece of configuration.
func TestDocuments(t *testing.T) {
	t.Parallel()
	root := harness.Root(t)
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(root, "README.md")) {
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			fences, err := fencesOf(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := allKnown(fences, documents[filepath.ToSlash(name)]); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r := newReader(t, documents[filepath.ToSlash(name)])
				if err = r.read(fences); err == nil || !r.printed.Contains("address already in use") {
					break
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	for name := range documents {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil {
			t.Errorf("a document that is listed: %v", err)
		}
	}
}

// What is not in order in a document is found.
func TestDocumentsAreHeld(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		document string
		known    map[string]commands
		want     string
	}{
		"nothing":         {"Text.\n", nil, ""},
		"known":           {"```sh\ntrue   # a comment\n```\n", map[string]commands{"true": {}}, ""},
		"unknown":         {"```sh\nfalse\n```\n", map[string]commands{}, `line 1: the test does not know the commands "false"`},
		"gone":            {"Text.\n", map[string]commands{"true": {}}, `no longer has the commands "true"`},
		"twice":           {"```sh\ntrue\n```\n```sh\ntrue\n```\n", map[string]commands{"true": {}}, "line 4: a second block"},
		"without a name":  {"Text.\n```\ntrue\n```\n", nil, `line 2: a block in ""`},
		"without an end":  {"```sh\ntrue\n", nil, "line 1: a block without an end"},
		"another program": {"```console\n$ true\n```\n", nil, `a block in "console"`},
	} {
		fences, err := fencesOf(tt.document)
		if err == nil {
			err = allKnown(fences, tt.known)
		}
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// Blocks that fail, or print something else, are found.
func TestReaderFindsFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		document string
		c        commands
		want     string
	}{
		"a command that fails":   {"```sh\nfalse\necho done\n```\n", commands{}, "exit status 1"},
		"a pipe that fails":      {"```sh\nfalse | true\n```\n", commands{}, "exit status 1"},
		"other output":           {"```sh\necho one\n```\n", commands{prints: []string{"^two"}}, `nothing matches "^two"`},
		"another port":           {"```sh\ncurl http://127.0.0.1:22222/\n```\n", commands{}, "port 22222"},
		"a program that ends":    {"```sh\nfalse 127.0.0.1:9001 &\n```\n", commands{}, "ended: exit status 1"},
		"wrong configuration":    {"```hcl\nroute \"web\" {\n  servce = \"web\"\n}\n```\n", commands{}, `"servce"`},
		"a missing certificate":  {"```hcl\nlistener \"x\" {\n  address = \":0\"\n  tls {\n    certificate {\n      cert_file = \"no.pem\"\n      key_file = \"no.key\"\n    }\n  }\n}\n```\n", commands{}, "no.pem"},
		"nothing but a document": {"```sh\ncat > f <<'END'\nconsul agent -dev\nEND\ncat f\n```\n", commands{prints: []string{"consul agent -dev"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fences, err := fencesOf(tt.document)
			if err != nil {
				t.Fatal(err)
			}
			err = newReader(t, map[string]commands{fences[0].title(): tt.c}).read(fences)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
