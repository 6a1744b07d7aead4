"""The names for type checkers are those of the tables. (``make lint`` checks typing_examples.)"""

from __future__ import annotations

from typing import get_args

import pytest

from skmlp import _names
from skmlp._constraints import CONSTRAINTS, REGRESSOR_CONSTRAINTS


@pytest.mark.parametrize(
    ("names", "parameter"),
    [
        (_names.ActivationName, "activation"),
        (_names.InitializationName, "initialization"),
        (_names.OptimizerName, "optimizer"),
        (_names.ScheduleName, "learning_rate"),
        (_names.RegressionLossName, "loss"),
    ],
)
def test_names_are_those_of_the_tables(names, parameter):
    allowed = {**CONSTRAINTS, **REGRESSOR_CONSTRAINTS}[parameter][0].options
    assert sorted(get_args(names)) == sorted(allowed)
