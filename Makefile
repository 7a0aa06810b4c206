# The targets that people and CI share. PYTHON is the interpreter of the environment to use.
PYTHON ?= python

.PHONY: dev lint format test coverage docs-check rules-check package bench clean

dev:            ## install this checkout with everything a developer needs
	$(PYTHON) -m pip install -e '.[dev]'

lint:           ## ruff, mypy --strict, import layers, docstrings
	$(PYTHON) -m ruff check triage tests benchmarks examples
	$(PYTHON) -m ruff format --check triage tests benchmarks examples
	$(PYTHON) -m mypy
	lint-imports
	$(PYTHON) -m interrogate -q triage

format:         ## let ruff write
	$(PYTHON) -m ruff check --fix triage tests benchmarks examples
	$(PYTHON) -m ruff format triage tests benchmarks examples

test:           ## the whole suite
	$(PYTHON) -m pytest

coverage:       ## the suite with branch coverage
	$(PYTHON) -m pytest --cov --cov-report=term-missing:skip-covered

docs-check:     ## documents against code: options, exit codes, error codes, schema
	$(PYTHON) -m pytest tests/docs

rules-check:    ## compile, lint and run every shipped rule on its samples
	$(PYTHON) -m triage rules check

package:        ## wheel and sdist
	$(PYTHON) -m build

bench:          ## a scan against a plain loop and against tsk_recover + yara, as ratios of one run
	$(PYTHON) benchmarks/bench_scan.py

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
