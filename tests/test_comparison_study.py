import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skmlp.comparison import (
    Contestant,
    Dataset,
    StudySettings,
    load_dataset,
    make_preprocessing,
    plan_study,
    run_study,
)
from skmlp.comparison.progress import Progress

SETTINGS = StudySettings(folds=3, inner_folds=2)


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps every training set it meets; the list is shared by all clones of a name."""

    seen: dict[str, list] = {}

    def __init__(self, name="a", shift=0):
        self.name = name
        self.shift = shift

    def fit(self, X, y):
        self.seen.setdefault(self.name, []).append((X.copy(), y.copy()))
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class Failing(Recorder):
    """Fails once the training rows are those of the second outer fold."""

    def fit(self, X, y):
        if sum(len(rows) == 40 for rows, _ in self.seen.get(self.name, [])):
            raise RuntimeError("no luck [here]\nand more")
        return super().fit(X, y)


class Unfinished(Recorder):
    def fit(self, X, y):
        warnings.warn("not converged", ConvergenceWarning, stacklevel=1)
        return super().fit(X, y)


@pytest.fixture(autouse=True)
def forget():
    Recorder.seen.clear()
    yield
    Recorder.seen.clear()


@pytest.fixture
def dataset():
    X = np.random.default_rng(0).normal(size=(60, 3))
    return Dataset("made", pd.DataFrame(X, columns=list("abc")), np.arange(60) % 2, ("n", "y"), "")


def contestant(name, kind=Recorder):
    return Contestant(name, kind(name), {"shift": [0, 1]})


def run(dataset, contestants, settings=SETTINGS, progress=None):
    plans = plan_study([dataset], settings)
    return list(run_study(plans, contestants, settings, progress)), plans[0]


def test_all_contestants_see_the_same_rows_in_the_same_order(dataset):
    run(dataset, [contestant("a"), contestant("b")])
    a, b = Recorder.seen["a"], Recorder.seen["b"]
    # the warm-up, then for each of 3 outer folds 2 candidates x 2 inner folds and the final fit
    assert len(a) == len(b) == 1 + 3 * (2 * 2 + 1)
    for (X_a, y_a), (X_b, y_b) in zip(a, b, strict=True):
        np.testing.assert_array_equal(X_a, X_b)
        np.testing.assert_array_equal(y_a, y_b)


def test_training_sets_are_those_of_the_plan(dataset):
    _, plan = run(dataset, [contestant("a")])
    final = [seen for seen in Recorder.seen["a"] if len(seen[0]) == 40]
    for fold, (X, y) in zip(plan.folds, final, strict=True):
        raw = dataset.X.iloc[fold.train]
        np.testing.assert_allclose(X, make_preprocessing(raw).fit_transform(raw))
        np.testing.assert_array_equal(y, dataset.y[fold.train])


def test_test_rows_have_no_say_in_preprocessing_or_tuning(dataset):
    """What the contestant is given on a fold stays the same when its test rows go wild."""
    _, plan = run(dataset, [contestant("calm")])
    fits = 2 * 2 + 1
    for number, fold in enumerate(plan.folds):
        wild = dataset.X.copy()
        wild.iloc[fold.test] = 1e9
        name = f"wild {number}"
        run(Dataset("wild", wild, dataset.y, dataset.classes, ""), [contestant(name)])
        place = slice(1 + number * fits, 1 + (number + 1) * fits)
        for calm, other in zip(
            Recorder.seen["calm"][place], Recorder.seen[name][place], strict=True
        ):
            np.testing.assert_allclose(calm[0], other[0], rtol=1e-12)


def test_the_scores_are_those_of_nested_cross_validation_by_scikit_learn():
    dataset = load_dataset("circles")
    grid = {"n_neighbors": [1, 5, 25]}
    [outcome], plan = run(dataset, [Contestant("neighbours", KNeighborsClassifier(), grid)])
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
    outer = [(fold.train, fold.test) for fold in plan.folds]
    expected = cross_validate(search, dataset.X, dataset.y, cv=outer, return_estimator=True)
    assert [fold.score for fold in outcome.folds] == pytest.approx(expected["test_score"])
    assert [fold.best_parameters["n_neighbors"] for fold in outcome.folds] == [
        fitted.best_params_["kneighborsclassifier__n_neighbors"] for fitted in expected["estimator"]
    ]


def test_the_model_is_that_of_the_first_fold(dataset):
    grid = {"n_neighbors": [3]}
    [outcome], plan = run(dataset, [Contestant("n", KNeighborsClassifier(), grid)])
    test = plan.folds[0].test
    assert outcome.model.score(dataset.X.iloc[test], dataset.y[test]) == outcome.folds[0].score


def test_a_failing_contestant_leaves_the_others_alone(dataset):
    outcomes, _ = run(dataset, [contestant("bad", Failing), contestant("good")])
    bad, good = outcomes
    assert bad.error == "fold 2: RuntimeError: no luck [here]"
    assert len(bad.folds) == 1
    assert good.error is None
    assert len(good.folds) == 3


@pytest.mark.filterwarnings("error")
def test_convergence_warnings_are_counted_not_shown(dataset):
    [outcome], _ = run(dataset, [contestant("slow", Unfinished)])
    assert [fold.unconverged for fold in outcome.folds] == [5, 5, 5]
    assert [fold.fits for fold in outcome.folds] == [5, 5, 5]


def test_other_warnings_are_passed_on(dataset):
    class Noisy(Recorder):
        def fit(self, X, y):
            warnings.warn("mind the gap", UserWarning, stacklevel=1)
            return super().fit(X, y)

    with pytest.warns(UserWarning, match="mind the gap"):
        run(dataset, [contestant("noisy", Noisy)])


def test_times_are_positive(dataset):
    [outcome], _ = run(dataset, [contestant("a")])
    for fold in outcome.folds:
        assert fold.tuning_seconds > fold.fit_seconds > 0
        assert fold.predict_seconds > 0


def test_an_interrupt_keeps_the_finished_outcomes(dataset):
    class Interrupting(Recorder):
        def fit(self, X, y):
            if len(X) > 12:  # more than in the warm-up
                raise KeyboardInterrupt
            return super().fit(X, y)

    study = run_study(
        plan_study([dataset], SETTINGS),
        [contestant("a"), contestant("b", Interrupting)],
        SETTINGS,
    )
    assert next(study).contestant == "a"
    with pytest.raises(KeyboardInterrupt):
        next(study)


def test_progress_counts_every_fold_even_of_a_failing_contestant(dataset):
    class Counting(Progress):
        begun: list = []
        folds = 0

        def begin(self, dataset, contestant):
            self.begun.append((dataset, contestant))

        def advance(self, folds=1):
            self.folds += folds

    progress = Counting()
    run(dataset, [contestant("bad", Failing), contestant("good")], progress=progress)
    assert progress.begun == [("made", "bad"), ("made", "good")]
    assert progress.folds == 6


def test_two_processes_give_the_scores_of_one():
    dataset = load_dataset("circles")
    neighbours = Contestant("n", KNeighborsClassifier(), {"n_neighbors": [1, 25]})

    def scores(n_jobs):
        settings = StudySettings(folds=2, inner_folds=2, n_jobs=n_jobs)
        [outcome], _ = run(dataset, [neighbours], settings)
        return [fold.score for fold in outcome.folds]

    assert scores(1) == scores(2)
