# Needs Python 3.11 or newer with pip, and make. Everything else is set up on first use, in .venv,
# and again only when pyproject.toml or the pinned versions change. `make help` says what there is.

PYTHON ?= python3
PIP_TORCH_ARGS ?=
JOBS ?= auto
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
LOWEST := .venv-lowest
PIP := -m pip --disable-pip-version-check install --quiet

# One thread a process: the matrices are small, the tests run side by side, timings are comparable.
OMP_NUM_THREADS ?= 1
OPENBLAS_NUM_THREADS ?= 1
MKL_NUM_THREADS ?= 1
MPLBACKEND ?= Agg
export OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS MPLBACKEND
# Hundreds of tests start a Python: with nothing kept, each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup demo play docs test test-long check lint types lowest test-lowest wheel bench
.PHONY: scoreboard format clean distclean

help: ## show this list
	@echo "usage: make TARGET [VARIABLE=value ...]"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PYTHON=python3.12      the Python to set up with, 3.11 or newer (here: $(PYTHON))"
	@echo "  PIP_TORCH_ARGS='...'   more arguments for pip when it installs PyTorch, for example, for"
	@echo "                         the CPU-only build (0.2 GB where the CUDA build takes several):"
	@echo "                         --index-url https://download.pytorch.org/whl/cpu"
	@echo "  ARGS='...'             more arguments for the program that a target runs,"
	@echo "                         for example ARGS='-k softmax' with test"
	@echo "  JOBS=4                 test processes (here: $(JOBS), at most 8)"

setup: $(READY) ## set up .venv; the other targets do it themselves

demo: $(READY) ## the main job: train on both engines, compare every number, draw into out/
	$(PY) -m reference --out out $(ARGS)

play: $(READY) ## the playground: train, step through backward and compare, in the browser
	$(PY) -m tinygrad_cls play $(ARGS)

docs: $(READY) ## run the pages' examples, build the site into out/docs; warnings are errors
	@rm -rf docs/lessons docs/_build out/docs
	DOCS=1 $(PY) -m pytest -q tests/test_docs_site.py
	$(PY) -m sphinx -W --keep-going -q -b html docs out/docs
	$(PY) docs/_ext/offline.py out/docs

test: $(READY) ## all tests; those of pages need Debian's chromium and chromium-driver
	$(PY) -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal $(ARGS)

test-long: $(READY) ## all tests with many more random examples, by hand
	HYPOTHESIS_PROFILE=long $(PY) -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal $(ARGS)

check: lint types test lowest wheel docs ## everything that must hold before a change lands
	@echo "make check: all passed"

lint: $(READY) ## ruff's rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(READY) ## mypy, strict
	$(PY) -m mypy

lowest: ## the tests that need no PyTorch, on the lowest NumPy admitted
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 13))'; then \
	  echo "make lowest: NumPy 2.0 has no wheels for this Python; skipped (PYTHON=python3.11 has)"; \
	else $(MAKE) --no-print-directory test-lowest; fi

test-lowest: $(LOWEST)/.ready
	$(LOWEST)/bin/python -m pytest -n $(JOBS) --maxprocesses 8 --dist worksteal $(ARGS)

wheel: $(READY) ## build sdist and wheel, try each where nothing else is
	@rm -rf dist
	$(PY) -m build --no-isolation
	$(PY) .ci/try_dist.py dist

bench: $(READY) ## time a training step against PyTorch
	$(PY) -m benchmarks $(ARGS)

scoreboard: $(READY) ## gradient checkers on planted faults; sets up JAX and HIPS autograd too
	$(PY) $(PIP) -c constraints-dev.txt -e '.[scoreboard]'
	$(PY) -m tinygrad_cls judge --scoreboard $(ARGS)

format: $(READY) ## let ruff reformat and repair what it can
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

clean: ## remove what was built, drawn and cached; keeps .venv
	rm -rf out dist build docs/lessons docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean ## clean, and remove the set-up as well
	rm -rf $(VENV) $(LOWEST)

# PyTorch comes first and alone, so that PIP_TORCH_ARGS apply to nothing else; what it depends on
# comes with the rest, in the pinned versions.
$(READY): pyproject.toml constraints-dev.txt | $(PY)
	@echo "Setting up $(VENV): PyTorch, NumPy, scikit-learn, ... (once; takes a few minutes)"
	$(PY) $(PIP) --no-deps -c constraints-dev.txt torch $(PIP_TORCH_ARGS)
	$(PY) $(PIP) -c constraints-dev.txt -e '.[dev,reference]'
	@touch $@

$(LOWEST)/.ready: pyproject.toml constraints-lowest.txt | $(LOWEST)/bin/python
	$(LOWEST)/bin/python $(PIP) -c constraints-lowest.txt -e '.[test]'
	@touch $@

# Debian's Python may lack ensurepip; its own pip then puts one into the new environment.
$(PY) $(LOWEST)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, but PYTHON=$(PYTHON) is: $$($(PYTHON) --version 2>&1)"; \
	  echo "Name one that is, for example: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; } >&2
	@$(PYTHON) -m venv --clear $(@D)/.. 2>/dev/null || { \
	  $(PYTHON) -m venv --clear --without-pip $(@D)/.. && \
	  $(PYTHON) -m pip --python $@ install --quiet pip; }
