from __future__ import annotations

import numpy as np
import pytest

from skmlp.estimators.rows import can_stratify, checked_weights, fresh_random_state, per_layer, take
from skmlp.task import Rows


def test_can_stratify_needs_two_rows_of_each_class_and_a_place_on_each_side():
    assert can_stratify(np.array([0, 0, 1, 1]), 2)
    assert not can_stratify(np.array([0, 0, 0, 1]), 2)
    assert not can_stratify(np.repeat(np.arange(5), 2), 2)
    assert not can_stratify(np.repeat(np.arange(5), 2), 8)


def test_take_takes_all_columns_of_the_rows():
    rows = Rows(
        np.arange(8).reshape(4, 2), np.arange(4)[:, None], np.ones(4), np.array(list("abcd"))
    )
    some = take(rows, np.array([3, 1]))
    assert some.X.tolist() == [[6, 7], [2, 3]]
    assert some.targets.tolist() == [[3], [1]]
    assert some.labels.tolist() == ["d", "b"]
    assert len(some) == len(some.weights) == 2


def test_per_layer_repeats_one_value():
    assert per_layer("relu", 3) == ("relu",) * 3
    assert per_layer(["relu", "tanh"], 2) == ("relu", "tanh")
    assert per_layer(0.5, 0) == ()


def test_weights_are_float64_and_scalars_are_repeated():
    X = np.zeros((3, 1))
    assert checked_weights(None, X, "sample_weight") is None
    assert checked_weights([1, 2, 0], X, "sample_weight").dtype == np.float64
    assert checked_weights(2.0, X, "sample_weight").tolist() == [2.0] * 3
    with pytest.raises(ValueError, match=r"w\[1\] is -2"):
        checked_weights([1, -2, 0], X, "w")


def test_fresh_random_state_is_reproducible_only_with_a_seed():
    draws = [fresh_random_state(seed).randint(2**31 - 1) for seed in (0, 0, None, None)]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3
