# Two commands do all the set-up: `make demo` and `make test`. Each installs what it lacks.

# Finds a fitting Python (3.11 to 3.14) and runs a script with it; `PYTHON=...` names one.
ANY_PYTHON := sh scripts/find_python.sh
VENV_PYTHON := .venv/bin/python

export PYTHON
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help install demo test coverage check docs soak bench clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

install: ## make .venv with the package and its built front end
	@$(ANY_PYTHON) scripts/setup_env.py --for use

demo: install ## open JupyterLab on the first notebook
	@$(VENV_PYTHON) -m scripts.demo

test: ## run all tests, or a part (ARGS="tests/store -k word")
	@$(ANY_PYTHON) scripts/setup_env.py --for test $(if $(ARGS),-- $(ARGS))
	@$(VENV_PYTHON) -m scripts.tests $(ARGS)

coverage: ## run all tests, and report which lines of the package ran
	@$(ANY_PYTHON) scripts/setup_env.py --for test
	@$(VENV_PYTHON) -m scripts.tests --coverage $(ARGS)

soak: ## kill everything 1,000 times on each database, for hours (SOAK="--help")
	@$(ANY_PYTHON) scripts/setup_env.py --for test
	@$(VENV_PYTHON) -m tests.faults.soak $(SOAK)

check: ## lint, format, types, floors, sizes, docs
	@$(ANY_PYTHON) scripts/setup_env.py --for check
	@$(VENV_PYTHON) -m scripts.checks

docs: ## build the documentation into build/docs
	@$(ANY_PYTHON) scripts/setup_env.py --for docs
	@$(VENV_PYTHON) -m scripts.docs $(ARGS)

bench: ## measure beside the peers, into benchmarks/results.md
	@$(ANY_PYTHON) scripts/setup_env.py --for test
	@$(VENV_PYTHON) -m benchmarks

clean: ## remove what was built and installed (not what `make demo` keeps)
	@rm -rf .venv build dist labextension/node_modules labextension/lib jupyter_chat_stream/labextension
