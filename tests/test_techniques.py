"""The table of techniques is true: calls, tests and examples exist, and no choice is missing."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris

import skmlp
from skmlp import MLPClassifier
from skmlp.augmentation import AUGMENTATION_RULES, AUGMENTATIONS
from skmlp.estimators.constraints import (
    CLASSIFIER_CONSTRAINTS,
    CONSTRAINTS,
    REGRESSOR_CONSTRAINTS,
)
from skmlp.network.activations import ACTIVATIONS
from skmlp.network.initialization import BIAS_INITIALIZATIONS, INITIALIZATIONS, WHOLE_NETWORK
from skmlp.network.layers import NORMALIZATIONS
from skmlp.network.losses import losses_of
from skmlp.network.rules import RULES
from skmlp.task import FULL_BATCH_OPTIMIZERS
from skmlp.training.averaging import AVERAGINGS
from skmlp.training.dropout_schedules import DROPOUT_SCHEDULES
from skmlp.training.optimizers import OPTIMIZERS
from skmlp.training.schedules import SCHEDULES

ROOT = Path(__file__).parent.parent
NAMESPACE = vars(skmlp) | {name: getattr(skmlp, name) for name in skmlp.__all__} | {"torch": torch}
# They say where, how long, how loudly, or how a search is held together.
NO_TECHNIQUES = {
    "learning_rate_init", "max_iter", "random_state", "verbose", "device", "dtype", "callbacks",
    "warm_start",
}  # fmt: skip


class Row(NamedTuple):
    technique: str
    calls: list[str]
    test: str
    example: str
    trained_by: str

    @property
    def made(self) -> list[Any]:
        return [eval(call, dict(NAMESPACE)) for call in self.calls]


def rows() -> list[Row]:
    text = (ROOT / "docs" / "techniques.md").read_text(encoding="utf-8")
    first, *_ = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    lines = [line for line in first.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return [Row(name, re.findall(r"`([^`]+)`", calls), *rest) for name, calls, *rest in cells]


ROWS = rows()
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.technique)
CALLS = [thing for row in ROWS for thing in row.made if isinstance(thing, BaseEstimator)]


def chosen(name: str) -> list[Any]:
    """The values of a parameter that the table's calls have."""
    return [call.get_params()[name] for call in CALLS if name in call.get_params()]


@each_row
def test_calls_are_valid_and_tests_and_examples_exist(row):
    assert row.calls
    for call in row.made:
        if isinstance(call, BaseEstimator):
            call._check_parameters()
        else:
            assert callable(call)
    file, _, name = row.test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(), flags=re.MULTILINE)
    example = (ROOT / row.example).read_text(encoding="utf-8")
    for call in row.calls:
        for parameter in re.findall(r"(\w+)=", call) or [call]:
            assert parameter in example, parameter


@pytest.mark.parametrize(
    ("parameter", "names"),
    {
        "initialization": [*INITIALIZATIONS, *WHOLE_NETWORK],
        "bias_initialization": BIAS_INITIALIZATIONS,
        "activation": ACTIVATIONS,
        "normalization": NORMALIZATIONS,
        "optimizer": [*OPTIMIZERS, *FULL_BATCH_OPTIMIZERS],
        "learning_rate": SCHEDULES,
        "loss": [*losses_of("numbers"), *losses_of("classes")],
        "averaging": AVERAGINGS,
        "dropout_schedule": DROPOUT_SCHEDULES,
        "augmentation": AUGMENTATIONS,
    }.items(),
)
def test_no_choice_is_missing(parameter, names):
    assert set(names) <= {value for value in chosen(parameter) if isinstance(value, str)}


def test_no_parameter_and_no_rule_is_missing():
    every = set(CONSTRAINTS | CLASSIFIER_CONSTRAINTS | REGRESSOR_CONSTRAINTS)
    named = {name for row in ROWS for call in row.calls for name in re.findall(r"(\w+)=", call)}
    assert every - NO_TECHNIQUES <= named
    assert set(RULES) <= {type(value) for value in chosen("initialization")}
    assert set(AUGMENTATION_RULES) <= {type(value) for value in chosen("augmentation")}


def trained_by(call: BaseEstimator) -> str:
    """Compiled loops refuse, when they are asked for, what they do not know."""
    X, y = load_iris(return_X_y=True)
    call.set_params(max_iter=1, random_state=0)
    with warnings.catch_warnings(), skmlp.config(executor="compiled"):
        warnings.simplefilter("ignore")
        try:
            call.fit(X - X.mean(0), y if isinstance(call, MLPClassifier) else 1.0 + X[:, 0])
        except ValueError as error:
            return "torch" if "compiled loops do not know" in str(error) else str(error)
    return "loops"


@each_row
def test_the_table_says_who_trains(row):
    for call in row.made:
        if isinstance(call, BaseEstimator):
            assert trained_by(call) == row.trained_by, call


def test_what_was_measured_is_what_the_benchmark_measures():
    text = (ROOT / "docs" / "techniques.md").read_text(encoding="utf-8")
    _, last = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    measured = [line.split("|")[1].strip() for line in last.splitlines()[2:]]
    benchmark = (ROOT / "benchmarks" / "techniques.py").read_text(encoding="utf-8")
    assert measured == re.findall(r'^    "(.+)": Technique\(', benchmark, flags=re.MULTILINE)
