# Every target makes the environment it needs; nothing has to be installed by hand.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INTEGRATIONS := .venv-integrations

.PHONY: compare test sklearn-suites integrations mutation lint docs-check benchmark clean

$(VENV)/.ready: EXTRA := dev
$(INTEGRATIONS)/.ready: EXTRA := integrations

$(VENV)/.ready $(INTEGRATIONS)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(@D)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRA)]'
	touch $@

compare: $(VENV)/.ready
	$(BIN)/skmlp compare circles breast_cancer digits --report results/report.html --csv results/table.csv

# Test files run side by side, one process per core; WORKERS=0 runs them in one.
WORKERS ?= auto

test: $(VENV)/.ready
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile

# scikit-learn's own tests inside skmlp.fused(); SUITES="pipeline multiclass" runs two of them.
sklearn-suites: $(VENV)/.ready
	$(BIN)/python tests/sklearn_suites.py $(SUITES)

# With skore, Optuna and TensorBoard, in an environment of their own.
integrations: $(INTEGRATIONS)/.ready
	$(INTEGRATIONS)/bin/python -m pytest tests/integrations

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
	rm -rf $(VENV) $(INTEGRATIONS) results .pytest_cache .mypy_cache .ruff_cache
