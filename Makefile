# Needs Python 3.11 to 3.14: `make demo PYTHON=python3.12` names another than `python3`.
PYTHON ?= python3
VENV := build/venv
PLAIN := build/plain
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := $(VENV)/$(SCRIPTS)
PIP := -m pip install --quiet --disable-pip-version-check
# A file is one worker's, as its tests share a run of the pipeline; the longest files begin first.
# Without --max-worker-restart the run would wait for ever for the tests of a worker that died.
PYTEST := -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
  --no-loadscope-reorder --max-worker-restart 0
# Windows would take the encoding of its language for what tests read and print.
export PYTHONUTF8 := 1
# TensorFlow's wheels for Python 3.14 need another h5py, but uv reads the requirements of one wheel.
LOCK := printf "h5py%s\n" "<3.15; python_version < '3.14'" "~=3.15.1; python_version >= '3.14'" | \
  uv pip compile --override - --quiet \
  --universal --python-version 3.11 \
  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --upgrade

.PHONY: demo docs test test-all test-plain test-extended release-check lock

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

# Lint, types and every fast test, with the whole pipeline once on small data.
test: TESTS := not slow and not extended
# The slow tests too, in the same run: the tests of a file share what is made for them.
test-all: TESTS := not extended
test test-all: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python $(PYTEST) -m "$(TESTS)"

# Tests of tables, and a whole run, with the packages that users have: with others, pandas keeps
# strings in Arrow.
test-plain: $(PLAIN)/installed
	$(PLAIN)/$(SCRIPTS)/python $(PYTEST) -m "not slow and not extended" \
	  $(addprefix tests/,base data given report scores pipeline/test_pipeline.py)

# All combinations of what `make test-all` tests one case of.
test-extended: $(VENV)/installed-dev
	$(BIN)/python $(PYTEST) -m extended

# The site in build/site/; a dead link or another warning is an error.
docs: $(VENV)/installed-dev
	$(BIN)/python docs/site/build.py

# The committed results are those of this code, these params and these packages.
release-check: $(VENV)/installed
	$(BIN)/python -m pawprint check

# The complete locks for Python 3.11 to 3.14 on Linux, macOS and Windows.
lock:
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) pyproject.toml --all-extras -c requirements.txt -o requirements-dev.txt

$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
	  { echo 'Python 3.11 to 3.14 is needed: make PYTHON=python3.12'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) -r requirements.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(BIN)/python $(PIP) -r requirements-dev.txt
	@touch $@

$(PLAIN)/installed: requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv $(PLAIN)
	$(PLAIN)/$(SCRIPTS)/python $(PIP) -r requirements.txt -c requirements-dev.txt pytest pytest-xdist -e .
	@touch $@
