# Two commands do everything on a fresh machine: `make demo` and `make test`. What a change must pass is
# `make lint doc test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
export CARGO_TARGET_DIR := $(TARGET_DIR)
BIN := $(TARGET_DIR)/release
CARGO := cargo --locked
# What scripts/setup-tools.sh installs.
export PATH := $(TARGET_DIR)/tools/bin:$(PATH)
# Most tests of whole networks wait for blocks: two at a time for each core.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc 2>/dev/null || echo 2))))

.PHONY: help setup build demo dist dist-twice test-dist test-arm64 localnet localnet-down test simulate market-sim fuzz kills bench bench-chain bench-market bench-attack lint fmt \
  doc book reference imports weights clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing to build: compiler, cmake, protoc, Wasm target.
	@bash scripts/setup.sh

build: setup ## Build mica-node, mica-worker and mica.
	$(CARGO) build --release --workspace --bins

demo: build ## A chain, three workers, one paid prompt: PROMPT="…", MODEL=smollm2 for a real model.
	@mkdir -p target
	$(BIN)/mica demo --summary target/demo.json $(if $(MODEL),--model "$(MODEL)") \
	  $(if $(PROMPT),--prompt "$$MICA_PROMPT")
demo: export MICA_PROMPT := $(value PROMPT)

dist: setup ## Packages and tarballs for amd64 and arm64: ARCH=amd64, PROFILE=production.
	@bash scripts/dist.sh $(ARCH)

dist-twice: setup ## Build the packages twice, in different folders, and compare every byte.
	@bash scripts/dist-twice.sh $(ARCH)

test-dist: ## Try what `make dist` has made in a fresh Debian.
	@bash scripts/setup.sh dist
	@bash scripts/test-dist.sh

test-arm64: build ## Build mica and mica-worker for arm64, and run a paid prompt on an emulated one.
	@bash scripts/setup.sh test
	@bash scripts/test-arm64.sh

localnet: build ## Four validators, three workers, a faucet, kept running: target/localnet.json.
	$(BIN)/mica localnet up

localnet-down: build ## Stop what `make localnet` has started.
	$(BIN)/mica localnet down

test: build ## Run all tests, with real processes and on an emulated aarch64.
	@bash scripts/setup.sh test
	@bash scripts/features.sh
	$(CARGO) test --release --workspace
	@bash scripts/test-aarch64.sh

simulate: setup ## Run the worlds of SEEDS=0..1000, with faults and liars; SEEDS=17 tells of one.
	$(CARGO) build --release --workspace --example simulate
	$(BIN)/examples/simulate $(or $(SEEDS),0..1000)

market-sim: setup ## Simulate the market: a thousand starts, a million workers, the book's figures.
	$(CARGO) build --release --workspace --bin mica-market-sim
	@bash scripts/market-sim.sh

fuzz: setup ## Fuzz every target for MINUTES=1, or TARGET=sessions; INPUT=file runs one input.
	$(CARGO) build --release --workspace --example fuzz
	$(BIN)/examples/fuzz $(if $(TARGET),--target $(TARGET)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(INPUT),--input $(INPUT),--minutes $(or $(MINUTES),1))

kills: build ## Kill payer and workers with -9 at KILLS=200 moments of paid streams.
	KILLS=$(or $(KILLS),200) $(CARGO) test --release --workspace --test network -- kills:: --nocapture

bench-attack: build ## Measure which share of its speed a worker keeps under each attack.
	$(CARGO) build --release --workspace --example hostile
	$(CARGO) test --release --workspace --test network -- attacks:: --ignored --nocapture

bench: build ## Measure payments, chain, routing, gateway and engine; writes docs/benchmarks*.md.
	@bash scripts/bench-chain.sh
	$(CARGO) bench --profile release -p mica-market
	$(BIN)/mica-worker bench
	@bash scripts/bench-gateway.sh
	@bash scripts/bench-market.sh
	@bash scripts/bench-peer.sh

bench-chain: build ## Measure vouchers, ticks, redeems in a block and the registry's list.
	@bash scripts/bench-chain.sh

bench-market: build ## Time from `mica ask` to the path among 10,000 workers on a real chain.
	@bash scripts/bench-market.sh

lint: setup ## Check format, style, spelling, imports, features, licences, advisories and clippy.
	@bash scripts/setup-tools.sh typos cargo-deny
	cargo fmt --all --check
	@python3 -B scripts/test_checks.py --quiet
	@python3 -B packaging/test_package.py --quiet
	@python3 scripts/style.py
	typos
	@python3 scripts/imports.py --check
	@bash scripts/features.sh
	@bash scripts/deny.sh
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
# The Wasm of this runtime is never shipped, so it is not built.
	SKIP_WASM_BUILD=1 $(CARGO) clippy --release -p mica-runtime \
	  --features runtime-benchmarks,try-runtime -- -D warnings

fmt: ## Format all sources and wrap their comments.
	cargo fmt --all
	@python3 scripts/style.py --fix

doc: setup book ## Build the documentation of the code, and the book.
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" \
	  $(CARGO) doc --release --workspace --no-deps

book: setup ## Build the book of docs/ with mdBook.
	@bash scripts/setup-tools.sh mdbook
	mdbook build docs --dest-dir "$(TARGET_DIR)/book"

reference: build ## Write the book's generated pages: command lines, settings, codes, limits.
	UPDATE_REFERENCE=1 $(CARGO) test --release --workspace --test attack_costs the_page
	UPDATE_REFERENCE=1 $(CARGO) test --release --workspace --test specs
	UPDATE_REFERENCE=1 $(CARGO) test --release --workspace --test docs generated_pages

imports: ## Show which crate imports which, and which module.
	@python3 scripts/imports.py

weights: setup ## Measure the pallets' weights (needs frame-omni-bencher).
	@bash scripts/weights.sh

clean: ## Remove everything that was built.
	cargo clean
	rm -rf target
