from __future__ import annotations

import numpy as np
import pytest
import torch

from skmlp.training import draws
from skmlp.training.draws import (
    Levels,
    alpha_dropped,
    alpha_scale,
    alpha_shift,
    kept_scale,
    random_levels,
    thresholds,
)
from skmlp.training.dropout_schedules import DropoutTime


def levels(seed=0, probabilities=(0.5, 0.0, 0.25), batch_size=3):
    return Levels(probabilities, (4, 5, 2), batch_size, np.random.default_rng(seed))


def test_thresholds_are_probabilities_of_16_bits():
    assert thresholds([0.0, 0.5, 0.25, 1 / 65536]).tolist() == [0, 32768, 16384, 1]
    assert thresholds([1 - 1e-9]).tolist() == [65535]  # a probability below 1 drops not all


def test_levels_are_the_generators_words_four_by_four():
    words = np.random.default_rng(3).bit_generator.random_raw(2)
    found = random_levels(np.random.default_rng(3), (7, 1))
    assert found.shape == (7, 1)
    assert found.ravel().tolist() == words.view(np.uint16)[:7].tolist()


def test_layers_without_dropout_have_no_levels(monkeypatch):
    monkeypatch.setattr(draws, "_ENTRIES_PER_DRAW", 66)  # two steps of 3 rows and 11 units
    found = levels()
    assert found.active
    assert found.steps_left == 2
    assert found.drawn.size == 2 * 3 * (4 + 2)
    assert found.begins() == [0, 24, 24]
    found.step += 1
    assert found.begins() == [12, 24, 30]
    first = found.drawn.copy()
    found.step += 1
    assert found.steps_left == 2
    assert not np.array_equal(found.drawn, first)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_going_on_is_as_if_it_had_not_stopped(monkeypatch, steps):
    monkeypatch.setattr(draws, "_ENTRIES_PER_DRAW", 66)
    whole = levels()
    assert whole.steps_left == 2
    whole.step += steps
    state, step = whole.position()
    resumed = levels(seed=9)
    resumed.rng.bit_generator.state = state
    resumed.go_to(step)
    assert resumed.steps_left == whole.steps_left
    np.testing.assert_array_equal(resumed.drawn, whole.drawn)
    assert resumed.begins() == whole.begins()


def test_without_dropout_nothing_is_drawn():
    found = levels(probabilities=(0.0, 0.0, 0.0))
    before = found.rng.bit_generator.state
    assert not found.active
    found.go_to(0)
    assert found.rng.bit_generator.state == before


THRESHOLDS = [1, 3277, 32768, 60000, 65535]


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_kept_units_make_up_for_dropped_ones(threshold):
    assert kept_scale(threshold) * (1 - threshold / 65536) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_alpha_dropout_keeps_mean_zero_and_variance_one(threshold):
    p = threshold / 65536
    scale, shift, dropped = (float(f(threshold)) for f in (alpha_scale, alpha_shift, alpha_dropped))
    assert (1 - p) * shift + p * dropped == pytest.approx(0, abs=1e-6)
    # of a kept unit scale² of variance and shift²; of a dropped one dropped²
    assert (1 - p) * (scale**2 + shift**2) + p * dropped**2 == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("threshold", THRESHOLDS[1:-1])
@pytest.mark.parametrize("x", [-1.7, 0.0, 2.5])
def test_alpha_dropout_makes_the_two_values_that_torch_makes(threshold, x):
    units = torch.full((10_000,), x, dtype=torch.float64)
    with torch.random.fork_rng():
        made = torch.nn.functional.alpha_dropout(units, threshold / 65536, training=True)
    kept = float(alpha_scale(threshold)) * x + float(alpha_shift(threshold))
    expected = sorted([kept, float(alpha_dropped(threshold))])
    np.testing.assert_allclose(made.unique(), expected, rtol=1e-6, atol=1e-6)


def test_levels_are_the_same_whatever_a_schedule_drops():
    scheduled, constant = levels(), levels()
    scheduled.set_time(DropoutTime(0.0, False, 2))
    assert not scheduled.thresholds.any()
    assert scheduled.active
    assert scheduled.steps_left == constant.steps_left
    np.testing.assert_array_equal(scheduled.drawn, constant.drawn)
    scheduled.step = constant.step = 7
    assert scheduled.begins() == constant.begins()
    scheduled.set_time(DropoutTime(0.5))
    assert scheduled.thresholds.tolist() == [16384, 0, 8192]


def test_nothing_is_drawn_when_a_schedule_is_over():
    found = levels()
    found.set_time(DropoutTime(0.0, True))
    assert not found.active
