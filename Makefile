# Every target makes the environment it needs; nothing has to be installed by hand.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: compare test mutation lint docs-check benchmark clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

compare: $(VENV)/.ready
	$(BIN)/skmlp compare circles breast_cancer digits --report results/report.html --csv results/table.csv

test: $(VENV)/.ready
	$(BIN)/python -m pytest

# Do the tests notice small changes of the code? Takes long; MODULES="training.batches" for some.
mutation: $(VENV)/.ready
	$(BIN)/python tests/mutation.py $(MODULES)

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The examples run to their end, on little data.
docs-check: $(VENV)/.ready
	for example in examples/*.py; do \
	  echo "$$example"; SKMLP_EXAMPLE_QUICK=1 $(BIN)/python -W error::UserWarning:skmlp "$$example" > /dev/null || exit 1; \
	done

benchmark: $(VENV)/.ready
	$(BIN)/python benchmarks/one_fit.py
	$(BIN)/python benchmarks/fused_search.py

clean:
	rm -rf $(VENV) results .pytest_cache .mypy_cache .ruff_cache
