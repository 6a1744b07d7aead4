"""y in, predictions out: each kind of targets gives back what it was given."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.utils.multiclass import check_classification_targets

from skmlp.estimators.targets import (
    Classes,
    Columns,
    Labels,
    Numbers,
    TwoClasses,
    checked_labels,
    checked_numbers,
    circular_score,
    has_columns,
    learned_classes,
)
from skmlp.network.loss_forms import Groups

WORDS = np.array(["a", "b", "c"])
KINDS = {
    "one": (Classes("log_loss", WORDS[:1]), np.array(["a", "a", "a"])),
    "two": (TwoClasses("binary_log_loss", WORDS[:2]), np.array(["b", "a", "b"])),
    "three": (Classes("log_loss", WORDS), np.array(["c", "a", "b"])),
    "labels": (Labels("binary_log_loss", np.arange(2)), np.array([[0, 1], [1, 1], [0, 0]])),
}
classifiers = pytest.mark.parametrize(("targets", "y"), KINDS.values(), ids=KINDS)


def sure(targets, y):
    """Logits of networks that are sure of y."""
    return 20.0 * (2.0 * targets.expanded(targets.encoded(y), "float64") - 1.0)


@classifiers
def test_predictions_of_sure_networks_are_what_was_encoded(targets, y):
    encoded = targets.encoded(y)
    assert len(encoded) == 3
    for dtype in ("float32", "float64"):
        expanded = targets.expanded(encoded, dtype)
        assert (expanded.shape, expanded.dtype) == ((3, targets.n_outputs), dtype)
        assert set(np.unique(expanded)) <= {0.0, 1.0}
    np.testing.assert_array_equal(targets.predictions(sure(targets, y)), y)
    assert targets.probabilities(sure(targets, y)).shape == (3, len(targets.classes))


@classifiers
def test_probabilities_and_their_logarithms_agree_with_predictions(targets, y):
    logits = np.random.default_rng(0).normal(size=(50, targets.n_outputs))
    p = targets.probabilities(logits)
    np.testing.assert_allclose(np.log(p), targets.log_probabilities(logits), atol=1e-12)
    if y.ndim == 2:
        np.testing.assert_array_equal(targets.predictions(logits), p > 0.5)
    else:
        np.testing.assert_allclose(p.sum(1), 1.0)
        np.testing.assert_array_equal(targets.predictions(logits), targets.classes[p.argmax(1)])


@classifiers
def test_smoothing_leaves_each_class_its_share_in_training_only(targets, y):
    encoded, plain = targets.encoded(y), targets.expanded(targets.encoded(y), "float64")
    smoothing = type(targets)(targets.loss, targets.classes, 0.3)
    smoothed = smoothing.expanded(encoded, "float64")
    np.testing.assert_array_equal(smoothing.expanded(encoded, "float64", "_val"), plain)
    if len(targets.classes) == 1:
        np.testing.assert_array_equal(smoothed, plain)
    else:
        n_classes = 3 if targets.problem == "classes" else 2
        np.testing.assert_allclose(smoothed, 0.7 * plain + 0.3 / n_classes)


def test_decisions_of_two_classes_are_the_log_odds_of_the_second():
    logits = np.array([[3.0], [-1.0]])
    assert KINDS["two"][0].decision(logits).tolist() == [3.0, -1.0]
    assert KINDS["labels"][0].decision(logits) is logits


@pytest.mark.parametrize("kind", ["one", "two", "three"])
def test_unknown_classes_and_indicators_are_refused(kind):
    targets, y = KINDS[kind]
    with pytest.raises(ValueError, match=r"^y_val has classes.*\['0', 'zz'\].*known classes"):
        targets.encoded(np.array([*y, "zz", "0"]), "y_val")
    with pytest.raises(ValueError, match=r"y has shape \(3, 2\).*one label per row"):
        targets.encoded(KINDS["labels"][1])


@pytest.mark.parametrize("y", [np.array([0, 1]), np.zeros((2, 3), int)])
def test_labels_take_as_many_columns_as_at_first(y):
    with pytest.raises(ValueError, match=r"has shape .* fitted for 2 labels"):
        KINDS["labels"][0].encoded(y)


def test_splits_keep_classes_in_proportion_but_not_combinations_of_labels():
    for kind, (targets, y) in KINDS.items():
        assert targets.in_proportion(y) is (None if kind == "labels" else y)
    assert Numbers("squared_error", 1).in_proportion(np.ones(3)) is None


def test_a_fit_goes_on_with_all_classes_or_any_labels():
    for targets, y in KINDS.values():
        targets.check_continued(y)
    with pytest.raises(ValueError, match="same classes as in the previous call"):
        KINDS["three"][0].check_continued(np.array(["a", "b"]))
    KINDS["labels"][0].check_continued(np.zeros((3, 2), int))


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_numbers_come_back_in_the_shape_of_y(n_outputs):
    targets = Numbers("squared_error", n_outputs)
    y = np.arange(3.0) if n_outputs == 1 else np.arange(6.0).reshape(3, 2)
    assert targets.encoded(y).shape == (3, n_outputs)
    np.testing.assert_array_equal(
        targets.predictions(targets.expanded(targets.encoded(y), "float64")), y
    )
    assert (targets.probabilities, targets.classes) == (None, None)


def test_numbers_are_checked_by_their_loss_and_predicted_by_its_mean():
    targets = Numbers("poisson", 1)
    np.testing.assert_allclose(targets.predictions(np.array([[2.0]])), np.exp([2.0]))
    with pytest.raises(ValueError, match=r"loss='poisson'.*y_val goes down to -1"):
        targets.encoded(np.array([1.0, -1.0]), "y_val")


def test_learned_classes_are_sorted_or_those_that_are_given():
    y = np.array([3, 1, 3])
    assert learned_classes(y, None).tolist() == [1, 3]
    assert learned_classes(y, [5, 3, 1]).tolist() == [1, 3, 5]
    assert learned_classes(np.zeros((2, 3)), None).tolist() == [0, 1, 2]


def said(check, y):
    """What a check says of y: an error, a warning, or nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            check(y)
        except (ValueError, TypeError, UserWarning) as error:
            return str(error)


@pytest.mark.parametrize(
    "y",
    [
        np.arange(30) % 3,
        np.arange(30) % 3 == 1,
        (np.arange(30) % 3).astype(np.uint8),
        (np.arange(30) % 3).astype(float),
        (np.arange(30) % 3).astype(str),
        (np.arange(30) % 3).astype(str).astype(object),
        (np.arange(30) % 3).astype(bytes),
        np.array([None, 1, 2], dtype=object),
        np.linspace(0, 1, 30),
        np.arange(20),
        np.arange(21),
        np.arange(24) // 2,
        np.arange(26) // 2,
        np.minimum(np.arange(30), 14),
        np.minimum(np.arange(30), 15),
        np.eye(3),
        np.eye(3, dtype=bool),
        np.eye(3) / 2,
    ],
)
def test_labels_are_checked_as_scikit_learn_checks_them(y):
    assert said(checked_labels, y) == said(check_classification_targets, y)


def test_indicators_are_zeros_and_ones():
    labels = Labels("binary_log_loss", np.arange(3))
    for y in (np.eye(3, dtype=int), np.eye(3), np.eye(3, dtype=bool)):
        assert checked_labels(y) is y
        np.testing.assert_array_equal(labels.encoded(y), np.eye(3))
    for y in (2 * np.eye(3, dtype=int), np.eye(3) + 1):
        with pytest.raises(ValueError, match="indicator of 0 and 1; got the values"):
            labels.encoded(checked_labels(y))


def test_columns_are_told_from_labels():
    for y in (np.eye(3), np.eye(3, dtype=int), 2 * np.eye(3, dtype=int), np.arange(3)):
        assert not has_columns(y)
    for y in (np.arange(6).reshape(3, 2), np.array([["a", "b"], ["b", "a"]])):
        assert has_columns(checked_labels(y))
    assert [list(c) for c in learned_classes(np.array([[5, 1], [3, 1]] * 2 + [[4, 1]]), None)] == [
        [3, 4, 5],
        [1],
    ]
    assert [list(c) for c in learned_classes(np.eye(2), [[0, 1], (2, 1, 0)])] == [[0, 1], [0, 1, 2]]


def test_columns_come_back_as_they_were():
    y = np.array([["a", "x"], ["b", "z"], ["b", "y"]])
    targets = Columns(Groups("log_loss", (2, 3)), learned_classes(y, None), 0.3)
    plain, smooth = (targets.expanded(targets.encoded(y), "float64", s) for s in ("_val", ""))
    assert plain.tolist() == [[1, 0, 1, 0, 0], [0, 1, 0, 0, 1], [0, 1, 0, 1, 0]]
    np.testing.assert_allclose(smooth, 0.7 * plain + 0.3 / np.array([2, 2, 3, 3, 3]))
    np.testing.assert_array_equal(targets.predictions(20 * plain), y)
    assert [len(p[0]) for p in targets.probabilities(plain)] == [2, 3]
    np.testing.assert_allclose(targets.probabilities(plain)[1].sum(1), 1.0)
    assert targets.in_proportion(y) is None
    assert targets.score(y, y[[0, 1, 1]], [1.0, 1.0, 2.0]) == 0.5
    mixed = Columns(Groups("log_loss", (2, 2)), [np.array(["a", "b"]), np.array([3, 4])])
    assert mixed.predictions(np.eye(4)[:1]).tolist() == [["a", 3]]


def test_circular_scores_need_finite_angles_and_as_many():
    assert circular_score([0.0, 7.0], np.array([2 * np.pi, 7.0])) == 1.0
    with pytest.raises(ValueError, match="y has nan in row 1"):
        circular_score([0.0, np.nan], np.zeros(2))
    with pytest.raises(ValueError, match=r"y has shape \(3,\), but there are predictions \(2,\)"):
        circular_score([0.0, 1.0, 2.0], np.zeros(2))


def test_numbers_become_float64_and_must_be_finite():
    y = np.arange(3.0)
    assert checked_numbers(y) is y
    assert checked_numbers(np.array([1, 2])).dtype == np.float64
    with pytest.raises(ValueError, match=r"y has None in row 1: targets must be finite"):
        checked_numbers(np.array([[1.0, 2.0], [3.0, None]], dtype=object))
