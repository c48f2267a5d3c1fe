# Everything happens in a virtual environment of its own; the stamps in it make the second time quick.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# One thread a worker: torch's own threads on top of a worker a core would only wait for each other.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test check effects picture

run: $(VENV)/installed  ## Open gradtui
	$(BIN)/gradtui

test: $(VENV)/installed-dev  ## Run the tests
	$(PYTEST)

check: $(VENV)/installed-dev  ## What CI runs: style, types, tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(PYTEST)

effects: $(VENV)/installed-dev  ## What every fix does to every scenario: benchmarks/effects.md
	$(BIN)/python -m benchmarks.effects

picture: $(VENV)/installed  ## The README's picture, from a real training: docs/screen.svg
	$(BIN)/python docs/picture.py

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev]'
	# Apart: lightning imports a torchvision where there is one, and fails on one that was built for another torch. Tests read its data sets.
	$(PIP) --no-deps --upgrade --target $(VENV)/apart torchvision
	touch $@ $(VENV)/installed
