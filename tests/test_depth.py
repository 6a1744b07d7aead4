from __future__ import annotations

import numpy as np
import pytest

from skmlp.network.architecture import Architecture
from skmlp.network.depth import blocks_of, expected_depth, survival_probabilities


def residual(hidden, length):
    return Architecture((5, *hidden, 3), ("relu",) * len(hidden), residual=length)


@pytest.mark.parametrize(
    ("hidden", "length", "branches"),
    [
        ((8,) * 5, 2, [(1, 2), (3, 4)]),
        ((8,) * 4, 2, [(1, 2), (3, 3)]),  # one is left over
        ((8,) * 2, 2, [(1, 1)]),
        ((8,) * 9, 3, [(1, 3), (4, 6), (7, 8)]),
        ((8,) * 3, 100, [(1, 2)]),
        ((8,), 2, []),
        ((), 2, []),
        ((8,) * 5, 0, []),
    ],
)
def test_branches_have_all_layers_but_the_first_and_the_last(hidden, length, branches):
    blocks = blocks_of(residual(hidden, length))
    assert [(block.first, block.last) for block in blocks] == branches
    assert [block.n_layers for block in blocks] == [b - a + 1 for a, b in branches]


def test_skips_project_where_the_widths_before_and_after_a_block_differ():
    blocks = blocks_of(residual((8, 2, 8, 8, 6), 2))
    assert [(block.widths, block.projects) for block in blocks] == [
        ((8, 8), False),  # the width inside does not matter
        ((8, 6), True),
    ]


@pytest.mark.parametrize("last", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("n_blocks", [1, 2, 54])
def test_survival_falls_in_a_straight_line_to_the_last_block(n_blocks, last):
    found = survival_probabilities(n_blocks, last)
    assert found[-1] == pytest.approx(last)
    np.testing.assert_allclose(np.diff([1.0, *found]), -(1 - last) / n_blocks, atol=1e-15)
    depth = expected_depth(residual((4,) * (2 * n_blocks + 1), 2), last)
    assert depth == pytest.approx(found.sum())
    assert depth == n_blocks - (1 - last) * (n_blocks + 1) / 2


def test_networks_without_blocks_have_no_depth_to_expect():
    assert expected_depth(residual((4, 4, 4), 0), 1.0) is None
