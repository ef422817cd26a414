# The commands of this project; `make` alone lists them.
PYTHON ?= python3
SPEED ?= 10
WORKERS ?= 2
PIP := .venv/bin/python -m pip --quiet --disable-pip-version-check

.PHONY: help demo test test-long check format bench screenshots lock clean

help:
	@echo "make demo    record a run of a simulated tool into an embedded PostgreSQL (SPEED=$(SPEED))"
	@echo "make test    run all tests against a real PostgreSQL, in WORKERS=$(WORKERS) processes, those that measure time alone"
	@echo "make test-long  the tests that take minutes: the real map at 10 Hz, a whole replay, a 10 s outage, set clocks"
	@echo "make check   ruff, mypy, import-linter"
	@echo "make bench   measure requests, COPY, spool, backlog, CPU and latency"
	@echo "make screenshots  draw each screen of the console into docs/screens"
	@echo "make format  format the source"
	@echo "make lock    pin the newest dependencies that pyproject.toml allows"
	@echo "make clean   remove what make and the tests made"

demo: .venv/ready
	@.venv/bin/ald-recorder demo --speed $(SPEED)

test: .venv/ready-dev
	@.venv/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m "not alone"; together=$$?; \
		.venv/bin/python -m pytest -m alone && exit $$together

test-long: .venv/ready-dev
	ALD_LONG_TESTS=1 .venv/bin/python -m pytest \
		tests/system/test_real_map.py tests/system/test_replay.py tests/system/test_database_outage.py \
		tests/system/test_time.py

check: .venv/ready-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

bench: .venv/ready-dev
	.venv/bin/python -m benchmarks

screenshots: .venv/ready-dev
	.venv/bin/python -m docs.screens.draw

format: .venv/ready-dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; name it: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { echo "Python's venv is not complete; on Debian: apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(PIP) install --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.lock
	$(PIP) install --requirement requirements-dev.lock
	@touch $@

# uv resolves for all platforms at once; no address of a registry is written
UV_COMPILE := .venv/bin/uv pip compile --quiet --universal --upgrade --python-version 3.11 \
	--no-emit-index-url --no-header --no-annotate pyproject.toml

lock: .venv/ready
	$(PIP) install uv
	$(UV_COMPILE) --extra build --extra demo --output-file requirements.lock
	$(UV_COMPILE) --extra dev --output-file requirements-dev.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build var
