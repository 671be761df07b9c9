# `make` alone lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
# Which build of PyTorch to use is yours to choose (CPU, CUDA); see docs/operators.md.
TORCH ?= torch==2.13.0
LABEL_STUDIO ?= label-studio==1.23.2
TOOLS := .venv-tools
UV := $(TOOLS)/bin/uv
VENV := .venv
BIN := $(VENV)/bin
LS_VENV := .venv-label-studio
WORKERS ?= 2
EXPORT := $(UV) export --quiet --locked --no-emit-project --extra backend --group ml --no-group dev --no-header

# Run a long, quiet command and say every 10 s that it still goes on.
define WAIT_FOR
	@$(1) & pid=$$!; seconds=0; \
	while sleep 1; seconds=$$((seconds + 1)); kill -0 $$pid 2>/dev/null; do \
	  if ((seconds % 10 == 0)); then echo "  … $$seconds s"; fi; \
	done; wait $$pid
endef

# Nothing may be fetched from a hub at run time.
export HF_HUB_OFFLINE := 1
export TRANSFORMERS_OFFLINE := 1

.PHONY: help install install-label-studio demo clean-demo llama-cpp-tools test bench-generation lint requirements

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

install: $(VENV)/.installed $(LS_VENV)/.installed  ## make .venv and .venv-label-studio with everything

$(UV):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else f"Seedbed needs Python 3.10 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=python3.11 ...")'
	@echo "→ uv (installs everything else)"
	@$(PYTHON) -m venv $(TOOLS)
	$(call WAIT_FOR,$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9')

# torch goes in first with pip (your build of it); the lock leaves it alone.
$(VENV)/.installed: pyproject.toml uv.lock | $(UV)
	@echo "→ Seedbed's environment; llama.cpp is compiled once, which takes about 5 minutes"
	@test -x $(BIN)/python || $(UV) venv --quiet --seed --python $(PYTHON) $(VENV)
	@echo "→ PyTorch ($(TORCH))"
	$(call WAIT_FOR,{ $(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check '$(TORCH)'; })
	@echo "→ the locked packages"
	$(call WAIT_FOR,$(UV) sync --quiet --locked --inexact --all-extras)
	@touch $@

# Label Studio pins its own redis and rq: it lives in an environment of its own.
$(LS_VENV)/.installed: | $(UV)
	@echo "→ Label Studio's own environment ($(LABEL_STUDIO))"
	@test -x $(LS_VENV)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(LS_VENV)
	$(call WAIT_FOR,$(UV) pip install --quiet --python $(LS_VENV)/bin/python '$(LABEL_STUDIO)')
	@touch $@

demo: install  ## start everything, grow demo data, review it in the browser (ONCE=1: check and exit)
	@$(BIN)/python demo/run.py $(if $(ONCE),--once)

clean-demo:  ## remove the demo's state (.seedbed/)
	rm -rf .seedbed

llama-cpp-tools: $(VENV)/.installed  ## build llama-server for the tests, once (4 minutes; needs cmake)
	@echo "→ llama-server and llama-batched-bench"
	$(call WAIT_FOR,$(BIN)/python tests/servers/llama_cpp_tools.py)

test: install llama-cpp-tools  ## unit, contract and integration tests on the real services
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

bench-generation: install llama-cpp-tools  ## speed of generation against what people run instead (45 min, idle machine)
	@$(BIN)/python benchmarks/generation.py $(ARGS)

lint: $(VENV)/.installed  ## style, types, import direction, lock
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(UV) lock --check
	$(EXPORT) | diff -q - requirements.txt || { echo "requirements.txt is stale: make requirements"; exit 1; }

requirements: | $(UV)  ## write requirements.txt (hashed) from uv.lock, for plain pip
	$(EXPORT) > requirements.txt
