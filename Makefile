# Every target sets up what it needs: Go, git, make and a C compiler (for the
# race detector) are enough. What is built lands in bin/ and .tools/.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME  ?= 10s
BENCHTIME ?= 200ms
# What cross-compiling must keep working: the systems that people run or develop on.
PLATFORMS ?= linux/amd64 linux/arm64 darwin/arm64 windows/amd64

GO_BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false
LDFLAGS  := -s -w -X main.version=$(VERSION)

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
VULN     := golang.org/x/vuln/cmd/govulncheck
H2SPEC   := github.com/summerwind/h2spec/cmd/h2spec

.PHONY: help demo build test unit race e2e redis fuzz bench churn compare grpc ui h2spec websocket pictures lint check cross consul vuln man deb reproducible clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## Run the gateway with a real Consul and three sample services, until Ctrl-C
	@$(GO_BUILD) -o bin/ ./e2e/demo/echo ./e2e/demo
	@consul=$$(e2e/consul/consul.sh); exec bin/demo -consul "$$consul" -lictor bin/lictor -echo bin/echo $(DEMO_FLAGS)

build: ## Build bin/lictor, static and stamped with the version
	$(GO_BUILD) -ldflags '$(LDFLAGS)' -o bin/lictor ./cmd/lictor

test: race e2e ## Every test: unit tests (under the race detector) and end-to-end tests

unit: ## Unit tests alone, without the race detector: the quick round
	go test ./...

race: ## Unit tests under the race detector
	CGO_ENABLED=1 go test -race ./...

# With RACE=1 the gateway itself is built with the race detector, and a race that
# it reports fails the test during which it happened.
e2e: build ## End-to-end tests: the built gateway against a real Consul, Redis and Prometheus (RACE=1 to look for races)
	@if [ -n "$(RACE)" ]; then set -x; CGO_ENABLED=1 go build -race -buildvcs=false -o bin/lictor ./cmd/lictor; fi
	@e2e/tools/build.sh e2e/h2spec $(H2SPEC) "half a minute" >/dev/null
	@CONSUL_BIN=$$(e2e/consul/consul.sh); REDIS_BIN=$$(e2e/redis/redis.sh); PROMETHEUS_BIN=$$(e2e/prometheus/prometheus.sh); PEBBLE_BIN=$$(e2e/acme/pebble.sh); \
	export CONSUL_BIN REDIS_BIN PROMETHEUS_BIN PEBBLE_BIN; set -x; \
	LICTOR_BIN=$(CURDIR)/bin/lictor go test -count=1 -tags e2e -timeout 30m $(RACE:%=-race) $(E2E_FLAGS) ./e2e ./limits/redis ./catalog/consul 2>&1 | \
		tee bin/e2e.log || { set +x; e2e/tools/failures.sh bin/e2e.log; exit 1; }

# For another server than the one that is found: make redis REDIS_BIN=/path/to/it
redis: ## Tests of shared limits alone, against REDIS_BIN or the Redis or Valkey that is found
	@REDIS_BIN=$$(e2e/redis/redis.sh); export REDIS_BIN; set -x; "$$REDIS_BIN" --version; \
	CGO_ENABLED=1 go test -race -count=1 -tags e2e ./limits/redis

fuzz: ## Fuzz every fuzz target for FUZZTIME (10s) each
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' "$$package" | { grep ^Fuzz || true; }); do \
			(set -x; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package"); \
		done; \
	done

bench: build ## Go benchmarks, then CPU time per proxied request beside nginx (BENCH_FLAGS=-help says what else)
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...
	@$(GO_BUILD) -o bin/ ./e2e/bench
	bin/bench -lictor bin/lictor $(BENCH_FLAGS)

churn: build ## Latency and CPU time of changes in a real Consul (CHURN_FLAGS=-help says what else)
	@$(GO_BUILD) -o bin/ ./e2e/churn
	bin/churn -consul "$$(e2e/consul/consul.sh)" -lictor bin/lictor $(CHURN_FLAGS)

# A module of its own: none of the others' code enters the gateway's dependencies.
compare: ## Time and memory of a limit's decision beside other libraries', which it downloads (COMPARE_FLAGS)
	@cd limits/bench && go run . $(COMPARE_FLAGS)

grpc: build ## gRPC's own client and server, which it downloads, with the gateway between them: calls of all kinds, and a table of their interoperability cases
	LICTOR_BIN=$(CURDIR)/bin/lictor go -C e2e/grpc test -count=1 -v -tags e2e ./...

# A module of its own, for what drives the browser.
ui: build ## The dashboard in a real Chromium, which it finds or installs (UI_SHOTS=DIR keeps pictures)
	@CONSUL_BIN=$$(e2e/consul/consul.sh); CHROMIUM_BIN=$$(e2e/ui/chromium.sh); export CONSUL_BIN CHROMIUM_BIN; set -x; \
	LICTOR_BIN=$(CURDIR)/bin/lictor go -C e2e/ui test -count=1 -tags e2e ./...

h2spec: build ## HTTP/2's conformance suite, which it builds, against the gateway and against net/http alone
	@e2e/tools/build.sh e2e/h2spec $(H2SPEC) "half a minute" >/dev/null; set -x; \
	LICTOR_BIN=$(CURDIR)/bin/lictor go test -count=1 -tags e2e -run '^TestH2spec$$' -v ./e2e

websocket: build ## Other people's WebSockets with the gateway between them: 57 cases, by HTTP/1.1 and HTTP/2, beside the same without it
	@e2e/websocket/packages.sh; set -x; \
	LICTOR_BIN=$(CURDIR)/bin/lictor go test -count=1 -tags e2e -v ./e2e/websocket

pictures: ## Draw the pictures of docs/limits.md anew, by the limiters themselves
	go run ./limits/picture -dir docs/images

lint: ## Linters, formatting, and whether go.mod is tidy
	@linter=$$(e2e/tools/build.sh e2e/tools $(GOLANGCI) "about 1 minute on 2 cores"); set -x; \
	"$$linter" run ./...
	go mod tidy -diff

check: lint cross race e2e ## What must hold before a change lands: lint, builds for all systems, every test

cross: ## Build for every supported system
	@for platform in $(PLATFORMS); do \
		echo "building for $$platform"; \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO_BUILD) -o /dev/null ./... ; \
	done

deb: build ## Make a Debian package in dist/out, by dpkg-deb
	dist/deb/build.sh bin/lictor dist/out

reproducible: ## Build the program twice, in two folders with nothing kept, and compare the bytes
	dist/reproducible.sh

man: build ## Write the manual to dist/man
	bin/lictor man -dir dist/man

consul: ## Find or build the Consul that the demo and the end-to-end tests use
	@e2e/consul/consul.sh

# Not a part of check: it reads a database from the network, and so says
# something new about a tree that nobody has changed.
vuln: ## Look the dependencies up in Go's vulnerability database (needs the network)
	@vuln=$$(e2e/tools/build.sh e2e/tools $(VULN) "half a minute"); set -x; "$$vuln" ./...

clean: ## Remove what was built, but not .tools/, which takes minutes to rebuild
	rm -rf bin dist/man
