from __future__ import annotations

import threading

import numpy as np
import pytest
import scipy.optimize
import torch
from helpers import make_task, random_rows
from threadpoolctl import threadpool_info, threadpool_limits

from skmlp.estimators.prediction import predict_logits
from skmlp.machine.processor import (
    denormals_are_flushed,
    flushed_denormals,
    one_blas_thread,
    one_thread,
    usual_denormals,
)
from skmlp.network import forward
from skmlp.network.architecture import Architecture, NetworkArrays
from skmlp.training import stack, train

pytestmark = pytest.mark.usefixtures("by_torch")

SMALL = make_task(hidden=(8,))
LARGE = make_task(hidden=(2000, 2000), rows=random_rows(n=100), batch_size=100, max_iter=1)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def threads_seen(monkeypatch):
    """The counts of threads while steps are taken and rows are predicted."""
    seen = []

    def seeing(function):
        def wrapper(*arguments):
            seen.append(torch.get_num_threads())
            return function(*arguments)

        return wrapper

    monkeypatch.setattr(stack.Stack, "advance", seeing(stack.Stack.advance))
    monkeypatch.setattr(forward, "logits_in_parts", seeing(forward.logits_in_parts))
    return seen


@pytest.mark.parametrize(("task", "expected"), [(SMALL, 1), (LARGE, 2)])
def test_steps_of_small_networks_use_one_thread(two_threads, threads_seen, task, expected):
    train([task])
    assert set(threads_seen) == {expected}
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("n_rows", "expected"), [(100, 1), (5000, 2)])
def test_few_rows_are_predicted_on_one_thread(two_threads, threads_seen, n_rows, expected):
    coefs = [np.ones((100, 200), np.float32), np.ones((200, 1), np.float32)]
    biases = [np.zeros(len(w.T), np.float32) for w in coefs]
    X = np.ones((n_rows, 100), np.float32)
    arrays = NetworkArrays(coefs, biases, {})
    logits = predict_logits(X, arrays, Architecture((100, 200, 1), ("relu",)), "cpu")
    assert (logits == 100 * 200).all()
    assert threads_seen == [expected]
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("wanted", "expected"), [(True, 1), (False, 2)])
def test_one_thread_only_where_it_is_wanted(two_threads, wanted, expected):
    with one_thread(wanted):
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == 2


def test_errors_leave_the_count_too(two_threads):
    with pytest.raises(RuntimeError), one_thread():
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_other_threads_are_not_limited(two_threads):
    seen = []
    with one_thread():
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
    assert seen == [2]


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two_blas_threads():
    with threadpool_limits(2, "blas"):
        yield


def test_blas_has_one_thread_within_only(two_blas_threads):
    with one_blas_thread():
        assert blas_threads() == {1}
    assert blas_threads() == {2}
    with one_blas_thread(wanted=False):
        assert blas_threads() == {2}


def test_blas_is_as_before_when_the_last_of_several_threads_has_left(two_blas_threads):
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with one_blas_thread():
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=stay)
    with one_blas_thread():
        other.start()
        assert inside.wait(10)
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    leave.set()
    other.join()
    assert blas_threads() == {2}


def test_full_batch_training_uses_one_blas_thread(two_blas_threads, monkeypatch):
    seen, found = [], scipy.optimize.minimize

    def minimize(*arguments, **others):
        seen.append(blas_threads())
        return found(*arguments, **others)

    monkeypatch.setattr(scipy.optimize, "minimize", minimize)
    train([make_task(optimizer="lbfgs"), make_task(optimizer="lbfgs", seed=1)])
    assert seen == [{1}, {1}]
    assert blas_threads() == {2}


def test_denormals_are_flushed_within_only():
    tiny = torch.full((), 1e-40)
    assert not denormals_are_flushed()
    with flushed_denormals():
        with flushed_denormals():
            assert (tiny * 1.0).item() == 0.0
        assert denormals_are_flushed()
    assert (tiny * 1.0).item() > 0.0


def test_denormals_stay_flushed_for_a_user_who_wants_it():
    torch.set_flush_denormal(True)
    try:
        with flushed_denormals():
            pass
        assert denormals_are_flushed()
    finally:
        torch.set_flush_denormal(False)


def test_training_leaves_denormals_as_they_were():
    train([make_task()])
    assert not denormals_are_flushed()
    task = make_task(loss="squared_error", optimizer="sgd", learning_rate_init=1e9, max_iter=50)
    assert isinstance(train([task])[0], ValueError)
    assert not denormals_are_flushed()


def test_code_of_users_keeps_denormals():
    with usual_denormals():
        assert not denormals_are_flushed()
    with flushed_denormals():
        with usual_denormals():
            assert not denormals_are_flushed()
        assert denormals_are_flushed()
    assert not denormals_are_flushed()
