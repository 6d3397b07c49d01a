# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
export CARGO_TARGET_DIR := $(TARGET_DIR)
BIN := $(TARGET_DIR)/release
CARGO := cargo --locked
# Most tests of whole networks wait for blocks: two at a time for each core.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc 2>/dev/null || echo 2))))

.PHONY: help setup build demo test bench lint fmt doc book reference weights clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing to build (compiler, cmake, protoc, OpenSSL, Wasm target).
	@bash scripts/setup.sh

build: setup ## Build mica-node, mica-worker and mica.
	$(CARGO) build --release --workspace --bins

demo: build ## A chain, three workers, one paid prompt: PROMPT="…" to ask something else.
	@mkdir -p target
	$(BIN)/mica demo --summary target/demo.json $(if $(PROMPT),--prompt "$$MICA_PROMPT")
demo: export MICA_PROMPT := $(value PROMPT)

test: build ## Run all tests: unit, property, pallet, end-to-end over real processes, exactness on an emulated aarch64.
	@bash scripts/features.sh
	$(CARGO) test --release --workspace
	@bash scripts/test-aarch64.sh

bench: build ## Measure: vouchers, routing, the gateway, the engine beside llama.cpp (writes docs/benchmarks*.md).
	$(CARGO) bench --profile release -p mica-market -p mica-protocol
	$(BIN)/mica-worker bench
	@bash scripts/bench-gateway.sh
	@bash scripts/bench-peer.sh

lint: setup ## rustfmt, clippy, features that crates get from each other and, where installed, cargo-deny.
	cargo fmt --all --check
	@bash scripts/features.sh
	SKIP_WASM_BUILD=1 $(CARGO) clippy --release --workspace --all-targets -- -D warnings
	SKIP_WASM_BUILD=1 $(CARGO) clippy --release -p mica-runtime --features runtime-benchmarks,try-runtime -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny check; else echo "lint: cargo-deny is not installed ('cargo install cargo-deny'): licences not checked"; fi

fmt: ## Format all sources.
	cargo fmt --all

doc: setup ## Build the API documentation.
	SKIP_WASM_BUILD=1 RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --release --workspace --no-deps

book: ## Build the book of docs/ with mdBook into target/book.
	PATH="$(TARGET_DIR)/tools/bin:$$PATH" mdbook build docs --dest-dir "$(TARGET_DIR)/book"

reference: build ## Write the book's generated pages: command lines, settings, exit codes, limits, faults.
	UPDATE_REFERENCE=1 $(CARGO) test --release --workspace --test docs generated_pages

weights: setup ## Measure the pallets' weights (needs frame-omni-bencher) and write pallets/*/src/weights.rs.
	@bash scripts/weights.sh

clean: ## Remove everything that was built.
	cargo clean
	rm -rf target
