# Postern. `make` alone lists what there is. Every setting of .env.example can be given in the environment:
#   DATA_DIR=/srv/postern KEY_DIR=/etc/postern/keys DICOM_PORT=104 make run
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install lock test-deps demo run check test test-sqlite test-postgresql conformance bench card soak stress wheel audit-deps

# The first Python of 3.11 or newer that really starts; say PYTHON=/path/to/python to choose.
PYTHON ?= $(shell for one in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$one" && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ONCE ?=
unexport PYTHONDONTWRITEBYTECODE  # whatever is started again and again is compiled once
JOBS ?= 5
SPREAD = -n $(JOBS) --dist worksteal

help: ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

install: $(STAMP) ## Build .venv from the pinned, hashed requirements

$(STAMP): requirements.txt requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found. Install one, or say PYTHON=/path/to/python."; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "The virtual environment could not be made. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

lock: $(STAMP) ## Pin and hash what requirements.in and requirements-dev.in ask for
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 \
		--custom-compile-command "make lock" requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 \
		--custom-compile-command "make lock" -c requirements.txt requirements-dev.in -o requirements-dev.txt

test-deps: ## Install what the tests need: Debian packages (as root or with sudo), and a client from npm
	@deploy/test-deps deploy/apt-test.txt
	@command -v npm >/dev/null || deploy/test-deps deploy/apt-npm.txt
	@npm ci --prefix tests/peers/dcmjs --ignore-scripts --no-audit --no-fund --loglevel error

demo: $(STAMP) ## Send three studies through the whole house and keep serving; ONCE=1 stops when they have arrived
	$(BIN)/python manage.py demo $(if $(filter 1 yes true,$(ONCE)),--once)

run: $(STAMP) ## Migrate, then serve: web, listener and workers
	$(BIN)/python manage.py migrate --verbosity 0
	exec $(BIN)/python manage.py serve

check: $(STAMP) ## ruff, mypy --strict, import rules, unit tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q $(SPREAD) -m unit

test: test-deps test-sqlite test-postgresql ## Everything on SQLite, and what knows its database on PostgreSQL

test-sqlite: $(STAMP)
	POSTERN_TEST_DB=sqlite $(BIN)/pytest -q $(SPREAD) $(if $(filter check,$(MAKECMDGOALS)),-m "not unit")

# Libraries know no database (import-linter holds that), and peers, cut networks and long batches ask little of it: what
# these say, they have said on SQLite.
SAID := $(addprefix tests/,bench deid network storage docs peers retrieval/pull/test_peers.py link/test_link.py \
	management/test_demo.py management/test_deidentify.py management/test_deidentify_batch.py management/test_tls.py \
	management/test_listening.py management/test_serve.py \
	journeys/test_cut.py journeys/test_memory.py journeys/test_alerts.py journeys/test_dead_destinations.py \
	journeys/test_large_archive.py journeys/test_dicomweb.py journeys/test_dicomweb_reads.py journeys/test_service.py \
	journeys/test_every_door.py journeys/test_backend.py journeys/test_archive_commits.py journeys/test_restored.py \
	journeys/test_staging_to_research.py journeys/test_round_trip.py journeys/test_results_come_home.py \
	journeys/test_who_is_it.py journeys/test_whole_studies.py journeys/test_killed_midway.py journeys/test_dispatch.py \
	api/test_headers.py $(addprefix dicomweb/test_,bodies.py client.py frame.py giving.py memory.py pictures.py streaming.py))

test-postgresql: $(STAMP)
	POSTERN_TEST_DB=postgresql $(BIN)/pytest -q $(SPREAD) -m "not unit" $(addprefix --ignore=,$(SAID))

conformance: $(STAMP) ## Write the tables of docs/conformance.md anew from the code
	$(BIN)/python -m tests.docs.conformance

soak: $(STAMP) ## The whole house under mixed load for an hour (SOAK_MINUTES=n): memory and descriptors must stay flat
	TCP_NODELAY=1 $(BIN)/python -m tests.soak

STORMS := stress-mutants stress-storm stress-dead stress-large
.PHONY: $(STORMS)

stress: $(STORMS) ## What takes too long for the suite, all of it or one: make stress-storm (SEED=n repeats a run)

stress-mutants: $(STAMP) ## Ten thousand broken files through the engine (COUNT=n)
	PYTHONPATH=. SEED=$(or $(SEED),$(shell date +%s)) COUNT=$(or $(COUNT),10000) $(BIN)/python -W ignore -m tests.deid.mutants

stress-storm: $(STAMP) ## Workers killed while 200 studies go to four kinds of destination, of which one request in ten fails
	TCP_NODELAY=1 $(BIN)/python -m tests.stress.storming

stress-dead: $(STAMP) ## What a destination that is dead in any way costs the sender and the others (DEAD=dimse,dicomweb,backend)
	TCP_NODELAY=1 $(BIN)/python -m tests.stress.dead

stress-large: $(STAMP) ## A study of 5 GB as one ZIP, its upload cut at nine tenths (GIGABYTES=n)
	TCP_NODELAY=1 $(BIN)/python -m tests.stress.large

BENCHES := $(patsubst tests/bench/%.py,%,$(wildcard tests/bench/bench_*.py))
.PHONY: $(subst _,-,$(BENCHES))

bench: $(subst _,-,$(filter-out %_million,$(BENCHES))) ## Benchmarks, peers beside us in the same run (RUNS=n); or one: make bench-wire

bench-million: ## Reception into an index of a million images, beside an empty one

bench-find-million: ## Queries of a million studies on PostgreSQL: first answers, and memory of a long one

$(subst _,-,$(BENCHES)): bench-%: $(STAMP)
	@echo "== $*"
	@PYTHONPATH=. TCP_NODELAY=1 $(BIN)/python tests/bench/bench_$(subst -,_,$*).py

card: $(STAMP) ## The throughput card: de-identified images a second by modality mix, peers beside us
	@PYTHONPATH=. TCP_NODELAY=1 $(BIN)/python -m tests.bench.card

audit-deps: $(STAMP) ## Ask whether a pinned library has a known hole (needs the advisories of PyPI; says so without)
	@deploy/audit-deps $(BIN)/pip-audit requirements.txt requirements-dev.txt

wheel: $(STAMP) ## The engine alone as a wheel in dist/: proxy.deid and postern-deid, without Django
	$(BIN)/uv build --quiet --offline --wheel --out-dir dist
