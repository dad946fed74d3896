# make run: set up what is missing, build the default image, boot it. make chat: the same, with a language model.
# make test: the same set-up, then every check.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
C_FILES = $(shell git ls-files 'kernel_c/*.[ch]' 'tests/*.[ch]' 'benchmarks/*.[ch]' 2>/dev/null || find kernel_c tests benchmarks -name '*.[ch]')
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=

.PHONY: help run chat test test-slow fuzz lint format generated default-model bench clean need-run need-test need-slow need-fuzz

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|' 2>/dev/null || \
	    grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST)

run: need-run $(VENV)/.run ## build the default image and boot it (ARGS="--samples 5": options of kgpt run)
	$(BIN)/kgpt build
	@echo 'To talk to a language model instead: make chat (SmolLM2 135M, a download of 93 MB)'
	$(BIN)/kgpt run $(ARGS)

chat: need-run $(VENV)/.run ## get a small language model, build it, boot it and chat (ARGS="--target hosted": without QEMU, faster)
	$(BIN)/kgpt run smollm2-135m $(ARGS)

test: need-test $(VENV)/.test lint ## every test, boot tests included (ARGS="-k pvh": options of pytest)
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow" $(ARGS)

test-slow: need-test need-slow $(VENV)/.slow ## the tests marked slow, llama.cpp beside ours among them
	$(BIN)/python -m pytest -n $(JOBS) -m slow $(ARGS)

fuzz: need-fuzz $(VENV)/.test ## look for inputs that break a reader (FUZZ_SECONDS=60 for each, FUZZ_TARGETS="gguf vocab")
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

lint: $(VENV)/.test ## ruff, mypy, clang-format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy kgpt_build tests benchmarks scripts
	$(BIN)/clang-format --dry-run -Werror $(C_FILES)

format: $(VENV)/.test ## write the sources in the style that lint wants
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	$(BIN)/clang-format -i $(C_FILES)

generated: $(VENV)/.test ## write the Python and the tables of documents that are made from events.def and options.def
	$(BIN)/python scripts/generate_events.py
	$(BIN)/python scripts/generate_options.py

default-model: $(VENV)/.test ## train the model that ships with the package, anew
	$(BIN)/python -m kgpt_build.reference --output kgpt_build/data/default.gguf

bench: need-run $(VENV)/.test ## measure builds, sizes, boots; print, assert nothing
	$(BIN)/python -m benchmarks

clean: ## remove what was built, not the virtual environment
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache

need-run:
	@scripts/need venv qemu

need-test:
	@scripts/need venv qemu cc clang lld grub grub-bios grub-uefi ovmf

need-slow:
	@scripts/need bochs cxx

need-fuzz:
	@scripts/need venv qemu clang fuzzer

# The stamp falls with the list of packages; an environment left half-made is made anew.
$(VENV)/.run: pyproject.toml
	test -x $(BIN)/pip || python3 -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.test: pyproject.toml | need-run
	test -x $(BIN)/pip || python3 -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.run

# Compiles llama.cpp for this machine, which takes some minutes.
$(VENV)/.slow: $(VENV)/.test
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,llama]'
	touch $@
