import numpy as np
import pytest
from comparison_helpers import NEIGHBOURS, TREE, numbered, plan_of
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skmlp.comparison import InputError, load_dataset, make_dataset, make_plan
from skmlp.comparison.catalog import LARGE


def test_the_defaults_are_the_mlp_and_the_kernels_on_five_folds():
    plan = make_plan(load_dataset("wine"))
    assert len(plan.folds) == 5
    assert all(len(fold.inner) == 3 for fold in plan.folds)
    assert plan.contestants[0].name == plan.baseline == "MLP"
    assert len(plan.contestants) == 6
    assert [metric.name for metric in plan.metrics] == ["accuracy"]


def test_regression_has_regressors():
    plan = make_plan(load_dataset("diabetes"))
    assert [one.name for one in plan.contestants][1] == "SVR linear"
    assert [metric.name for metric in plan.metrics] == ["r2"]


def test_many_rows_are_noted_with_their_approximation():
    X = np.arange(2.0 * LARGE).reshape(-1, 1)
    rows = make_dataset(X, np.arange(len(X)) % 2, task="classification")
    plan = make_plan(rows, cv=2, random_state=0)
    assert "Nystroem rbf + LinearSVC" in [one.name for one in plan.contestants]
    assert any("exact kernels would take hours" in note for note in plan.notes)


def test_quick_has_three_folds_and_few_rows_in_proportion():
    y = np.repeat([0, 1, 2], [9000, 900, 100])
    rows = make_dataset(np.arange(10_000.0)[:, None], y)
    plan = make_plan(rows, quick=True, random_state=0)
    assert len(plan.folds) == 3
    assert np.bincount(plan.dataset.y).tolist() == [1800, 180, 20]
    assert any("2000 of 10000 rows" in note for note in plan.notes)


def test_the_share_of_test_rows():
    assert plan_of(numbered(60), NEIGHBOURS).test_to_train == 1 / 2
    assert plan_of(numbered(60), NEIGHBOURS, cv=5).test_to_train == 1 / 4


def test_a_drawn_seed_is_recorded_and_repeats_the_plan():
    first = make_plan(numbered(), {"tree": TREE})
    seed = first.settings["random_state"]
    again = make_plan(numbered(), {"tree": TREE}, random_state=seed)
    for one, two in zip(first.folds, again.folds, strict=True):
        np.testing.assert_array_equal(one.test, two.test)
    assert make_plan(numbered(), {"tree": TREE}).random_state != seed
    generator = np.random.RandomState(3)
    assert make_plan(numbered(), {"tree": TREE}, random_state=generator).random_state > 0


def test_estimators_without_a_seed_get_that_of_the_plan():
    estimators = {
        "none": RandomForestClassifier(),
        "own": RandomForestClassifier(random_state=7),
        "inside": make_pipeline(RandomForestClassifier()),
    }
    plan = make_plan(numbered(), estimators, random_state=5)
    states = [
        one.estimator.get_params().get("random_state")
        or one.estimator.get_params().get("randomforestclassifier__random_state")
        for one in plan.contestants
    ]
    assert states == [5, 7, 5]
    assert estimators["none"].random_state is None


def test_without_tuning_there_are_no_grids_and_no_inner_folds():
    plan = make_plan(numbered(), {"tree": TREE}, tune=False)
    assert plan.contestants[0].candidates == 1
    assert all(fold.inner == () for fold in plan.folds)
    assert "Not tuned (tune=False): tree." in plan.notes


def test_who_is_not_tuned_is_noted():
    plan = make_plan(numbered(), {"tree": TREE, "plain": KNeighborsClassifier()})
    assert "Not tuned (no grid was given): plain." in plan.notes


def test_calibration_is_noted():
    plan = make_plan(numbered(), {"svc": SVC(), "tree": TREE}, scoring=["accuracy", "neg_log_loss"])
    [note] = [note for note in plan.notes if "CalibratedClassifierCV" in note]
    assert note.endswith("svc.")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"baseline": "svm"}, "baseline='svm'.*one of 'tree'"),
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"random_state": -1}, "random_state=-1"),
        ({"random_state": 2**32}, "random_state=4294967296"),
        ({"cv": 1}, "cv=1"),
        ({"inner_cv": 1}, "inner_cv=1"),
        ({"preprocessing": 3}, "preprocessing=3"),
    ],
)
def test_impossible_settings_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        make_plan(numbered(), {"tree": TREE}, **options)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rope", "x"), ("n_jobs", "a"), ("n_jobs", 0), ("random_state", "a"), ("tune", "no")],
)
def test_settings_of_a_wrong_type_are_named(name, value):
    with pytest.raises(InputError, match=rf"Got {name}={value!r}"):
        make_plan(load_dataset("iris"), **{name: value})
