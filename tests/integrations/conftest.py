"""Tests with libraries that build on scikit-learn or skorch, and that skmlp does not need.

They run where all of these are installed: `make integrations` makes such an environment.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

LIBRARIES = ["optuna", "optuna_integration", "skore", "tensorboard"]
MISSING = [name for name in LIBRARIES if find_spec(name) is None]

collect_ignore_glob = ["*.py"] if MISSING else []


def pytest_report_header() -> list[str]:
    """Say why nothing runs, to who asks for this folder alone."""
    return [f"no integrations without {', '.join(MISSING)}: make integrations"] if MISSING else []


@pytest.fixture(autouse=True)
def globals_untouched():
    """Other libraries may use the global generators."""


@pytest.fixture
def small(breast_cancer):
    """A few rows of two classes."""
    X, y = breast_cancer
    return X[:200], y[:200]
