# make run    builds .venv, installs archsim, evaluates designs/quickstart.toml
# make test   the same set-up with the development tools, then all tests (ARGS="tests/core -x" narrows them)
# Needs only make and a Python >= 3.11 (PYTHON=... names one).

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
# An editable install has no bytecode yet, and with PYTHONDONTWRITEBYTECODE would never have any.
COMPILE := $(PY) -m compileall -q archsim arch workloads sim mappers reports
PYTHON ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint format links types imports planted wheel bench validation scoreboard sample schema clean

help:
	@sed -n '1,3s/^# //p' Makefile
	@echo "make lint | format | types | imports | planted | wheel | bench | validation | scoreboard | sample | schema | clean"

# ---- set-up: each stamp is written last, so that an interrupted step runs again

# A virtual environment holds absolute paths: one that was moved, or whose Python is gone, is made anew.
USABLE := $(shell test "$$(cat $(VENV)/.made-in 2>/dev/null)" = "$$(pwd)" && $(PY) -c '' 2>/dev/null && echo yes)
ifneq ($(USABLE),yes)
.PHONY: $(VENV)/.made-in
endif

$(VENV)/.made-in:
	@python=$$(.ci/find-python $(PYTHON)) && echo "make: $(VENV) with $$python" && "$$python" -m venv --clear $(VENV)
	@pwd > $@

$(VENV)/.installed: pyproject.toml $(VENV)/.made-in
	@echo "make: installing archsim (the first time takes a minute or two)"
	@$(PIP) --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.made-in
	@echo "make: installing archsim with its development tools (the first time takes a minute or two)"
	@$(PIP) --editable '.[dev]'
	@$(COMPILE)
	@touch $@ $(VENV)/.installed

# ---- what one types

run: $(VENV)/.installed
	$(VENV)/bin/archsim evaluate designs/quickstart.toml

test: $(VENV)/.installed-dev
	$(PY) -m pytest -n auto --dist worksteal -p no:benchmark $(ARGS)

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check
	$(PY) -m ruff format --check

format: $(VENV)/.installed-dev
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

links:
	@.ci/links

types: $(VENV)/.installed-dev links
	$(PY) -m mypy
	$(PY) -m pyright --pythonpath $(PY)

imports: $(VENV)/.installed-dev links
	.ci/imports $(PY)

planted: $(VENV)/.installed-dev
	.ci/planted $(PY)

wheel: $(VENV)/.installed-dev
	.ci/wheel $(PY)

bench: $(VENV)/.installed-dev
	$(PY) -m pytest tests/bench/*.py $(ARGS)

validation: $(VENV)/.installed-dev
	$(PY) -m tests.validation.write_report

# Exit code 1 says that a claim is off, which the page shows.
scoreboard: $(VENV)/.installed
	@$(VENV)/bin/archsim reproduce --quiet --out docs/scoreboard.md > /dev/null || test $$? -eq 1

sample: $(VENV)/.installed
	$(PY) .ci/readme_sample.py

schema: $(VENV)/.installed
	$(VENV)/bin/archsim schema --quiet --out designs > /dev/null
	$(VENV)/bin/archsim schema --sweep --quiet --out designs > /dev/null

clean:
	rm -rf $(VENV) .types build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
