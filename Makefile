# make demo        sets up what is missing and runs the demo
# make test        sets up what is missing and runs the tests
# make test-fast   those without nodes, training and whatever is slow
# make coverage    all tests, and the branches that they do not reach
# make lint        style, types, imports, spelling
PYTHON ?= python3
SHELL := /bin/bash
PYTEST := python -m pytest test
WORKERS := -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-fast coverage setup setup-test lint clean

demo: setup
	@source ./env.sh && nanohtnet demo

test: setup-test
	@source ./env.sh && $(PYTEST) $(WORKERS)

test-fast: setup-test
	@source ./env.sh && $(PYTEST) $(WORKERS) -m "not ros and not training and not slow"

coverage: setup-test
	@source ./env.sh && $(PYTEST) $(WORKERS) --cov --cov-report=term --cov-report=html

setup:
	@$(PYTHON) tools/bootstrap.py

setup-test:
	@$(PYTHON) tools/bootstrap.py --test

lint: setup-test
	@failed=0; for check in "ruff check ." "ruff format --check ." mypy "lint-imports --no-logo" codespell; do \
	  echo "$$check"; .venv/bin/$$check || failed=1; done; exit $$failed

clean:
	rm -rf .venv build install log demo_output htmlcov .coverage*
