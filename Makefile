# Everything that people and CI run. `make test` installs what it needs.

SHELL   := /bin/bash
GO      ?= go
CACHE   := .cache
VERSIONS := honnef.co/go/tools/cmd/staticcheck@v0.8.2 golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: help test deps lint go web e2e fresh fuzz isolation scan siege chaos history latency bench commands kafka vuln build lambda aws clean

help:            ## what there is
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

test: deps lint go fresh web aws e2e  ## all tests, on a fresh machine too (about 12 minutes)

build:           ## the program, as ./ebb
	$(GO) build -trimpath -o ebb ./cmd/ebb

ARCHS ?= arm64 amd64

lambda:          ## the AWS Lambda functions, as dist/lambda/<arch>/<name>/bootstrap
	@set -e; for arch in $(ARCHS); do for name in connect setup notify command; do \
		echo "dist/lambda/$$arch/$$name/bootstrap"; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -tags lambda.norpc -ldflags '-s -w' \
			-o dist/lambda/$$arch/$$name/bootstrap ./lambda/$$name; \
	done; done

deps: $(CACHE)/kafka/.done $(CACHE)/h2spec web/node_modules/.done testdata/grip/node_modules/.done testdata/oidc/node_modules/.done deploy/aws/node_modules/.done  ## install what the tests need
	@. ./testdata/deps.sh && need_ip && need_chromium && need_firefox && need_nginx && need_haproxy && need_pushpin && need_testssl && need_slowhttptest

$(CACHE)/kafka/.done: testdata/kafka/pom.xml
	@. ./testdata/deps.sh && need_java && need_maven
	mvn -q -B -f testdata/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(CACHE)/kafka
	@touch $@

$(CACHE)/h2spec: testdata/h2spec/go.mod testdata/h2spec/go.sum
	cd testdata/h2spec && $(GO) build -o $(CURDIR)/$@ github.com/summerwind/h2spec/cmd/h2spec

web/node_modules/.done: web/package-lock.json
	@. ./testdata/deps.sh && need_node
	cd web && npm ci --no-audit --no-fund
	@touch $@

testdata/grip/node_modules/.done: testdata/grip/package-lock.json
	@. ./testdata/deps.sh && need_node
	cd testdata/grip && npm ci --no-audit --no-fund
	@touch $@

testdata/oidc/node_modules/.done: testdata/oidc/package-lock.json
	@. ./testdata/deps.sh && need_node
	cd testdata/oidc && npm ci --no-audit --no-fund
	@touch $@

deploy/aws/node_modules/.done: deploy/aws/package-lock.json
	@. ./testdata/deps.sh && need_node
	cd deploy/aws && npm ci --no-audit --no-fund
	@touch $@

lint:            ## formatting, vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'd:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) run $(word 1,$(VERSIONS)) ./...

go: deps         ## Go tests with the race detector, fuzz targets on their seeds
	$(GO) test -race -count=1 -timeout 20m ./... # not from the cache: some build and run the program

fresh:           ## the committed page is what its sources build
	cd web && npm run --silent build
	@git diff --exit-code --stat -- demo/page && test -z "$$(git status --porcelain -- demo/page)" \
		|| { echo "demo/page is not what web/board builds: commit it"; exit 1; }

web:             ## the TypeScript client and the board
	cd web && npm run --silent check && npm run --silent test

e2e: build       ## real browsers: two users of the board, and streams without a library
	cd web && EBB_BIN=$(CURDIR)/ebb npm run --silent e2e

aws: build deploy/aws/node_modules/.done  ## the stacks for AWS, made and looked at without network or account
	cd deploy/aws && npm run --silent check && EBB_BIN=$(CURDIR)/ebb npm run --silent test

FUZZTIME ?= 60s # for each

# Go up to 1.26 now and then reports the end of the time as a failure: go.dev/issue/75804
fuzz: deps       ## each fuzz target for FUZZTIME, one minute unless told; docs/security.md says how long they have run
	@set -eo pipefail; log=$$(mktemp); trap 'rm -f $$log' EXIT; for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz || true); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$pkg \
				| tee $$log || grep -qx '    context deadline exceeded' $$log || exit 1; \
		done; done

scan: deps       ## all that testssl.sh knows, against an edge and a gateway, in about 5 minutes
	$(GO) test -count=1 -timeout 20m -v -run TestTLSScan ./cmd/ebb -scan

siege: deps      ## 5,000 slow connections, in all four ways, against an edge and a gateway beside what others do, in about 5 minutes
	$(GO) test -count=1 -timeout 20m -v -run TestSlowHTTP ./cmd/ebb -siege

isolation: deps  ## 10,000 users and 5,000 names that look like theirs: who hears what is not for him
	$(GO) test -count=1 -timeout 20m -v -run TestNoForeignEvents ./dev -users 10000 -hostile 5000

chaos: deps      ## kill every part at random, for ten minutes on each broker
	$(GO) test -count=1 -timeout 60m -v -run TestChaos ./dev -chaos 10m -chaos-embedded

HISTORY ?= -history 10m # and -history-seed N, to run a plan again

history: deps    ## kill, pause and cut off services and brokers at every step, for ten minutes on each kind of broker
	$(GO) test -race -count=1 -timeout 60m -v ./internal/history $(HISTORY)

latency: build deps  ## measure command to browser on both brokers, the JVM warmed up: docs/latency.md
	@$(GO) build -o $(CACHE)/kafka-node ./internal/kafkatest/kafka
	@set -e; coproc K { exec $(CACHE)/kafka-node; }; trap 'kill $$K_PID' EXIT; \
		read -r _ addr <&$${K[0]}; \
		./ebb bench latency --seconds 5 --kafka $$addr >/dev/null; \
		./ebb bench latency --kafka $$addr --kafka-name 'Apache Kafka' --out docs/latency.md

bench: build deps  ## measure streams, beside nchan and Pushpin if installed, and commands, on both brokers, in about 20 minutes: bench/RESULTS.md
	./ebb bench edge --out bench/RESULTS.md
	$(MAKE) commands

commands: build deps  ## measure commands alone, in about 5 minutes: its part of bench/RESULTS.md
	@$(GO) build -o $(CACHE)/kafka-node ./internal/kafkatest/kafka
	@set -e; coproc K { exec $(CACHE)/kafka-node; }; trap 'kill $$K_PID' EXIT; \
		read -r _ addr <&$${K[0]}; \
		./ebb bench commands --kafka $$addr --kafka-name 'Apache Kafka, one node' --out bench/RESULTS.md

kafka: deps      ## run Apache Kafka until Ctrl-C, to try things with
	$(GO) run ./internal/kafkatest/kafka

vuln:            ## known holes in what we depend on
	$(GO) run $(word 2,$(VERSIONS)) ./...

clean:           ## what was built or fetched
	rm -rf ebb dist $(CACHE) web/node_modules testdata/grip/node_modules testdata/oidc/node_modules deploy/aws/node_modules deploy/aws/cdk.out web/dist web/e2e/out
