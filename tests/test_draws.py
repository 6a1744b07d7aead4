from __future__ import annotations

import numpy as np
import pytest

from skmlp.training import draws
from skmlp.training.draws import Levels, random_levels, thresholds


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
