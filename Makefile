# Every target works from a fresh clone: it makes the environment and brings up what it needs.
# Needed beforehand: Python 3.11+ with a C compiler, and either Docker or JDK 17+ with Maven.

FOR ?=
DEGRADE ?=
SEEDS ?= 20
JOBS ?= 2
KILLS ?= 200
TESTS ?=

# Tests that wait for brokers are more at a time than processors; those that compute take the rest.
WORKERS ?= 6

# `make lock UPGRADE=` keeps the versions that stand there and only adds what is new.
UPGRADE ?= --upgrade
LOCK_OPTIONS := --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
	--no-emit-trusted-host --no-emit-find-links

VENV := .venv
PY := $(VENV)/bin/python
SOURCES := $(wildcard schemas streams agents client dashboard stack examples benchmarks tests)
TYPED := $(wildcard schemas streams agents client/opwatch_client stack)
CLIENT := $(if $(wildcard client/pyproject.toml),-e client)
FIND_PYTHON = for p in $(or $(PYTHON),python3.11 python3.12 python3.13 python3); do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v "$$p"; break; }; done

export FOR DEGRADE

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench screenshots torture up down status lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) \
	| while IFS='|' read -r name what; do printf '  make %-11s %s\n' "$$name" "$$what"; done

demo: $(VENV)/.installed ## a real service measured live, for a minute (FOR=120, DEGRADE=1)
	@$(PY) -m stack run --allow-mock -- $(PY) -m examples.job_parser.demo

# Hundreds of processes import the same: the first one compiles it, whatever the shell says.
test: export PYTHONDONTWRITEBYTECODE :=
# Brokers of tests live for minutes: with half the work they are up.
test: export KAFKA_JVM_PERFORMANCE_OPTS ?= -XX:+UseSerialGC -XX:TieredStopAtLevel=1
test: .kafka $(VENV)/.installed .browser $(if $(TESTS),check,.compiled) ## check and all tests on a real Kafka and PostgreSQL (TESTS=tests/unit WORKERS=6)
	@$(PY) -m stack run -- sh -c ' \
	waiting() { $(PY) -m pytest --numprocesses $(WORKERS) --maxschedchunk 1 -m "not alone" "$$@"; }; \
	$(if $(TESTS),waiting $(TESTS),$(ALL_TESTS))'
	@$(if $(TESTS),,$(PY) -m coverage report --include='streams/*,schemas/*' --fail-under=95)

# What computes, `make check` too, runs beside what waits, behind it, and is printed after it: plain
# processes, since pytest-xdist's would each collect all. Lines are counted where they are proved,
# which takes half as long as counting everywhere. Tests that share a server, a history or a browser
# of their own run in one process, else each of xdist's would make another. What waits stays in the
# foreground: a shell lets its background ignore SIGINT, and some of these tests send it.
WAITING := tests/acceptance tests/integration
SHARING := tests/integration/client $(addprefix tests/integration/test_,database_connection.py \
	history_queries.py report.py report_alerts.py report_quality.py reports_doc.py) \
	$(wildcard tests/integration/test_dashboard*.py)
COUNTED := tests/unit/streams tests/unit/messages $(wildcard tests/unit/test_*.py) \
	tests/contract/test_schemas_drift.py
ignored = $(patsubst %,--ignore=%,$(1))
define ALL_TESTS
printed="$$(mktemp -d)"; trap "rm -rf $$printed" EXIT; \
	nice -n 19 $(MAKE) --no-print-directory check >"$$printed/checked" 2>&1 & checks=$$!; \
	nice -n 19 $(PY) -m pytest --cov=schemas --cov=streams --cov-report= $(COUNTED) \
	>"$$printed/counted" 2>&1 & counts=$$!; \
	nice -n 19 $(PY) -m pytest tests/properties >"$$printed/properties" 2>&1 & tries=$$!; \
	nice -n 19 $(PY) -m pytest tests $(call ignored,$(WAITING) $(COUNTED) tests/properties) \
	>"$$printed/others" 2>&1 & computes=$$!; \
	$(PY) -m pytest $(SHARING) >"$$printed/sharing" 2>&1 & shares=$$!; \
	waiting $(WAITING) $(call ignored,$(SHARING)); right=$$?; \
	for each in $$checks $$counts $$tries $$computes $$shares; do wait $$each || right=$$?; done; \
	cat "$$printed"/*; test $$right -eq 0
endef

# Tests are compiled once, while Kafka starts: otherwise each of the processes that run them does it.
.PHONY: .compiled
.compiled: export PYTHONDONTWRITEBYTECODE :=
.compiled: $(VENV)/.installed
	@$(PY) -m pytest --collect-only --quiet tests >/dev/null 2>&1 &

# Where no browser is, one is got before a test waits for it.
.PHONY: .browser
.browser: $(VENV)/.installed
	@$(PY) -m tests.browser >/dev/null 2>&1 &

check: $(VENV)/.installed ## lint, format, types and import contracts
	$(PY) -m ruff check $(SOURCES)
	$(PY) -m ruff format --check $(SOURCES)
	$(PY) -m mypy $(TYPED)
	$(VENV)/bin/lint-imports

format: $(VENV)/.installed ## put the code in its form
	$(PY) -m ruff check --fix-only --quiet $(SOURCES)
	$(PY) -m ruff format $(SOURCES)

bench: $(VENV)/.installed ## compare this worker with others on one broker
	@$(PY) -m stack run -- $(PY) -m benchmarks

screenshots: $(VENV)/.installed ## docs/images: the dashboard, dark, light and on a phone
	@$(PY) -m stack run -- $(PY) -m tests.dashboard_screenshots docs/images

torture: $(VENV)/.installed ## kill workers at random, compare with an oracle, try properties long (SEEDS=20 JOBS=2 KILLS=200)
	@$(PY) -m tests.acceptance.torture --seeds $(SEEDS) --jobs $(JOBS)
	@$(PY) -m tests.acceptance.alert_torture --kills $(KILLS)
	@$(PY) -m stack run -- $(PY) -m tests.acceptance.store_torture --seeds $(SEEDS) --jobs $(JOBS)
	@TEST_EFFORT=20 $(PY) -m pytest --numprocesses $(JOBS) --timeout 0 tests/properties tests/unit \
	tests/contract/test_fast_structs.py tests/acceptance/test_poison.py
	@$(PY) -m stack run -- $(PY) -m pytest -m alone tests/acceptance

up: $(VENV)/.installed ## start Kafka and PostgreSQL on loopback and say where
	@$(PY) -m stack up

down: ## end exactly what `make up` started
	@if [ -x $(PY) ]; then $(PY) -m stack down; fi

status: $(VENV)/.installed ## say what runs
	@$(PY) -m stack status

lock: ## pin the newest versions again (requirements*.lock)
	@python="$$($(FIND_PYTHON))"; test -n "$$python" && "$$python" -m venv --clear .lock-venv
	@.lock-venv/bin/python -m pip install --quiet pip-tools
	@set -e; compile='.lock-venv/bin/pip-compile --quiet $(UPGRADE) $(LOCK_OPTIONS)'; \
	export CUSTOM_COMPILE_COMMAND='make lock'; \
	$$compile --extra dev --output-file requirements.lock pyproject.toml; \
	$$compile --constraint requirements.lock --output-file requirements-runtime.lock \
	pyproject.toml; \
	$$compile --constraint requirements.lock --output-file requirements-build.lock \
	requirements-build.in
	@rm -rf .lock-venv

clean: ## remove the environment, caches and the stack's data
	@if [ -x $(PY) ]; then $(PY) -m stack down --data; fi
	@rm -rf $(VENV) .lock-venv .stack .bench .coverage .coverage.* htmlcov dist build
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The lock changes: the environment is made anew. The projects change: they are installed again.

.venv: $(VENV)/.installed
.PHONY: .venv

# What takes two minutes says every few seconds where it is.
SAYING = log=$(VENV)/pip.log; { while sleep 5; do tail -n 1 $$log | cut -c 1-76; done; } & \
	says=$$!; trap "kill $$says" EXIT;

# Maven downloads Kafka while pip installs: whoever starts Kafka waits for it, and says what failed.
.PHONY: .kafka
.kafka:
	@python="$$($(FIND_PYTHON))"; test -z "$$python" || "$$python" -m stack.jars >/dev/null 2>&1 &

$(VENV)/.locked: requirements.lock requirements-build.lock
	@python="$$($(FIND_PYTHON))"; test -n "$$python" || { \
	echo 'opwatch needs Python 3.11 or newer with its venv module: install it (Debian: apt install' \
	'python3 python3-venv), or say where it is with PYTHON=/path/to/python' >&2; exit 1; }; \
	echo "making .venv with $$python …"; "$$python" -m venv --clear $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	-r requirements-build.lock
	@echo "installing $$(grep -c == requirements.lock) packages takes two minutes at first …"; $(SAYING) \
	$(PY) -m pip install --progress-bar off --disable-pip-version-check --require-hashes --no-deps \
	--no-build-isolation --no-compile -r requirements.lock >$$log 2>&1 || { tail -n 20 $$log >&2; \
	echo 'installing failed; if it says gcc or Python.h: accumulation-tree is compiled and needs a C' \
	'compiler and the headers of Python (Debian: apt install gcc python3-dev)' >&2; exit 1; }
	@$(PY) -m compileall -q -j 0 $(VENV)/lib >$(VENV)/compileall.log 2>&1 || true
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml $(wildcard client/pyproject.toml)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	-e . $(CLIENT)
	@touch $@
