# What a developer, and a newcomer, does here.  ARGS are handed on:
#   make demo ARGS=--keep       make test ARGS='-k sequences'
# Needs python3 >= 3.11, and PyPI for what it installs into VENV.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
BIN    := $(VENV)/bin
PIP    := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
          $(BIN)/python -m pip install -qq

RULES      := $(wildcard config/*rules*.yml)
RULE_TESTS := $(wildcard tests/prometheus/*.yml)
UNITS      := $(wildcard systemd/*.service)

.PHONY: help venv demo servers test bench docs docs-links deb test-deb clean check check-lint check-format \
    check-types check-layers check-rules check-units check-docker
.DELETE_ON_ERROR:

help:
	@echo 'make demo    two nodes, every kind of conflict, what was recorded; no server needed'
	@echo 'make test    all tests, on every PostgreSQL version that can be had'
	@echo 'make check   linters, types, layers, alerting rules, systemd units, Dockerfile'
	@echo 'make bench   the measurements'
	@echo 'make docs    the documentation as a site, in site/; a broken link is an error'
	@echo 'make docs-links   the same, and whether what it links to elsewhere is there'
	@echo 'make deb     a Debian package, in dist/; SUITE=trixie for Debian 13'
	@echo 'make clean   remove what these made in this folder'

venv: $(BIN)/python

# Debian has venv in a package of its own; without it `python3 -m venv` fails half-way.
# virtualenv from PyPI, in a folder that is thrown away, does the same without root.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'pgconflict needs Python 3.11 or later (make PYTHON=/path/to/python3):' >&2; \
	    $(PYTHON) --version >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >$(VENV).log 2>&1 || { \
	    rm -rf $(VENV); \
	    $(PYTHON) -m virtualenv --quiet $(VENV) >>$(VENV).log 2>&1; } || { \
	    rm -rf $(VENV); \
	    $(PYTHON) -m pip install --quiet --target $(VENV).virtualenv virtualenv \
	        >>$(VENV).log 2>&1 && \
	    PYTHONPATH=$(VENV).virtualenv $(PYTHON) -m virtualenv --quiet $(VENV) \
	        >>$(VENV).log 2>&1; } || { \
	    rm -rf $(VENV) $(VENV).virtualenv; \
	    test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	    apt-get -qq update >>$(VENV).log 2>&1 && \
	    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes \
	        --no-install-recommends python3-venv >>$(VENV).log 2>&1 && \
	    $(PYTHON) -m venv $(VENV) >>$(VENV).log 2>&1; } || { \
	    cat $(VENV).log >&2; rm -rf $(VENV) $(VENV).log $(VENV).virtualenv; \
	    echo 'No virtual environment can be made with $(PYTHON).' >&2; \
	    echo 'Remedy on Debian and Ubuntu: apt install python3-venv; then again.' >&2; \
	    exit 1; }
	@rm -rf $(VENV).log $(VENV).virtualenv

# Editable: what is run is this folder, also after a change.
$(VENV)/demo.stamp: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[demo]'
	@touch $@

# .[dev] holds .[demo].
$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $(VENV)/demo.stamp $@

demo: $(VENV)/demo.stamp
	@$(BIN)/pgconflict demo $(ARGS)

# Says what it found and what it could not get; fails only for PGCONFLICT_REQUIRE_PG.
servers: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.fixtures.postgres

# Two files at a time, each with servers of its own: most of a test is waiting for one.
test: servers
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

bench: servers
	@$(BIN)/python -m tests.bench $(ARGS)

$(VENV)/docs.stamp: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[docs]'
	@touch $@

# Not --quiet: it hides warnings from --strict, too, and a broken link passes.
docs: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Asks every host that the site links to: not for a machine without the Internet.
docs-links: docs
	$(PIP) 'linkchecker>=10.5,<11'
	$(BIN)/linkchecker --no-status --no-warnings --check-extern \
	    --ignore-url '/404\.html$$' --ignore-url '^https?://127\.' $(ARGS) site/index.html

# SUITE is the environment's, also for test-deb.
deb: $(VENV)/demo.stamp
	@PYTHON=$(abspath $(BIN)/python) packaging/deb/build.sh dist

# Needs root and, the first time, Debian's mirror: the package is installed into a
# Debian that has nothing else, upgraded and purged.
test-deb: $(VENV)/dev.stamp deb
	@PYTHON=$(abspath $(BIN)/python) tests/debian/run.sh \
	    "$$(ls -t dist/pgconflict_*.deb | head -1)" $(ARGS)

# `make -k check` goes on after a failure.
check: check-lint check-format check-types check-layers check-rules check-units check-docker

check-lint: $(VENV)/dev.stamp
	$(BIN)/ruff check

check-format: $(VENV)/dev.stamp
	$(BIN)/ruff format --check

check-types: $(VENV)/dev.stamp
	$(BIN)/mypy

check-layers: $(VENV)/dev.stamp
	$(BIN)/lint-imports

check-docker: $(VENV)/dev.stamp
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml

# A tool that the machine has not is an error in CI, and said elsewhere.
check-rules:
ifneq ($(RULES),)
	@if command -v promtool >/dev/null; then \
	    promtool check rules $(RULES) && \
	    $(if $(RULE_TESTS),promtool test rules $(RULE_TESTS),true); \
	else echo 'NOT CHECKED: $(RULES) (Debian: apt install prometheus)' >&2; \
	    test -z "$$CI"; fi
endif

# verify wants the program of ExecStart to exist on this machine; here it need not.
# It exits with 0 after an unknown key, so that every line on our units counts.
check-units:
ifneq ($(UNITS),)
	@if command -v systemd-analyze >/dev/null; then \
	    folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	    for unit in $(UNITS); do \
	        sed -E 's,^(Exec[A-Za-z]+=[-+!@:]*)/[^ ]+,\1/bin/true,' "$$unit" \
	            >"$$folder/$${unit##*/}" || exit 1; done && \
	    echo 'systemd-analyze verify $(UNITS)' && \
	    said=$$(systemd-analyze verify --man=no "$$folder"/*.service 2>&1); \
	    status=$$?; printf '%s\n' "$$said" | grep -F "$$folder" >&2 && exit 1; \
	    test $$status = 0 || { printf '%s\n' "$$said" >&2; exit 1; }; \
	else echo 'NOT CHECKED: $(UNITS) (Debian: apt install systemd)' >&2; \
	    test -z "$$CI"; fi
endif

clean:
	rm -rf $(VENV) $(VENV).log $(VENV).virtualenv build dist site
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find pgconflict tests -name __pycache__ -type d -prune -exec rm -rf {} +
