"""The names for type checkers are those of the tables. (``make lint`` checks typing_examples.)"""

from __future__ import annotations

from typing import get_args

import pytest

from skmlp.estimators import names
from skmlp.estimators.constraints import CONSTRAINTS, REGRESSOR_CONSTRAINTS


@pytest.mark.parametrize(
    ("names", "parameter"),
    [
        (names.ActivationName, "activation"),
        (names.InitializationName, "initialization"),
        (names.BiasInitializationName, "bias_initialization"),
        (names.OptimizerName, "optimizer"),
        (names.ScheduleName, "learning_rate"),
        (names.DropoutScheduleName, "dropout_schedule"),
        (names.AugmentationName, "augmentation"),
        (names.RegressionLossName, "loss"),
    ],
)
def test_names_are_those_of_the_tables(names, parameter):
    allowed = {**CONSTRAINTS, **REGRESSOR_CONSTRAINTS}[parameter][0].options
    assert sorted(get_args(names)) == sorted(allowed)
