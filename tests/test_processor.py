from __future__ import annotations

import threading

import pytest
import torch
from helpers import make_task, random_rows

from skmlp.training import train
from skmlp.training.processor import (
    denormals_are_flushed,
    few_threads,
    flops_per_step,
    flushed_denormals,
)

SMALL = make_task(hidden=(8,))
LARGE = make_task(hidden=(2000, 2000), rows=random_rows(n=100), batch_size=100)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_flops_are_three_products_of_two_operations():
    assert flops_per_step(SMALL) == 6 * 16 * (5 * 8 + 8 * 3)


@pytest.mark.parametrize(("task", "expected"), [(SMALL, 1), (LARGE, 2)])
def test_small_networks_use_one_thread_and_leave_the_count(two_threads, task, expected):
    with few_threads([task]):
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == 2


def test_errors_leave_the_count_too(two_threads):
    with pytest.raises(RuntimeError), few_threads([SMALL]):
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_other_threads_are_not_limited(two_threads):
    seen = []
    with few_threads([SMALL]):
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
    assert seen == [2]


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
