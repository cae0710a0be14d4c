# Each target first makes sure of an environment: the active one, else .venv in this folder.
SHELL := /bin/bash
.PHONY: quickstart setup test test-all results lint types docs clean

in_env = @python="$$(python3 tools/setup_env.py $(1))" && "$$python"
images = $(patsubst ~/%,$(HOME)/%,$(IMAGES))

quickstart:
	@python3 tools/quickstart.py $(if $(IMAGES),--images "$(images)")

setup:
	@python="$$(python3 tools/setup_env.py)" && echo "Ready: $$python"

# two workers of one thread: the tests' sums are too small for more
test test-all: export OMP_NUM_THREADS = 1

test:
	$(call in_env,tests detection) -m pytest -n 2 --dist worksteal -m "not slow and not gpu"

test-all:
	$(call in_env,tests detection) -m pytest -n 2 --dist worksteal

results:
	$(call in_env) tools/results.py

lint:
	$(call in_env,tests) -m ruff check .
	$(call in_env,tests) -m ruff format --check .

types:
	$(call in_env,tests detection) -m mypy

docs:
	$(call in_env,docs) -m sphinx -W --keep-going -q docs build/docs
	@echo "Ready: build/docs/index.html"

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find dinomm tools tests configs -name __pycache__ -type d -prune -exec rm -rf {} +
