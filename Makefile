# make run: install missing tools, build the default kernel, boot it. make chat: the same with a language model.
# make test: install missing tools, then run all checks.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
C_FILES = $(shell git ls-files 'kernel_c/*.[ch]' 'tests/*.[ch]' 'benchmarks/*.[ch]' 2>/dev/null || \
    find kernel_c tests benchmarks -name '*.[ch]')
JOBS ?= $(shell nproc)
BROWSER := tests/browser
TORCH := torch==2.13.0+cpu
LLAMAC2PY := llamac2py==0.1.4
ZIG = ziglang==$$($(BIN)/python -c "from kgpt_build.toolchain.zig import Zig; print(Zig.pinned)")
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=
PEERS ?=
INTO ?=

.PHONY: help run chat test test-slow fuzz lint format generated default-model peers bench bench-models microbench clean
.PHONY: need-run need-test need-slow need-fuzz need-peers

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | \
	    column -t -s '|' 2>/dev/null || grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST)

run: need-run $(VENV)/.run ## build the default kernel and boot it (ARGS="--samples 5": options of kgpt run)
	$(BIN)/kgpt build
	@echo 'To talk to a language model instead: make chat (SmolLM2 135M, a download of 93 MB)'
	$(BIN)/kgpt run $(ARGS)

chat: need-run $(VENV)/.run ## boot a small language model and chat (ARGS="--target hosted": faster, without QEMU)
	$(BIN)/kgpt run smollm2-135m $(ARGS)

test: need-test $(VENV)/.torch lint ## run all tests, including boot tests (ARGS="-k pvh": options of pytest)
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow" $(ARGS)

SLOW := $(VENV)/.slow $(BROWSER)/node_modules
test-slow: need-test need-slow $(SLOW) ## run the tests marked slow, also beside llama.cpp
	$(BIN)/python -m pytest -n $(JOBS) -m slow $(ARGS)

fuzz: need-fuzz $(VENV)/.test ## search inputs that crash a reader (FUZZ_SECONDS=60 for each, FUZZ_TARGETS="gguf vocab")
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

lint: $(VENV)/.test ## check style and types: ruff, mypy, clang-format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy kgpt_build tests benchmarks scripts
	$(BIN)/clang-format --dry-run -Werror $(C_FILES)

format: $(VENV)/.test ## format the sources as lint requires
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	$(BIN)/clang-format -i $(C_FILES)

generated: $(VENV)/.test ## generate Python and tables of documents from events.def and options.def
	$(BIN)/python scripts/generate_events.py
	$(BIN)/python scripts/generate_options.py

default-model: $(VENV)/.test ## train the model of the package again
	$(BIN)/python -m kgpt_build.reference --output kgpt_build/data/default.gguf

peers: need-peers $(VENV)/.run ## build the engines that benchmarks compare with (PEERS="llama.cpp"); takes minutes
	@JOBS=$(JOBS) scripts/peers $(BIN)/python $(PEERS)

bench: need-run $(VENV)/.test ## measure everything: builds, boots, products, language models; asserts nothing
	$(BIN)/python -m benchmarks
	$(MAKE) microbench bench-models

# INTO=docs/inference.md puts each table into its part of the document, too.
bench-models: need-run $(VENV)/.test ## make the tables of docs/inference.md (make peers first); ARGS="headline start"
	$(BIN)/python -m benchmarks.inference.everything $(if $(INTO),--into $(INTO)) $(ARGS)

microbench: need-run $(VENV)/.test ## measure each type's products beside what this processor can do
	$(BIN)/python -m benchmarks.microbench $(if $(INTO),--into $(INTO):microbench) $(ARGS)

clean: ## remove build outputs, but not the virtual environment
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache

need-run:
	@scripts/need venv qemu

need-test:
	@scripts/need venv qemu arm cc clang lld grub grub-bios grub-uefi ovmf signing xkb dnsmasq nginx ip exfat

need-slow:
	@scripts/need arm-gcc proot bochs chromium curl cxx lwip mbpoll node prometheus u-boot

need-peers:
	@scripts/need venv qemu cmake cc cxx

need-fuzz:
	@scripts/need venv qemu clang fuzzer

# The stamp depends on the list of packages. An incomplete environment is created again.
$(VENV)/.run: pyproject.toml
	test -x $(BIN)/pip || python3 -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.test: pyproject.toml | need-run
	test -x $(BIN)/pip || python3 -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.run

# PyTorch's CPU build, where the package index has one: the usual build brings gigabytes for GPUs.
$(VENV)/.torch: $(VENV)/.test
	@$(BIN)/pip install --quiet --disable-pip-version-check '$(TORCH)' 2>/dev/null || \
	    echo 'make: there is no $(TORCH) here: the tests that need PyTorch are skipped (pip install torch brings them)'
	touch $@

# Compiles llama.cpp for this machine; this takes minutes. PyTorch comes first: transformers is of no use without it.
# llamac2py is not installed: a test compiles the run.c of llama2.c that its archive has. The zig for aarch64 (98 MB) is
# for tests that build on two hosts.
$(VENV)/.slow: $(VENV)/.torch
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,llama,clients,transformers]'
	@$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest $(VENV) \
	    $(LLAMAC2PY) 2>/dev/null || echo 'make: there is no $(LLAMAC2PY) here: the tests of its run.c are skipped'
	@$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest $(VENV) \
	    --platform manylinux2014_aarch64 "$(ZIG)" 2>/dev/null || \
	    echo 'make: there is no ziglang for aarch64 here: the tests of builds on two hosts are skipped'
	touch $@

# playwright-core, which drives the browser of the tests; the lock has its SHA-512.
$(BROWSER)/node_modules: $(BROWSER)/package-lock.json
	cd $(BROWSER) && npm ci --silent --ignore-scripts --no-audit --no-fund
	touch $@
