# What each target needs is installed into .venv by the target itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo serve test test-all coverage test-oldest browser fuzz soak bench bench-quick lint types docs nginx format clean
.DEFAULT_GOAL := help

help:
	@echo "make demo      set up, start the example app, call it in JSON and in binary mode"
	@echo "make serve     set up, start the example app and leave it running"
	@echo "make test      set up and pass the tests"
	@echo "make test-all  the same, and the tests that need heavy packages"
	@echo "make coverage  the tests again, with branch coverage and its gate"
	@echo "make test-oldest  the tests of both lanes with the oldest versions that work"
	@echo "make fuzz      look for input that breaks something, for FUZZ_SECONDS (60)"
	@echo "make soak      many good and bad clients at one server, for SOAK_SECONDS (60)"
	@echo "make bench     measure against other servers and clients, about 12 minutes"
	@echo "make bench-quick  the same in less than two"
	@echo "make lint      ruff: rules and format"
	@echo "make types     mypy --strict on the package"
	@echo "make docs      the documentation as a site, in build/docs"
	@echo "make format    let ruff mend what it can"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

# One stamp for each dependency group that is installed.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . --group $*
	@touch $@

demo: $(VENV)/.installed-example
	$(BIN)/python -m example_app.demo

serve: $(VENV)/.installed-example
	$(BIN)/python -m example_app

# In a process for each core, up to four: some tests take memory.
test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4

coverage: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --every-path \
	  --cov --cov-report=term

# All tests, unless TESTS names some.
test-all: $(VENV)/.installed-heavy browser nginx
	$(BIN)/python -m pytest -m "" --every-path $(TESTS)

# A browser is the system's: Debian's, where we may install it.
browser:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	  --no-install-recommends chromium chromium-driver >/dev/null; \
	else echo "chromium and chromedriver are not there: the tests in a browser will be skipped"; fi

# nginx is the system's as well.
nginx:
	@PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	  --no-install-recommends nginx >/dev/null; \
	else echo "nginx is not there: the tests behind it will be skipped"; fi

OLDEST := .venv-oldest
$(OLDEST)/.installed: pyproject.toml tests/integration/frameworks/oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(OLDEST)/bin/python -m pip install --quiet --editable . --group test \
	  --constraint tests/integration/frameworks/oldest.txt
	@touch $@

# Left out is what these versions do not have: FastAPI's own limit of bodies, and a deque under Any.
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest tests/fastapi tests/starlette/test_lane.py \
	  tests/asgi/test_middleware.py tests/asgi/test_over_the_wire.py tests/integration/frameworks/test_fastapi_ways.py \
	  -k "not own_limit and not containers and not scope_key_of_the_body_limit"
	$(OLDEST)/bin/python -m pytest tests/integration/frameworks/test_frameworks.py \
	  -k "uvicorn-raw or uvicorn-starlette or uvicorn-fastapi"

FUZZ_SECONDS ?= 60
fuzz: $(VENV)/.installed-fuzz
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

SOAK_SECONDS ?= 60
soak: $(VENV)/.installed-test
	$(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS)

bench: $(VENV)/.installed-bench
	$(BIN)/python -m tests.benchmarks

bench-quick: $(VENV)/.installed-bench
	$(BIN)/python -m tests.benchmarks --quick

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-lint
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs

format: $(VENV)/.installed-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OLDEST) demo_output build
