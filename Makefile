# PORT=7071  CONFIG=file.json  PYTHON=/path/to/python  ARGS='…'
PORT ?= 7071
CONFIG ?=
PYTHON ?=
ARGS ?=
export PYTHON

BIN = .venv/bin
SOURCES = function_app.py manage.py commands development infra scripts shared toolsets tests

.DEFAULT_GOAL := help
.PHONY: help setup run test conformance clients check format package lock clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

setup: ## Install everything into .venv and write the development configuration
	@scripts/install .venv requirements-dev.txt
	@$(BIN)/python manage.py config init

run: ## Start the endpoint on this machine (PORT= CONFIG= ARGS=)
	@scripts/install .venv requirements.txt
	@exec $(BIN)/python manage.py run --port $(PORT) $(if $(CONFIG),--config $(CONFIG)) $(ARGS)

test: ## Run the whole suite on Python 3.13 and 3.11 (ARGS= goes to pytest)
	@scripts/test $(ARGS)

conformance: ## Run the official conformance suite on both wires (ARGS= names one)
	@scripts/install .venv requirements-dev.txt
	@$(BIN)/python -m tests.conformance $(ARGS)

clients: ## Call the running endpoint with other makers' MCP clients; prints one table
	@scripts/install .venv requirements-dev.txt
	@$(BIN)/python -m tests.clients.foreign

check: ## Formatting, lint, types, import direction, and the Bicep files
	@scripts/install .venv requirements-dev.txt
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m infra.lint

format: ## Format the code and mend what lint can
	@scripts/install .venv requirements-dev.txt
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

package: ## Make the zip that a deployment to Azure Functions sends; prints its path and size
	@scripts/install .venv requirements-dev.txt
	@$(BIN)/python -m scripts.package

lock: ## Resolve requirements*.in anew into the hashed locks
	@scripts/install .venv requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command 'make lock' $(ARGS) requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command 'make lock' $(ARGS) -c requirements.txt requirements-dev.in -o requirements-dev.txt
	for lock in tests/clients/foreign/locks/*.in; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--custom-compile-command 'make lock' $(ARGS) $$lock -o $${lock%.in}.txt || exit 1; \
	done

clean: ## Remove environments and caches (the development key stays)
	rm -rf .venv .tools dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
