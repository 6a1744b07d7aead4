"""y in, predictions out: each kind of targets gives back what it was given."""

from __future__ import annotations

import numpy as np
import pytest

from skmlp.estimators.targets import Classes, Labels, Numbers, TwoClasses, learned_classes

WORDS = np.array(["a", "b", "c"])
KINDS = {
    "one": (Classes("log_loss", WORDS[:1]), np.array(["a", "a", "a"])),
    "two": (TwoClasses("binary_log_loss", WORDS[:2]), np.array(["b", "a", "b"])),
    "three": (Classes("log_loss", WORDS), np.array(["c", "a", "b"])),
    "labels": (Labels("binary_log_loss", np.arange(2)), np.array([[0, 1], [1, 1], [0, 0]])),
}
classifiers = pytest.mark.parametrize(("targets", "y"), KINDS.values(), ids=KINDS)


def far(encoded):
    """Logits of networks that are sure of these targets."""
    return 20.0 * (2.0 * encoded - 1.0)


@classifiers
def test_predictions_of_sure_networks_are_what_was_encoded(targets, y):
    encoded = targets.encoded(y)
    assert encoded.shape == (3, targets.n_outputs)
    assert encoded.dtype == np.float64
    np.testing.assert_array_equal(targets.predictions(far(encoded)), y)
    assert targets.probabilities(far(encoded)).shape == (3, len(targets.classes))


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
def test_smoothing_leaves_each_class_its_share(targets, y):
    encoded = targets.encoded(y)
    smoothed = targets.smoothed(encoded, 0.3)
    assert targets.smoothed(encoded, 0.0) is encoded
    if len(targets.classes) == 1:
        assert smoothed is encoded
    elif targets.problem == "classes":
        np.testing.assert_allclose(smoothed.sum(1), 1.0)
        assert np.unique(smoothed.round(12)).tolist() == [0.1, 0.8]
    else:
        assert np.unique(smoothed.round(12)).tolist() == [0.15, 0.85]


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
    np.testing.assert_array_equal(targets.predictions(targets.encoded(y)), y)
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
