from __future__ import annotations

import pytest
import torch
from helpers import make_task

from skmlp.network.losses import LOSSES
from skmlp.training.loss_options import options_of
from skmlp.training.stack import Stack

CPU = torch.device("cpu")


def tasks_with(*quantiles):
    return [make_task(loss="quantile", loss_options=(q,), seed=i) for i, q in enumerate(quantiles)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_options_are_a_number_where_all_have_it_and_else_one_for_each(dtype):
    assert options_of(tasks_with(0.3, 0.3), dtype, CPU) == [0.3]
    (found,) = options_of(tasks_with(0.3, 0.3, 0.7), dtype, CPU)
    assert torch.equal(found, torch.tensor([0.3, 0.3, 0.7], dtype=dtype).view(3, 1, 1))
    assert options_of([make_task()] * 2, dtype, CPU) == []


def test_those_who_stay_keep_their_own():
    stack = Stack(tasks_with(0.1, 0.5, 0.9))
    stack._keep([0, 2])
    z, t = torch.ones(2, 4, 3).double(), torch.zeros(2, 4, 3).double()
    of_two = stack.module.loss.per_row(z, t)
    stack._keep([1])
    of_one = stack.module.loss.per_row(z[:1], t[:1])
    for k, (quantile, found) in enumerate([(0.1, of_two), (0.9, of_two), (0.9, of_one)]):
        expected = LOSSES["quantile"].given([quantile]).per_row(z[:1], t[:1])
        torch.testing.assert_close(found[k % 2][None], expected)
