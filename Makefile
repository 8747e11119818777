# Verbs of the project; each does its own set-up on a fresh machine (a Rust toolchain and a C compiler are enough; the
# tests install PostgreSQL and NATS).
# `make` with no target lists them.
.DEFAULT_GOAL := help
.PHONY: help build run test test-engines lint fmt bench kill-long ci clean-data

# One target folder for everything.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
CARGO ?= cargo

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## compile the binary
	$(CARGO) build --locked

run: ## build, play a seeded demo on fresh data, and go on serving
	$(CARGO) run --locked -- demo

test: ## every test, the real binary and real SDKs included, on both stacks
	tests/engines.sh
	$(CARGO) build --locked
	$(CARGO) test --locked --workspace
	$(MAKE) test-engines

# Modules of tests/scenarios that `STACK` means nothing to.
ONE_STACK := deadlines demo full_disk law lost_answers manifests refused_starts replicas skew walls

test-engines: ## services and scenarios on PostgreSQL and JetStream, each service as a process of its own
	tests/engines.sh
	$(CARGO) build --locked
	@# What does not depend on the stack, or says itself on which it runs, was tested before: on the machine's own
	@# nats-server. Here it is a current one, which flushes before it acknowledges, as in production. Always of the whole
	@# workspace, so that nothing is compiled again with other features of its dependencies.
	NATS_SERVER=$$(tests/nats.sh) && export NATS_SERVER && \
	$(CARGO) test --locked --workspace --lib jetstream:: && \
	STACK=engines && export STACK && \
	$(CARGO) test --locked --workspace --test it --test calls --test raw_to_events --test service && \
	$(CARGO) test --locked --workspace --test scenarios -- $(addprefix --skip ,$(addsuffix ::,$(ONE_STACK))) && \
	$(CARGO) test --locked --workspace --test scenarios -- manifests::running manifests::production

lint: ## formatting, clippy, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@# Not wire: its comments are those of proto/, which are no Markdown.
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --exclude wire --no-deps --document-private-items

fmt: ## format all code
	$(CARGO) fmt --all

bench: ## measure every stage beside its peers; writes tests/bench/RESULTS.md
	tests/engines.sh
	$(CARGO) build --locked --release -p guanxi -p tests
	NATS_SERVER=$$(tests/nats.sh) && export NATS_SERVER && $(CARGO_TARGET_DIR)/release/bench

bench-%: ## measure one stage, such as bench-funnel
	tests/engines.sh
	$(CARGO) build --locked --release -p guanxi -p tests
	NATS_SERVER=$$(tests/nats.sh) && export NATS_SERVER && $(CARGO_TARGET_DIR)/release/bench $*

kill-long: ## 200 kills -9 on each stack under load, more than a million events acknowledged: none may be lost
	tests/engines.sh
	$(CARGO) build --locked --release -p guanxi -p tests
	NATS_SERVER=$$(tests/nats.sh) && TESTED_BINARY=$(CARGO_TARGET_DIR)/release/guanxi && \
	export NATS_SERVER TESTED_BINARY KILL_TEST_KILLS=200 KILL_TEST_BATCH=320 && \
	STACK=embedded $(CARGO) test --locked --workspace --test scenarios kill:: && \
	STACK=engines $(CARGO) test --locked --workspace --test scenarios kill::

ci: lint test ## what CI runs

clean-data: ## forget what was collected under ./data
	rm -rf data
