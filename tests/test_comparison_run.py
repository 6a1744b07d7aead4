import numpy as np
import pandas as pd
import pytest
from comparison_helpers import (
    NEIGHBOURS,
    TREE,
    Failing,
    Mean,
    NearestMean,
    Recorder,
    numbered,
    plan_of,
)
from sklearn.model_selection import GridSearchCV, KFold, RepeatedStratifiedKFold, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, TargetEncoder
from sklearn.svm import SVC

from skmlp import MLPClassifier
from skmlp.comparison import Contestant, load_dataset, make_dataset, make_preprocessing, run_plan
from skmlp.comparison.progress import Progress


@pytest.fixture(autouse=True)
def forget():
    Recorder.seen.clear()
    yield
    Recorder.seen.clear()


def recorder(name):
    return Contestant(name, Recorder(name), {"shift": [0, 1]})


def seen_rows(name):
    """Row numbers of every fit of a contestant on the data, without those of the warm-up."""
    return [rows[:, 0].astype(int).tolist() for rows, _ in Recorder.seen[name] if rows.shape[1] > 2]


def test_all_contestants_see_the_rows_of_the_same_folds_in_the_same_order():
    plan = plan_of(numbered(), recorder("a"), recorder("b"))
    list(run_plan(plan))
    expected = []
    for fold in plan.folds:
        expected += [fold.train[train].tolist() for _ in range(2) for train, _ in fold.inner]
        expected.append(fold.train.tolist())
    assert seen_rows("a") == expected
    assert seen_rows("b") == expected


def test_tuning_never_sees_an_outer_test_row():
    plan = plan_of(
        numbered(),
        recorder("a"),
        cv=RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0),
    )
    list(run_plan(plan))
    fits = seen_rows("a")
    assert len(fits) == 6 * 5
    for number, fold in enumerate(plan.folds):
        for rows in fits[5 * number : 5 * (number + 1)]:
            assert not set(rows) & set(fold.test.tolist())


def test_groups_are_never_on_both_sides():
    groups = np.arange(60) // 4
    plan = plan_of(numbered(groups=groups), recorder("a"))
    list(run_plan(plan))
    for number, fold in enumerate(plan.folds):
        for rows in seen_rows("a")[5 * number : 5 * (number + 1)]:
            assert not set(groups[rows]) & set(groups[fold.test])


def test_preprocessing_never_sees_a_test_row():
    """A target encoder that sees its test rows gives the class of a row's own name away."""
    n = 80
    y = np.random.default_rng(0).integers(2, size=n)
    names = pd.DataFrame({"name": pd.Series([f"row {i}" for i in range(n)], dtype=object)})
    dataset = make_dataset(names, y)
    encode = TargetEncoder(smooth=0.1, cv=KFold(2))
    plan = plan_of(dataset, Contestant("knn", KNeighborsClassifier(1)), preprocessing=encode)
    honest = np.mean([result.scores["accuracy"] for result in run_plan(plan)])
    leaked = encode.fit(names, y).transform(names)
    assert KNeighborsClassifier(1).fit(leaked, y).score(leaked, y) == 1
    assert honest < 0.7


def test_what_contestants_are_given_stays_the_same_when_test_rows_go_wild():
    calm = numbered()
    make = make_preprocessing(calm.X)
    list(run_plan(plan := plan_of(calm, recorder("calm"), preprocessing=make)))
    for number, fold in enumerate(plan.folds):
        X = calm.X.copy()
        X.iloc[fold.test] = 1e9
        wild = make_dataset(X, calm.y, task="classification")
        list(run_plan(plan_of(wild, recorder(f"wild {number}"), preprocessing=make)))
        place = slice(1 + 5 * number, 1 + 5 * (number + 1))
        pairs = zip(
            Recorder.seen["calm"][place], Recorder.seen[f"wild {number}"][place], strict=True
        )
        for (rows, _), (others, _) in pairs:
            np.testing.assert_allclose(rows, others, rtol=1e-12)


def test_the_scores_are_those_of_nested_cross_validation_by_scikit_learn():
    dataset = load_dataset("circles")
    grid = {"n_neighbors": [1, 5, 25]}
    plan = plan_of(dataset, Contestant("knn", KNeighborsClassifier(), grid), preprocessing=None)
    results = list(run_plan(plan))
    inner = {fold.train.tobytes(): fold.inner for fold in plan.folds}

    class SameInner:
        def split(self, X, y=None, groups=None):
            return iter(inner[X.index.to_numpy().tobytes()])

        def get_n_splits(self, X=None, y=None, groups=None):
            return 2

    search = GridSearchCV(
        make_pipeline(make_preprocessing(dataset.X), KNeighborsClassifier()),
        {"kneighborsclassifier__n_neighbors": grid["n_neighbors"]},
        cv=SameInner(),
    )
    expected = cross_validate(search, dataset.X, dataset.y, cv=plan.splits, return_estimator=True)
    scores = [result.scores["accuracy"] for result in results]
    assert scores == pytest.approx(expected["test_score"])
    assert [result.parameters["n_neighbors"] for result in results] == [
        fitted.best_params_["kneighborsclassifier__n_neighbors"] for fitted in expected["estimator"]
    ]


def test_models_and_predictions_belong_to_their_fold():
    dataset = load_dataset("circles")
    plan = plan_of(dataset, NEIGHBOURS, preprocessing=None)
    for result in run_plan(plan):
        test = plan.folds[result.fold].test
        model, rows, y = result.model, dataset.X.iloc[test], dataset.y[test]
        assert model.score(rows, y) == result.scores["accuracy"]
        np.testing.assert_array_equal(result.predicted, model.predict(rows))
        np.testing.assert_array_equal(result.probabilities, model.predict_proba(rows))


def test_results_come_fold_by_fold():
    order = [
        (result.fold, result.contestant)
        for result in run_plan(plan_of(numbered(), NEIGHBOURS, TREE))
    ]
    assert order == [(fold, name) for fold in range(3) for name in ("neighbours", "tree")]


def test_a_contestant_that_fails_on_one_fold_loses_neither_the_others_nor_its_own():
    dataset = numbered()
    first = int(plan_of(dataset, TREE).folds[1].test[0])
    bad = Contestant("bad", Failing(without=first))
    results = list(run_plan(plan_of(dataset, bad, TREE)))
    errors = [result.error for result in results if result.contestant == "bad"]
    assert errors == [None, "RuntimeError: no luck [here]", None]
    assert all(result.error is None for result in results if result.contestant == "tree")


def test_preprocessing_that_fails_on_a_fold_is_told_by_every_row():
    dataset = numbered()
    first = int(plan_of(dataset, TREE).folds[1].test[0])

    def picky(X):
        if len(X) == 40 and first not in np.asarray(X)[:, 0]:
            raise ValueError("no such row")
        return X

    plan = plan_of(dataset, TREE, NEIGHBOURS, preprocessing=FunctionTransformer(picky))
    errors = [(result.fold, result.error) for result in run_plan(plan) if result.error]
    assert errors == [(1, "preprocessing: ValueError: no such row")] * 2


def test_several_scores_with_probabilities_by_calibration():
    dataset = load_dataset("circles")
    svc = Contestant("svc", SVC(random_state=0), {"C": [1, 10]})
    plan = plan_of(dataset, svc, TREE, scoring=["accuracy", "neg_log_loss", "roc_auc"])
    for result in run_plan(plan):
        assert list(result.scores) == ["accuracy", "neg_log_loss", "roc_auc"]
        assert result.scores["roc_auc"] > 0.9
        np.testing.assert_allclose(result.probabilities.sum(axis=1), 1)


def test_weights_are_in_fits_and_scores():
    y = np.repeat([0.5, 10.25], 30)
    weights = np.where(y > 1, 0.0, 1.0)
    dataset = make_dataset(np.zeros((60, 1)), y, sample_weight=weights)
    plan = plan_of(dataset, Contestant("mean", Mean()), scoring="neg_mean_absolute_error")
    for result in run_plan(plan):
        assert result.predicted == pytest.approx(0.5)
        assert result.scores["neg_mean_absolute_error"] == pytest.approx(0)


def test_times_memory_and_size_are_those_of_the_fit():
    class Costly(NearestMean):
        def fit(self, X, y):
            if len(X) > 12:  # more than in the warm-up
                np.ones(4_000_000)
            return super().fit(np.asarray(X), y)

    svc = Contestant("svc", SVC(kernel="linear", random_state=0), {"C": [0.1, 1]})
    costly, machine = list(
        run_plan(plan_of(numbered(), Contestant("costly", Costly()), svc, cv=3))
    )[:2]
    assert 30 < costly.peak_bytes / 1e6 < 40
    assert costly.fit_seconds > 0
    assert costly.tuning_seconds == 0
    assert machine.tuning_seconds > machine.fit_seconds > 0
    assert machine.predict_seconds > 0
    assert machine.fits == 1 + 2 * 2
    assert machine.size.count == machine.model[-1].support_vectors_.size


def test_networks_are_tuned_and_measured_like_any_other():
    mlp = Contestant(
        "MLP", MLPClassifier((8,), learning_rate_init=0.1, random_state=0), {"alpha": [0.1, 1]}
    )
    results = list(run_plan(plan_of(load_dataset("iris"), mlp, preprocessing=None)))
    assert all(result.error is None for result in results)
    assert results[0].size.count == 4 * 8 + 8 + 8 * 3 + 3
    assert all(result.scores["accuracy"] > 0.6 for result in results)


def test_rows_may_become_sparse():
    sparse = FunctionTransformer(lambda X: __import__("scipy").sparse.csr_array(np.asarray(X)))
    plan = plan_of(numbered(), NEIGHBOURS, preprocessing=sparse)
    assert all(result.error is None for result in run_plan(plan))


def test_progress_hears_of_every_fold():
    class Counting(Progress):
        def __init__(self):
            self.heard = []

        def begin(self, dataset, contestant):
            self.heard.append((dataset, contestant))

        def advance(self):
            self.heard.append("done")

    progress = Counting()
    bad = Contestant("bad", Failing())
    list(run_plan(plan_of(numbered(name="made"), bad, TREE), progress))
    assert progress.heard == [("made", "bad"), "done", ("made", "tree"), "done"] * 3
