from __future__ import annotations

import numpy as np
import pytest

from skmlp import MLPClassifier
from skmlp.estimators.class_weight import weighted_by_class

Y = np.array([0, 0, 0, 1])
CLASSES = np.array([0, 1])


def test_weights_are_multiplied():
    own = np.array([1.0, 2.0, 3.0, 4.0])
    found = weighted_by_class({0: 10.0, 1: 0.5}, Y, CLASSES, own)
    assert found.tolist() == [10.0, 20.0, 30.0, 2.0]
    assert own.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_balanced_gives_every_class_the_same_total():
    found = weighted_by_class("balanced", Y, CLASSES, None)
    np.testing.assert_allclose([found[:3].sum(), found[3:].sum()], [2.0, 2.0])


def test_labels_of_several_columns_multiply():
    labels = np.array([[0, 1], [1, 1], [1, 0]])
    found = weighted_by_class([{1: 3.0}, {0: 5.0}], labels, np.arange(2), None)
    assert found.tolist() == [1.0, 3.0, 15.0]


@pytest.mark.parametrize(
    ("weights", "class_weight", "message"),
    [
        (1e306, {0: 10.0, 1: 200.0}, "overflows float64"),
        (1e-200, {0: 1e-200, 1: 1.0}, "is zero in float64 for some rows"),
    ],
)
def test_products_that_leave_float64_are_refused(weights, class_weight, message):
    own = np.full(4, weights)
    with pytest.raises(ValueError, match=rf"sample_weight and class_weight {message}.*constant"):
        weighted_by_class(class_weight, Y, CLASSES, own)


def test_an_overflowing_product_is_an_error_and_not_an_untrained_model():
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = MLPClassifier((4,), class_weight={0: 10.0, 1: 20.0})
    with pytest.raises(ValueError, match="overflows float64"):
        model.fit(X, X[:, 0] > 0, np.full(60, 1e306))
    assert not hasattr(model, "coefs_")


def test_classes_may_have_no_weight_but_not_all():
    assert weighted_by_class({0: 0.0}, Y, CLASSES, None).tolist() == [0.0, 0.0, 0.0, 1.0]
    with pytest.raises(ValueError, match="must not give every row the weight zero"):
        weighted_by_class({0: 0.0, 1: 0}, Y, CLASSES, None)
