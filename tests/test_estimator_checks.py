"""scikit-learn's own checks, none excused."""

from __future__ import annotations

import pytest
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor
from sklearn.utils.estimator_checks import (
    check_estimator,
    check_param_validation,
    parametrize_with_checks,
)

from skmlp import MLPClassifier, MLPRegressor

PAIRS = [(MLPClassifier, SklearnClassifier), (MLPRegressor, SklearnRegressor)]


@pytest.fixture(autouse=True)
def globals_untouched():
    """scikit-learn's checks use the global generators themselves."""


@parametrize_with_checks(
    [
        MLPClassifier(),
        MLPClassifier(loss="hinge"),
        MLPRegressor(),
        MLPRegressor(loss="quantile"),
        MLPRegressor(loss="gaussian"),
    ]
)
@pytest.mark.filterwarnings("ignore")
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.filterwarnings("ignore")
def test_only_checks_that_scikit_learns_mlp_skips_are_skipped(ours, theirs):
    statuses = []
    for estimator in (ours(max_iter=20), theirs(max_iter=20)):
        results = check_estimator(estimator, on_fail=None, on_skip=None)
        statuses.append({r["check_name"]: r["status"] for r in results})
    skipped = [{name for name, s in checks.items() if s == "skipped"} for checks in statuses]
    assert skipped[0] <= skipped[1]
    assert set(statuses[0]) >= set(statuses[1]) - {"check_sample_weights_not_an_array"}


@pytest.mark.parametrize("estimator", [MLPClassifier(), MLPRegressor()])
def test_parameter_validation(estimator):
    check_param_validation(type(estimator).__name__, estimator)


def test_checks_that_our_tags_add_do_run():
    names = {
        cls: {r["check_name"] for r in check_estimator(cls(max_iter=2), on_fail=None, on_skip=None)}
        for cls in (MLPClassifier, MLPRegressor)
    }
    assert {
        "check_class_weight_classifiers",
        "check_classifier_multioutput",
        "check_decision_proba_consistency",
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    } <= names[MLPClassifier]
    assert "check_regressor_multioutput" in names[MLPRegressor]
