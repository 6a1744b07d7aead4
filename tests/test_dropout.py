from __future__ import annotations

import numpy as np
import pytest
import torch

from skmlp.training import draws
from skmlp.training.draws import alpha_dropped, alpha_scale, alpha_shift
from skmlp.training.dropout import DropoutMasks
from skmlp.training.dropout_schedules import DropoutTime

CPU = torch.device("cpu")
WIDTHS, B = (50, 30), 16


def masks(*probabilities, seeds=None, **others):
    seeds = seeds or range(len(probabilities))
    return DropoutMasks(
        probabilities,
        WIDTHS,
        B,
        [np.random.default_rng(seed) for seed in seeds],
        torch.float64,
        CPU,
        **others,
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


def test_a_unit_is_dropped_where_16_random_bits_are_below_its_probability():
    drawn = masks((0.5, 0.0))
    n_steps = 2 * drawn.steps_per_draw
    n = n_steps * B * WIDTHS[0]
    levels = np.random.default_rng(0).bit_generator.random_raw(n // 4).view(np.uint16)
    p = levels[7] / 65536  # that one is not below
    drawn = masks((p, 0.0))
    found = torch.cat([drawn.next_step(B)[0].ravel() for _ in range(n_steps)])
    np.testing.assert_allclose(found, np.where(levels < levels[7], 0.0, 1 / (1 - p)), rtol=1e-6)
    assert found[7] > 0


def test_a_draw_of_any_size_takes_as_many_bits_as_it_needs():
    for width, batch_size in [(1, 1), (3, 1), (5, 1), (70_000, 1)]:
        generators = [np.random.default_rng(0)]
        one = DropoutMasks([(0.5,)], (width,), batch_size, generators, torch.float64, CPU)
        assert one.steps_per_draw == max(1, 65536 // width)
        assert one.next_step(batch_size)[0].shape == (1, batch_size, width)


def test_probabilities_next_to_one_keep_a_finite_factor():
    drawn = masks((1 - 1e-9, 0.0))
    values = torch.cat([drawn.next_step(B)[0].ravel() for _ in range(500)])
    assert set(values.tolist()) == {0.0, 65536.0}
    assert values.mean().item() == pytest.approx(1.0, abs=5 * (65536 / len(values)) ** 0.5)


def test_probabilities_are_rounded_to_the_nearest_of_65536():
    for p, threshold in [(0.4 / 65536, 0), (0.6 / 65536, 1), (32767.6 / 65536, 32768)]:
        assert masks((p, 0.0)).thresholds.tolist() == [[threshold, 0.0]]


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


@pytest.mark.parametrize("steps", [1, 7, 50, 52, 103])
def test_a_stream_goes_on_from_its_position(steps):
    probabilities = [(0.3, 0.3), (0.5, 0.2)]
    first = masks(*probabilities)
    assert first.steps_per_draw == 51
    for _ in range(steps):
        first.next_step(B)
    if steps == 52:
        first.keep([1])
    k = len(first.generators) - 1
    state, position = first.position(k)
    assert position == steps % 51
    second = masks(probabilities[1])
    second.generators[0].bit_generator.state = state
    second.go_to(position)
    for _ in range(60):
        for ours, theirs in zip(second.next_step(B), first.next_step(B), strict=True):
            assert torch.equal(ours[0], theirs[k])


def test_a_stream_that_has_not_begun_is_at_its_start():
    fresh = masks((0.3, 0.3))
    state, position = fresh.position(0)
    assert state == np.random.default_rng(0).bit_generator.state
    assert position == fresh.steps_per_draw  # so that the first step draws


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


# Alpha dropout


def test_alpha_dropout_multiplies_and_adds_where_dropout_only_multiplies():
    plain, alpha = (masks((0.3, 0.0), types=[kind]) for kind in ("standard", "alpha"))
    (mask, _), (factor, _) = plain.next_step(9), alpha.next_step(9)
    shift, none = alpha.shifts(9)
    assert none is None
    assert plain.shifts(9) == []
    kept, threshold = mask > 0, round(0.3 * 65536)
    assert torch.equal(factor, kept * float(alpha_scale(threshold)))
    assert shift.shape == (1, 9, WIDTHS[0])
    assert torch.equal(shift[kept].unique(), torch.tensor([float(alpha_shift(threshold))]).double())
    assert torch.equal(
        shift[~kept].unique(), torch.tensor([float(alpha_dropped(threshold))]).double()
    )


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_mean_and_variance_of_normal_units_stay(p):
    drawn, rng = masks((p, p), types=["alpha"]), np.random.default_rng(0)
    units = []
    for _ in range(300):
        (mask, _), (shift, _) = drawn.next_step(B), drawn.shifts(B)
        units.append(torch.from_numpy(rng.normal(size=mask.shape)) * mask + shift)
    units = torch.cat(units)
    assert abs(units.mean()) < 5 / units.numel() ** 0.5
    assert units.var().item() == pytest.approx(1.0, abs=0.03)


def test_both_kinds_may_be_in_one_stack():
    together = masks((0.3, 0.2), (0.4, 0.0), types=["standard", "alpha"])
    alone = [masks((0.3, 0.2)), masks((0.4, 0.0), seeds=[1], types=["alpha"])]
    for _ in range(together.steps_per_draw + 2):
        factors, first, second = (drawn.next_step(B) for drawn in (together, *alone))
        shifts = together.shifts(B)
        assert torch.equal(factors[0], torch.cat([first[0], second[0]]))
        assert not shifts[0][0].any()
        assert torch.equal(shifts[0][1:], alone[1].shifts(B)[0])
        assert torch.equal(factors[1][:1], first[1])
        assert shifts[1] is None


# Schedules


@pytest.mark.parametrize("kind", ["standard", "alpha"])
def test_masks_of_an_epoch_are_those_of_its_probability(kind):
    """From one step to the next, in the middle of a draw and over its end."""
    scheduled = masks((0.6, 0.2), types=[kind], scheduled=[True])
    assert scheduled.steps_per_draw == 51
    for factor, n_steps in [(0.0, 5), (1.0, 20), (0.5, 40), (0.0, 3), (0.25, 60)]:
        scheduled.set_time(0, DropoutTime(factor))
        # the same levels, compared with another probability
        fresh = masks((0.6 * factor, 0.2 * factor), types=[kind])
        fresh._draws[:] = True
        state, position = scheduled.position(0)
        fresh.generators[0].bit_generator.state = state
        fresh.go_to(position)
        for _ in range(n_steps):
            for ours, theirs in zip(scheduled.next_step(B), fresh.next_step(B), strict=True):
                expected = torch.ones_like(ours) if theirs is None and ours is not None else theirs
                assert ours is expected is None or torch.equal(ours, expected)
            for ours, theirs in zip(scheduled.shifts(B), fresh.shifts(B), strict=True):
                expected = torch.zeros_like(ours) if theirs is None and ours is not None else theirs
                assert ours is expected is None or torch.equal(ours, expected)


def test_networks_of_a_stack_have_schedules_of_their_own():
    probabilities, scheduled = [(0.3, 0.3), (0.5, 0.0), (0.4, 0.4)], [False, True, True]
    together = masks(*probabilities, scheduled=scheduled)
    alone = [masks(p, seeds=[k], scheduled=[scheduled[k]]) for k, p in enumerate(probabilities)]
    for step in range(3 * together.steps_per_draw):
        for k, when, time in [
            (1, 0, DropoutTime(0.0)),
            (1, 20, DropoutTime(1.0)),
            (2, 30, DropoutTime(0.5)),
            (2, 70, DropoutTime(0.0, True)),
        ]:
            if step == when:
                together.set_time(k, time)
                alone[k].set_time(0, time)
        if step == 90:
            together.keep([2, 1])
        of_all = together.next_step(B)
        for place, k in enumerate([2, 1] if step >= 90 else [0, 1, 2]):
            own = alone[k].next_step(B) if alone[k].active else [None, None]
            for layer, mask in enumerate(own):
                ours = torch.ones(B, WIDTHS[layer]).double() if mask is None else mask[0]
                found = of_all[layer]
                assert torch.equal(torch.ones_like(ours) if found is None else found[place], ours)
    assert not alone[2].active
