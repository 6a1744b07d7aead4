from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from skmlp.estimators.rows import (
    can_stratify,
    checked_groups,
    checked_weights,
    fresh_random_state,
    held_out,
    per_layer,
    take,
    with_weight,
)
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
    assert take(rows, None) is rows


def test_rows_without_weight_are_left_out():
    assert with_weight(None) is None
    assert with_weight(np.array([1.0, 2.0])) is None
    assert with_weight(np.array([0.0, 2.0, 0.0, 1.0])).tolist() == [1, 3]


@pytest.mark.parametrize("labels", [None, np.arange(60) % 3, np.arange(60) // 54])
@pytest.mark.parametrize("index", [None, np.arange(5, 55)])
def test_rows_are_held_out_as_train_test_split_does(labels, index):
    rows, known = Rows(np.zeros((60, 1)), np.zeros(60)), range(60) if index is None else index
    stratify = None if labels is None else labels[known]
    if labels is not None and not can_stratify(stratify, 11):
        stratify = None
    expected = train_test_split(known, test_size=0.18, random_state=3, stratify=stratify)
    found = held_out(rows, index, labels, 0.18, fresh_random_state(3))
    assert [part.tolist() for part in found] == [sorted(part) for part in expected]


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


@pytest.mark.parametrize("seed", [0, 42, 2**32 - 1, np.int64(7), True])
def test_seeds_give_numpys_streams(seed):
    ours, numpys = fresh_random_state(seed), np.random.RandomState(seed)
    np.testing.assert_array_equal(ours.randint(2**31, size=1000), numpys.randint(2**31, size=1000))
    with pytest.raises(ValueError, match="between 0 and 2"):
        fresh_random_state(-1)


# Whole groups


@pytest.mark.parametrize("index", [None, np.arange(5, 55)])
@pytest.mark.parametrize("fraction", [0.1, 0.34])
def test_groups_are_held_out_whole_as_group_shuffle_split_does(index, fraction):
    groups = np.random.default_rng(0).integers(0, 11, 60)
    rows, known = Rows(np.zeros((60, 1)), np.zeros(60)), np.arange(60) if index is None else index
    train, held = held_out(rows, index, None, fraction, fresh_random_state(3), groups)
    assert sorted([*train, *held]) == list(known)
    assert not set(groups[train]) & set(groups[held])
    assert len(set(groups[held])) == np.ceil(fraction * len(set(groups[known])))
    split = GroupShuffleSplit(1, test_size=fraction, random_state=3)
    expected = next(split.split(known, groups=groups[known]))
    assert [train.tolist(), held.tolist()] == [sorted(known[part]) for part in expected]


@pytest.mark.parametrize(
    ("groups", "fraction", "message"),
    [
        (np.zeros(20, int), 0.5, "of 1 groups leaves 20 rows for training and 0 for validation"),
        (np.arange(20), 0.0, "of 20 groups leaves 20 rows for training and 0"),
        (np.arange(20), 0.05, "leaves 19 rows for training and 1 for validation"),
        (np.arange(20) // 10, 0.9, "of 2 groups leaves 20 rows"),
    ],
)
def test_too_few_groups_are_an_error(groups, fraction, message):
    rows = Rows(np.zeros((20, 1)), np.zeros(20))
    with pytest.raises(ValueError, match=message):
        held_out(rows, None, None, fraction, fresh_random_state(0), groups)


@pytest.mark.parametrize(
    "groups",
    [
        ["b", "a", "b", "c"],
        np.array([2.5, 1.0, 2.5, 7.0]),
        pd.Series(["b", "a", "b", "c"], dtype="category"),
        pd.Series(["b", "a", "b", "c"], dtype=object),
        np.array([[1], [0], [1], [2]]),
    ],
)
@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_groups_may_have_any_names(groups):
    assert checked_groups(groups, 4).tolist() == [1, 0, 1, 2]
    assert checked_groups(None, 4) is None


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2, 3], "groups has 3 entries for 4 rows"),
        ([1.0, 2.0, np.nan, 3.0], "groups has nan in row 2: give each row a group"),
        (["a", None, "b", "b"], "groups has None in row 1"),
        (pd.Series(["a", "b", "b", None], dtype="string"), "groups has <NA> in row 3"),
        (np.ones((4, 2)), r"groups has shape \(4, 2\) for 4 rows: give one for each"),
    ],
)
def test_a_row_without_a_group_is_an_error(groups, message):
    with pytest.raises(ValueError, match=message):
        checked_groups(groups, 4)
