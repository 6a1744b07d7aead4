from __future__ import annotations

import numpy as np
import pytest
import torch

from skmlp import MLPClassifier
from skmlp.machine.device import resolve_device, resolve_dtype


@pytest.fixture
def machine(monkeypatch):
    def pretend(n_cuda: int, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n_cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("n_cuda", "mps", "expected"),
    [(0, False, "cpu"), (2, False, "cuda"), (0, True, "mps"), (1, True, "cuda")],
)
def test_auto_takes_the_best_that_is_there(machine, n_cuda, mps, expected):
    machine(n_cuda, mps)
    assert resolve_device("auto", "MLP") == expected


def test_a_device_that_is_there_is_taken(machine):
    machine(2, mps=True)
    for name in ("cpu", "cuda", "cuda:1", "mps"):
        assert resolve_device(name, "MLP") == name


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_an_absent_device_is_an_error_that_names_what_is_there(machine, name):
    machine(0)
    with pytest.raises(ValueError, match=rf"'{name}'.*finds: 1 cpu"):
        resolve_device(name, "MLP")


def test_a_gpu_number_that_is_too_high_is_an_error(machine):
    machine(2)
    with pytest.raises(ValueError, match=r"'cuda:2'.*2 cuda"):
        resolve_device("cuda:2", "MLP")


def test_dtype_follows_the_input_on_the_cpu_and_is_float32_on_accelerators():
    assert resolve_dtype("auto", np.dtype("float64"), "cpu", "MLP") == "float64"
    assert resolve_dtype("auto", np.dtype("float64"), "cuda", "MLP") == "float32"
    assert resolve_dtype(np.float64, np.dtype("float32"), "cuda", "MLP") == "float64"
    with pytest.raises(ValueError, match=r"'float64'.*'mps'.*float32"):
        resolve_dtype("float64", np.dtype("float64"), "mps", "MLP")


@pytest.mark.parametrize("optimizer", ["adam", "nadam", "lbfgs", torch.optim.ASGD])
def test_autocast_and_default_device_of_the_user_change_nothing(digits, optimizer):
    X, y = digits[0][:200].astype(np.float32), digits[1][:200]
    parameters = {"random_state": 0, "max_iter": 3, "optimizer": optimizer}
    expected = MLPClassifier((9,), **parameters).fit(X, y)
    with torch.autocast("cpu"), torch.device("meta"):
        model = MLPClassifier((9,), **parameters).fit(X, y)
        probabilities = model.predict_proba(X)
    np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])
    np.testing.assert_array_equal(probabilities, expected.predict_proba(X))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nadam", "lbfgs"])
def test_cuda_trains_what_the_cpu_trains(digits, optimizer):
    X, y = digits
    parameters = {"random_state": 0, "max_iter": 3, "optimizer": optimizer, "dtype": "float64"}
    cpu = MLPClassifier((20,), **parameters).fit(X, y)
    cuda = MLPClassifier((20,), device="cuda", **parameters).fit(X, y)
    for a, b in zip(cpu.coefs_, cuda.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(cpu.predict(X), cuda.predict(X))
