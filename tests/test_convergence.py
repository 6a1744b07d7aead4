from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skmlp import MLPRegressor


def fit(scale, **parameters):
    X = np.random.default_rng(0).normal(size=(60, 3))
    return MLPRegressor((4,), max_iter=3, random_state=0, **parameters).fit(X, scale * X[:, 0] ** 2)


def test_a_target_of_large_scale_is_named_with_the_remedy():
    with pytest.warns(ConvergenceWarning) as caught:
        fit(1000.0)
    message = str(caught[0].message)
    assert "max_iter=3 epochs" in message
    assert "scale y too" in message
    assert "TransformedTargetRegressor" in message
    X = np.random.default_rng(0).normal(size=(60, 3))
    rms = np.sqrt(np.mean((1000 * X[:, 0] ** 2) ** 2))
    assert f"root mean square of y is {rms:.3g}" in message


@pytest.mark.parametrize(
    ("scale", "parameters"), [(1.0, {}), (1000.0, {"loss": "poisson", "learning_rate_init": 1e-5})]
)
def test_other_targets_are_left_alone(scale, parameters):
    with pytest.warns(ConvergenceWarning) as caught:
        fit(scale, **parameters)
    assert "scale y" not in str(caught[0].message)
