# opsctl. `make demo` and `make test` need nothing but Python 3.11 or newer; `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test unit lint bench docs completions lock clean
export PYTHON

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: ## start the embedded lab, break something, diagnose it, clean up
	@bash .ci/demo

test: ## everything that can be tested on this machine; says what could not
	@bash .ci/test

unit: ## the tests that need no server
	@venv=$$(sh .ci/venv) && $$venv/bin/pytest -q -m "not needs"

lint: ## style, types, layers
	@venv=$$(sh .ci/venv) && export PATH="$$PWD/$$venv/bin:$$PATH" && \
	ruff check . && ruff format --check . && mypy && lint-imports

bench: ## measure start-up, fan-out and memory against their limits
	@venv=$$(sh .ci/venv) && $$venv/bin/python -m tests.bench.bench

docs: ## write what is generated: schemas, index, help, completions
	@venv=$$(sh .ci/venv) && $$venv/bin/python -m opsctl.cli.generate

completions: docs ## the same: completions are generated with the docs

lock: ## pin the newest versions for tests, with hashes (slow: two minutes)
	@python=$$(sh .ci/python) && rm -rf .lock-venv && $$python -m venv .lock-venv && \
	.lock-venv/bin/python -m pip --disable-pip-version-check -q install pip-tools && \
	.lock-venv/bin/python .ci/lock --upgrade; code=$$?; rm -rf .lock-venv; exit $$code

clean: ## remove what the other targets made
	rm -rf .demo-venv .test-venv .lock-venv artifacts dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -type d -prune -exec rm -rf {} +
