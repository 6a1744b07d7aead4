from __future__ import annotations

import numpy as np
import pytest
import torch

from skmlp.training import draws
from skmlp.training.dropout import DropoutMasks

WIDTHS, B = (50, 30), 16


def masks(*probabilities, seeds=None):
    seeds = seeds or range(len(probabilities))
    return DropoutMasks(
        probabilities,
        WIDTHS,
        B,
        [np.random.default_rng(seed) for seed in seeds],
        torch.float64,
        torch.device("cpu"),
    )


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_frequency_and_mean_are_those_of_inverted_dropout(p):
    drawn = masks((p, p))
    values = torch.cat([drawn.next_step(B)[0].clone().ravel() for _ in range(300)])
    n = len(values)
    assert (values == 0).double().mean().item() == pytest.approx(
        p, abs=5 * (p * (1 - p) / n) ** 0.5
    )
    kept = values[values != 0]
    assert torch.allclose(kept, torch.full_like(kept, 1 / (1 - p)), rtol=1e-4)
    assert values.mean().item() == pytest.approx(1.0, abs=5 * (p / (1 - p) / n) ** 0.5)


def test_no_two_steps_have_the_same_mask():
    drawn = masks((0.5, 0.5))
    seen = [drawn.next_step(B)[0].clone() for _ in range(3 * drawn.steps_per_draw)]
    assert len({tuple(mask.ravel().tolist()) for mask in seen}) == len(seen)


def test_network_gets_the_same_masks_in_any_company():
    probabilities = [(0.3, 0.0), (0.0, 0.0), (0.0, 0.6), (0.2, 0.2)]
    together = masks(*probabilities)
    alone = [masks(p, seeds=[seed]) for seed, p in enumerate(probabilities)]
    for step in range(together.steps_per_draw + 5):
        n_rows = B if step % 3 else 5
        common = together.next_step(n_rows)
        for k, single in enumerate(alone):
            for layer, own in enumerate(single.next_step(n_rows)):
                expected = torch.ones(1, n_rows, WIDTHS[layer]).double() if own is None else own
                assert torch.equal(common[layer][k], expected[0])


def test_those_who_stay_keep_their_masks():
    probabilities = [(0.3, 0.3), (0.5, 0.5), (0.2, 0.2)]
    whole, reduced = masks(*probabilities), masks(*probabilities)
    for step in range(whole.steps_per_draw + 3):
        if step == 2:
            reduced.keep([2, 0])
        all_three, two = whole.next_step(B), reduced.next_step(B)
        if step >= 2:
            assert torch.equal(two[0], all_three[0][[2, 0]])


def test_layers_without_dropout_have_no_mask():
    drawn = masks((0.0, 0.5))
    assert drawn.active
    assert drawn.next_step(B)[0] is None
    assert not masks((0.0, 0.0)).active


@pytest.mark.parametrize("steps", range(5))
def test_masks_go_on_where_they_stopped_also_where_a_draw_ends(steps, monkeypatch):
    monkeypatch.setattr(draws, "_ENTRIES_PER_DRAW", 24)  # two steps of 3 rows and 4 units

    def masks(seed):
        generators = [np.random.default_rng(seed)]
        cpu = torch.device("cpu")
        return DropoutMasks([(0.5,)], (4,), 3, generators, torch.float64, cpu)

    whole, resumed = masks(0), masks(1)
    for _ in range(steps):
        whole.next_step(3)
    state, step = whole.position(0)
    resumed.generators[0].bit_generator.state = state
    resumed.go_to(step)
    for _ in range(3):
        assert torch.equal(whole.next_step(3)[0], resumed.next_step(3)[0])
