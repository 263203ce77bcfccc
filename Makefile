# make demo   sets up what is missing and runs the demo
# make test   sets up what is missing and runs the tests
PYTHON ?= python3
SHELL := /bin/bash

.PHONY: demo test setup lint clean

demo: setup
	@source ./env.sh && nanohtnet demo

test:
	@$(PYTHON) tools/bootstrap.py --test
	@source ./env.sh && python -m pytest test

setup:
	@$(PYTHON) tools/bootstrap.py

lint:
	@$(PYTHON) tools/bootstrap.py --test
	@.venv/bin/ruff check .

clean:
	rm -rf .venv build install log demo_output
