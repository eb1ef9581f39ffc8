# Each target says after ## what it does; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help up test lint format bench peers journey restore-drill faults soak large outage docs types clean
SHELL := /bin/sh
BIN := .venv/bin
prepare = python=$$(sh tools/find-python) && "$$python" tools/prepare.py

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

up: ## Install what is missing, start everything, print a sign-in link (Ctrl-C stops it)
	@$(prepare)
	@exec $(BIN)/ese up

test: ## Run every test, two at a time (ARGS="tests/backbone -k order" to choose, one at a time)
	@$(prepare) --development
	@$(if $(ARGS),,$(BIN)/python tools/frontend.py test)
	@exec $(BIN)/python -m pytest $(or $(ARGS),-n 2)

lint: ## Check style, types, import contracts and the UI's sources
	@$(prepare) --development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python tools/frontend.py generated typecheck lint

format: ## Format the code and mend what can be mended by itself
	@$(prepare) --development --no-ui
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: ## Measure (ONLY="name …" to choose); each figure beside the machine's own limit
	@$(prepare) --development --no-ui
	@exec $(BIN)/python -m benchmarks $(ONLY)

peers: ## Install the public relays that bench compares with, into .ese/peers (230 MB; Debezium needs a JDK)
	@$(prepare) --development --no-ui
	@exec $(BIN)/python tools/peers.py

journey: ## Run a campaign of 2,000 people, kill every process meanwhile, account for each message
	@$(prepare) --development --no-ui
	@exec $(BIN)/python -m tests.journeys.journey

restore-drill: ## Put a backup back in mid-campaign and account for each message and STOP (ONLY=kept or lost: the streams)
	@$(prepare) --development --no-ui
	@exec $(BIN)/python -m tests.journeys.restore_drill $(ONLY)

faults: ## Break the backbone at random under load, from seeds (ONLY=short for three minutes, SEEDS="4 8 15" to choose)
	@$(prepare) --development --no-ui
	@ESE_TEST_FAULT_SEEDS="$(or $(SEEDS),$(if $(filter short,$(ONLY)),1 3,1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16))" \
	ESE_TEST_FAULTS=$(if $(filter short,$(ONLY)),,all) ESE_TEST_FAULT_SECONDS=$(if $(filter short,$(ONLY)),8,30) ESE_TEST_FAULT_BACKLOG=$(if $(filter short,$(ONLY)),60000,1000000) \
	$(BIN)/python -m pytest -q tests/faults/test_random_faults.py $(if $(filter short,$(ONLY)),,tests/faults tests/backbone)

soak: ## The same for MINUTES=… without a pause; the seed is printed when it fails
	@$(prepare) --development --no-ui
	@ESE_TEST_FAULT_SEEDS="$(or $(SEEDS),$(shell date +%s))" ESE_TEST_FAULT_SECONDS=$$(( $(or $(MINUTES),60) * 60 )) \
	$(BIN)/python -m pytest -q tests/faults/test_random_faults.py

large: ## Build a platform that is a year old, ask every GET with every filter, open every page (SCALE=0.1 for a tenth of it)
	@$(prepare) --development
	@SCALE="$(or $(SCALE),1)" ONLY="$(ONLY)" exec $(BIN)/python -m tests.large

outage: ## Kill PostgreSQL under a stream of monitoring events, for MINUTES=10, and account for each event
	@$(prepare) --development --no-ui
	@ESE_BENCH_OUTAGE_MINUTES="$(or $(MINUTES),10)" exec $(BIN)/python -m benchmarks outage

docs: ## Write the generated documents anew (events, settings, command line, the API and its types)
	@$(prepare) --development
	@$(BIN)/python tools/documents.py
	@exec $(BIN)/python tools/frontend.py generate

clean: ## Remove what is installed and built; keeps .ese/, where the data is
	rm -rf .venv frontend/node_modules frontend/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .cache
