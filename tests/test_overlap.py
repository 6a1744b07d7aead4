from __future__ import annotations

from itertools import permutations

import pytest

from skmlp.fusion.overlap import Overlap


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_whatever_the_order_of_ends_the_first_state_comes_back(order):
    blocks, state = Overlap(), "outside"
    opened = []
    for name in range(4):
        opened.append(blocks.begin(state))
        state = name
    for name in order:
        found = blocks.end(opened[name])
        if found is not None:
            state = found.state
            # what comes back is what the last block that is still open has set
            still_open = [n for n in range(4) if n not in order[: order.index(name) + 1]]
            assert state == (max(still_open) if still_open else "outside")
    assert state == "outside"
