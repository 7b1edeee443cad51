# To run the gateway, Go and make are enough. What the other targets need is
# installed by them: Debian packages, npm packages under internal/e2e/clients,
# and the linter under the user's cache folder.

CONFIG   ?= configs/up.yaml
# Inputs for each fuzz target. A count, not a time: Go 1.26 fails a target whose
# time runs out while an input is being tried (https://go.dev/issue/75804).
FUZZTIME ?= 100000x

VERSION  = $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
CACHE    = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/poktai
LINTER   = $(CACHE)/golangci-lint-v2.15.0/golangci-lint
CLIENTS  = internal/e2e/clients
ENGINE   = internal/testclickhouse/engine
# Runs a command with Postgres, ClickHouse, anvil and the JavaScript clients at hand.
TESTENV  = bin/testenv

.NOTPARALLEL:

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/poktai, without a C compiler
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/poktai ./cmd/poktai

.PHONY: run
run: build ## build and run everything on this machine, with data in ./data
	bin/poktai up --config $(CONFIG)

.PHONY: check
check: lint test race fuzz ## what must pass before a commit, all that CI runs

.PHONY: lint
lint: $(LINTER) ## go vet, golangci-lint, formatting, go.mod
	go vet ./...
	go mod tidy -diff
	$(LINTER) run ./...

.PHONY: fmt
fmt: $(LINTER) ## format the code
	$(LINTER) fmt ./...

.PHONY: test
test: test-deps ## all tests, end to end too, against real services
	$(TESTENV) go test ./...

.PHONY: race
race: test-deps race-deps ## all tests under the race detector
	CGO_ENABLED=1 $(TESTENV) go test -race ./...

.PHONY: e2e
e2e: test-deps ## the end-to-end tests alone, always anew
	$(TESTENV) go test -count=1 -v ./internal/e2e/...

.PHONY: fuzz
fuzz: ## try FUZZTIME inputs (default 100000x) on each fuzz target
	@set -eu; \
	for package in $$(grep -rl --include='*_test.go' --exclude-dir=node_modules '^func Fuzz' . | xargs dirname | sort -u); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
		done; \
	done

.PHONY: bench
bench: ## benchmarks of the parts, with allocations
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-peers
bench-peers: build ## the whole gateway against nginx, on two cores
	@.ci/need nginx=nginx-light wrk=wrk curl=curl
	bench/peers/run.sh

.PHONY: cover
cover: test-deps ## coverage of all tests, as bin/cover.html
	$(TESTENV) go test -coverpkg=./... -coverprofile=bin/cover.out ./...
	go tool cover -html=bin/cover.out -o bin/cover.html
	go tool cover -func=bin/cover.out | tail -n 1

.PHONY: clean
clean: ## remove what was built, but not ./data
	rm -rf bin $(CLIENTS)/node_modules $(ENGINE)/node_modules

.PHONY: test-deps
test-deps: $(CLIENTS)/node_modules/.package-lock.json $(ENGINE)/node_modules/.package-lock.json
	@CGO_ENABLED=0 go build -o $(TESTENV) ./internal/testenv
	@CGO_ENABLED=0 go build -o bin/clickhouse-engine ./$(ENGINE)
	@ln -sfn ../$(ENGINE)/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so bin/libchdb.so

.PHONY: test-packages
test-packages:
	@.ci/need postgres=postgresql node=nodejs npm=npm

# The race detector is the only thing here that wants a C compiler.
.PHONY: race-deps
race-deps:
	@.ci/need gcc=gcc,libc6-dev

# npm keeps what it downloads in its own cache: a new clone installs from there.
%/node_modules/.package-lock.json: %/package.json %/package-lock.json | test-packages
	cd $* && npm ci --ignore-scripts --prefer-offline
	@touch $@

$(LINTER):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(patsubst golangci-lint-%,%,$(notdir $(@D)))
