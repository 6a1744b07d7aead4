"""The names for type checkers are those of the tables. (``make lint`` checks typing_examples.)"""

from __future__ import annotations

from typing import get_args

import pytest

from skmlp.estimators import names
from skmlp.estimators.constraints import (
    CLASSIFIER_CONSTRAINTS,
    CONSTRAINTS,
    REGRESSOR_CONSTRAINTS,
)


@pytest.mark.parametrize(
    ("names", "parameter", "constraints"),
    [
        (names.ActivationName, "activation", CONSTRAINTS),
        (names.InitializationName, "initialization", CONSTRAINTS),
        (names.BiasInitializationName, "bias_initialization", CONSTRAINTS),
        (names.OptimizerName, "optimizer", CONSTRAINTS),
        (names.ScheduleName, "learning_rate", CONSTRAINTS),
        (names.RegressionLossName, "loss", REGRESSOR_CONSTRAINTS),
        (names.ClassificationLossName, "loss", CLASSIFIER_CONSTRAINTS),
        (names.DropoutScheduleName, "dropout_schedule", CONSTRAINTS),
        (names.AugmentationName, "augmentation", CONSTRAINTS),
    ],
)
def test_names_are_those_of_the_tables(names, parameter, constraints):
    assert sorted(get_args(names)) == sorted(constraints[parameter][0].options)
