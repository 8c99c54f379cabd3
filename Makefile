# The commands of this project. `make demo` and `make test` install what is missing first.
# REQUIRE=mariadb,postgresql make test turns the absence of an optional program into a failure.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo
GATK := $(or $(BATCHYARD_GATK),.cache/gatk/$(shell sed -n 's,.*<gatk.version>\(.*\)</gatk.version>.*,\1,p' scripts/gatk/pom.xml))
TARGET := $(or $(CARGO_TARGET_DIR),target)
PATH := $(PATH):$(HOME)/.cargo/bin
export PATH

.PHONY: demo test gatk check run bench clean

## build, then run the example pipeline and show what came out
demo:
	@scripts/setup.sh demo
	@$(CARGO) build --release --quiet
	@$(TARGET)/release/batchyard demo

## all tests, then what could not be tested here (tests write "not tested: NAME (install PACKAGE)" to stderr)
test:
	@scripts/setup.sh test
	@log=$$(mktemp); status=0; \
	$(CARGO) test --workspace --quiet 2>&1 | tee "$$log" || status=$$?; \
	grep -oh 'not tested: .*' "$$log" | sort -u || true; \
	rm -f "$$log"; exit $$status
	@python3 -m unittest discover --quiet --start-directory tests/gatk

## the GATK pipelines with real GATK by every door, against data whose truth is known (PARTS=run,mistakes for some of it)
gatk:
	@scripts/setup.sh gatk
	@$(CARGO) build --quiet
	@tests/gatk/main.py --program $(TARGET)/debug/batchyard --gatk $(GATK) --work $(TARGET)/gatk \
		--figures $(TARGET)/gatk-figures.json $(if $(PARTS),--only $(PARTS))
	@BATCHYARD_GATK=$(abspath $(GATK)) $(CARGO) test --quiet --test e2e -- --ignored --nocapture real_gatk

## format and lints, warnings are errors
check:
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings

## the program with ARGS, as in: make run ARGS="check pipeline.wdl"
run:
	@$(CARGO) run --release --quiet -- $(ARGS)

## figures against the floor on this machine
bench:
	@benches/run.sh

## what builds and demos left behind
clean:
	@$(CARGO) clean
	@rm -rf .cache .venv demo-run batchyard-runs
