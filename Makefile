# Everything happens in a virtual environment of its own; the stamps in it make the second time quick.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test check effects

run: $(VENV)/installed  ## Open gradtui
	$(BIN)/gradtui

test: $(VENV)/installed-dev  ## Run the tests
	$(BIN)/python -m pytest -n auto

check: $(VENV)/installed-dev  ## What CI runs: style, types, tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto

effects: $(VENV)/installed-dev  ## What every fix does to every scenario: benchmarks/effects.md
	$(BIN)/python -m benchmarks.effects

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/installed
