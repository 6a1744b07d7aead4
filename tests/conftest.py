"""Settings and data for all tests."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

# One thread each: small operations gain nothing from two, and on a busy machine threads that
# wait for one another make the suite several times slower. To be set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.preprocessing import StandardScaler

from skmlp import config

sys.path.insert(0, str(Path(__file__).parent))

# A process started in the background ignores interrupts; the tests of them need Python's handler.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--no-numba", action="store_true", help="test as if there were no numba")


def pytest_configure(config):
    if config.getoption("--no-numba"):
        sys.modules["numba"] = None
        config.addinivalue_line("filterwarnings", "ignore:numba cannot be imported")


@pytest.fixture(autouse=True)
def globals_untouched():
    """No test may leave torch's or NumPy's global state changed by our code."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    yield
    assert torch.get_num_threads() == threads
    assert torch.get_default_dtype() == dtype
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


@pytest.fixture
def by_torch():
    """For tests that look into the torch executor: it trains plain networks too."""
    with config(executor="torch"):
        yield


@pytest.fixture(scope="session")
def digits():
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="session")
def breast_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="session")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
