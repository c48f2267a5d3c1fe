PYTHON ?= .venv/bin/python

.PHONY: effects

effects:  ## What every fix does to every scenario: benchmarks/effects.md
	$(PYTHON) -m benchmarks.effects
