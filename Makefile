# Every recipe is one line: the work is in deployments/ and tests/.
SHELL := /bin/sh
READY := deployments/venv.sh
PYTHON_HERE := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help aws-world run drill drill-aws up down deploy rotate-key test check bench lock clean

help:  ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

run:  ## Build a four-node cluster here, run the example job on it, take all down again
	@$(READY) && exec $(PYTHON_HERE) -m deployments.run

up:  ## Open the house: Prefect server, deployments and Prefect worker; prints the UI's address
	@$(READY) && exec $(PYTHON_HERE) -m deployments.up

down:  ## Close it; clusters stay as they are
	@$(READY) && exec $(PYTHON_HERE) -m deployments.down

deploy:  ## Register with the Prefect server that PREFECT_API_URL names
	@$(READY) && exec $(PYTHON_HERE) -m deployments.register

rotate-key:  ## Encrypt the house's secrets with a new key; an open house is closed and opened again
	@$(READY) && exec $(PYTHON_HERE) -m deployments.rotate_key

test:  ## Run all tests; says at the end what could not run here
	@$(READY) && exec $(PYTHON_HERE) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

drill:  ## Run the long forms of tests that `make test` runs short
	@$(READY) && exec $(PYTHON_HERE) -m pytest -m drill

drill-aws:  ## Kill each AWS flow at each of its calls, run it again, compare; ends with OK or what did not converge
	@$(READY) && exec $(PYTHON_HERE) -m tests.drill

check:  ## Lint, format, types, import contracts
	@$(READY) && .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports

aws-world:  ## Serve the AWS test world on loopback and print the settings that point a client at it
	@$(READY) && exec $(PYTHON_HERE) -m tests.worlds.aws

bench:  ## Measure against mpiexec, boto3 and Ansible by hand; ends with OK or the goals missed
	@$(READY) && exec $(PYTHON_HERE) -m tests.bench

lock:  ## Write requirements.lock anew from pyproject.toml
	@$(READY) && .venv/bin/uv pip compile --quiet --system-certs --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --extra dev --upgrade pyproject.toml -o requirements.lock

clean:  ## Remove what can be made again (venvs, caches); nothing of GROUNDWORK_HOME
	@rm -rf .venv .venv-ministack .venv-ansible .mypy_cache .ruff_cache .import_linter_cache .hypothesis && find . -name __pycache__ -type d -prune -exec rm -rf {} +
