from __future__ import annotations

import asyncio
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from helpers import Trainings, iris, mlp
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFECV, SequentialFeatureSelector
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from skorch.callbacks import Callback

import skmlp
from skmlp import MLPClassifier, MLPRegressor
from skmlp.fusion import meeting
from skmlp.training import Conductor, stacks

pytestmark = pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")


@pytest.fixture(autouse=True)
def globals_untouched():
    """scikit-learn's searches may use the global generators."""


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """Networks train while others are being prepared."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


@pytest.fixture
def trainings(monkeypatch):
    return Trainings(monkeypatch)


def scaled(**parameters):
    return make_pipeline(StandardScaler(), mlp(**parameters))


GRID = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__learning_rate_init": [0.01, 0.05]}


def equal(first, second):
    if isinstance(first, dict):
        return all(equal(first[k], second[k]) for k in first if "time" not in k)
    if isinstance(first, list | tuple):
        return all(map(equal, first, second))
    if isinstance(first, np.ndarray) and first.dtype.kind == "f":
        return np.allclose(first, second, rtol=1e-9, equal_nan=True)
    return np.array_equal(first, second)


def search(cls, **others):
    def run(X, y):
        found = cls(scaled(), GRID, cv=3, **others).fit(X, y)
        coefs = found.best_estimator_[-1].coefs_
        return found.cv_results_["mean_test_score"], found.best_params_, coefs

    return run


RUNS = {
    "GridSearchCV": search(GridSearchCV),
    "GridSearchCV with n_jobs": search(GridSearchCV, n_jobs=2),
    "GridSearchCV with pre_dispatch": search(GridSearchCV, n_jobs=2, pre_dispatch=3),
    "RandomizedSearchCV": search(RandomizedSearchCV, n_iter=3, random_state=0),
    "HalvingGridSearchCV": search(HalvingGridSearchCV, random_state=0, min_resources=60),
    "cross_validate": lambda X, y: cross_validate(scaled(), X, y, return_train_score=True),
    "cross_val_score bare": lambda X, y: cross_val_score(mlp(), X, y),
    "cross_val_predict": lambda X, y: cross_val_predict(scaled(), X, y, method="predict_proba"),
    "learning_curve": lambda X, y: learning_curve(scaled(), X, y, train_sizes=[60, 100], cv=3),
    "validation_curve": lambda X, y: validation_curve(
        mlp(), X, y, param_name="alpha", param_range=[1e-4, 1.0], cv=3
    ),
    "permutation_test_score": lambda X, y: permutation_test_score(
        scaled(), X, y, n_permutations=5, cv=3, random_state=0
    ),
    "BaggingClassifier": lambda X, y: (
        BaggingClassifier(scaled(), 5, random_state=0).fit(X, y).predict_proba(X)
    ),
    "BaggingRegressor": lambda X, y: (
        BaggingRegressor(MLPRegressor((4,), max_iter=5, random_state=0), 4, random_state=0)
        .fit(X, y)
        .predict(X)
    ),
    "VotingClassifier": lambda X, y: (
        VotingClassifier([("a", scaled()), ("b", scaled(alpha=1.0))], voting="soft")
        .fit(X, y)
        .predict_proba(X)
    ),
    "StackingClassifier": lambda X, y: (
        StackingClassifier([("a", scaled()), ("svc", SVC())], LogisticRegression(), cv=3)
        .fit(X, y)
        .predict_proba(X)
    ),
    "OneVsRestClassifier": lambda X, y: OneVsRestClassifier(mlp()).fit(X, y).predict_proba(X),
    "OneVsOneClassifier": lambda X, y: OneVsOneClassifier(mlp()).fit(X, y).predict(X),
    "MultiOutputRegressor": lambda X, y: (
        MultiOutputRegressor(MLPRegressor((4,), max_iter=5, random_state=0)).fit(X, X).predict(X)
    ),
    "CalibratedClassifierCV": lambda X, y: (
        CalibratedClassifierCV(scaled(), cv=3).fit(X, y).predict_proba(X)
    ),
    "RFECV": lambda X, y: (
        RFECV(mlp(), cv=3, importance_getter=lambda m: np.abs(m.coefs_[0]).sum(1))
        .fit(X, y)
        .cv_results_["mean_test_score"]
    ),
    "SequentialFeatureSelector": lambda X, y: (
        SequentialFeatureSelector(mlp(max_iter=3), n_features_to_select=2, cv=2)
        .fit(X, y)
        .get_support()
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_scikit_learns_own_tools_give_what_they_give_alone(name, trainings):
    X, y = iris()
    alone = RUNS[name](X, y)
    assert trainings.most_out == 1
    with skmlp.fused():
        fused = RUNS[name](X, y)
    assert equal(alone, fused)
    assert trainings.most_out > 1


def test_a_search_is_one_training(trainings):
    X, y = iris()
    with skmlp.fused():
        GridSearchCV(scaled(), GRID, cv=5).fit(X, y)
    assert trainings.sizes == [20, 1]
    assert trainings.most_out == 20


@pytest.mark.parametrize("width", [1, 7])
def test_no_more_fits_wait_than_the_width(width, trainings):
    X, y = iris()
    with skmlp.fused(width=width):
        found = GridSearchCV(scaled(), GRID, cv=5).fit(X, y)
    assert sum(trainings.sizes) == 21
    assert trainings.most_out == width
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(("width", "expected"), [(None, [20, 1]), (7, [7, 7, 6, 1])])
def test_by_torch_those_that_wait_are_one_stack(width, expected, monkeypatch, by_torch):
    sizes, stack = [], stacks.Stack
    monkeypatch.setattr(stacks, "Stack", lambda tasks: sizes.append(len(tasks)) or stack(tasks))
    X, y = iris()
    with skmlp.fused(width=width):
        GridSearchCV(scaled(), GRID, cv=5).fit(X, y)
    assert sizes == expected


def test_early_stopping_dropout_and_sizes_in_one_grid():
    X, y = iris()
    grid = {
        "mlpclassifier__hidden_layer_sizes": [(6,), (5, 4)],
        "mlpclassifier__early_stopping": [True, False],
        "mlpclassifier__dropout": [0.0, 0.3],
        "mlpclassifier__optimizer": ["adam", "sgd", "lbfgs"],
    }
    model = scaled(n_iter_no_change=2, validation_fraction=0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitFailedWarning)  # lbfgs refuses dropout
        alone = GridSearchCV(model, grid, cv=3).fit(X, y).cv_results_["mean_test_score"]
        with skmlp.fused():
            fused = GridSearchCV(model, grid, cv=3).fit(X, y).cv_results_["mean_test_score"]
    assert np.isnan(alone).sum() == 4
    np.testing.assert_allclose(fused, alone)


def test_other_estimators_in_the_same_grid_simply_run():
    X, y = iris()
    pipeline = make_pipeline(StandardScaler(), SVC())
    pipeline.steps[-1] = ("model", SVC())
    grid = [{"model": [SVC()], "model__C": [0.1, 1]}, {"model": [mlp()], "model__alpha": [0.1, 1]}]
    alone = GridSearchCV(pipeline, grid, cv=3).fit(X, y).cv_results_["mean_test_score"]
    with skmlp.fused():
        fused = GridSearchCV(pipeline, grid, cv=3).fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(fused, alone)


def test_nested_searches_each_have_their_own_training(trainings):
    X, y = iris()
    inner = GridSearchCV(scaled(), GRID, cv=2)
    alone = cross_val_score(inner, X, y, cv=3)
    trainings.sizes.clear()
    with skmlp.fused():
        fused = cross_val_score(inner, X, y, cv=3)
    np.testing.assert_allclose(fused, alone)
    # three refits together, and three inner searches of 8
    assert trainings.sizes == [3, 8, 8, 8]


def test_one_failing_fit_is_its_own():
    X, y = iris()
    grid = {"learning_rate_init": [0.01, 1e200, -1.0]}
    model = MLPRegressor((4,), optimizer="sgd", max_iter=5, random_state=0)
    with skmlp.fused(), pytest.warns(FitFailedWarning, match=r"6 fits failed"):
        found = GridSearchCV(model, grid, cv=3).fit(X, y)
    scores = found.cv_results_["mean_test_score"]
    assert np.isfinite(scores).tolist() == [True, False, False]
    with skmlp.fused(), pytest.raises(ValueError, match=r"diverged|learning_rate_init"):
        GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)


class Overflowing(torch.optim.SGD):
    def step(self, closure=None):
        raise OverflowError("mine")


def raising(shape, rng):
    raise ValueError("mine")


def of_wrong_shape(shape, rng):
    return rng.normal(size=3)


def not_finite(shape, rng):
    return np.full(shape, np.nan)


class Interfering(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("mine")


FAILURES = {
    "initialization raises": {"initialization": raising},
    "initialization of wrong shape": {"initialization": of_wrong_shape},
    "initialization not finite": {"initialization": not_finite},
    "an optimizer that raises": {"optimizer": Overflowing},
    "an optimizer of unknown keywords": {"optimizer": partial(torch.optim.SGD, speed=3)},
    "a callback that raises": {"callbacks": [Interfering()]},
    "no memory": {"hidden_layer_sizes": (10**15,)},
    "no memory in padding": {"hidden_layer_sizes": (10**15,), "initialization": raising},
    "diverges": {"optimizer": "sgd", "learning_rate_init": 1e300},
}


@pytest.mark.parametrize("engine", [None, "loky"])
def test_whatever_a_fit_raises_is_its_own(engine):
    X, y = iris()
    settings = [{}, {"hidden_layer_sizes": (7,)}, *FAILURES.values()]
    grid = [{name: [value] for name, value in setting.items()} for setting in settings]

    def scores():
        with pytest.warns(FitFailedWarning, match=f"{2 * len(FAILURES)} fits failed") as caught:
            found = GridSearchCV(mlp(max_iter=4), grid, cv=2, refit=False).fit(X, y)
        (failed,) = (w.message for w in caught if w.category is FitFailedWarning)
        return found.cv_results_["mean_test_score"], str(failed)

    alone, why = scores()
    with skmlp.fused(engine=engine):
        fused, why_fused = scores()
    np.testing.assert_array_equal(fused, alone)
    assert np.isfinite(fused).tolist() == [True, True, *[False] * len(FAILURES)]
    for message in ("ValueError: mine", "OverflowError: mine", "RuntimeError: mine", "diverged"):
        assert message in why
        assert message in why_fused


@pytest.mark.parametrize("optimizer", [torch.optim.LBFGS, torch.optim.Rprop, "class of mine"])
def test_torch_classes_as_optimizers_are_fused_as_alone(optimizer):
    class OfAllParameters(torch.optim.SGD):
        """Looks at all parameters that it has: those of one network."""

        def step(self, closure=None):
            everything = [p.grad.norm() for group in self.param_groups for p in group["params"]]
            norm = torch.stack(everything).norm()
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.grad.div_(norm)
            super().step()

    X, y = iris()
    optimizer = OfAllParameters if optimizer == "class of mine" else optimizer
    model = mlp(optimizer=optimizer, max_iter=5, batch_size=30)
    grid = {"alpha": [1e-4, 0.1], "learning_rate_init": [0.01, 0.1]}
    alone = GridSearchCV(model, grid, cv=3).fit(X, y)
    with skmlp.fused():
        fused = GridSearchCV(model, grid, cv=3).fit(X, y)
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_allclose(fused.cv_results_[name], alone.cv_results_[name], rtol=1e-9)


def test_a_fit_that_never_trains_blocks_nobody():
    X, y = iris()

    def fail(X):
        raise RuntimeError("this step fails")

    grid = {"functiontransformer__func": [None, fail, None]}
    model = make_pipeline(FunctionTransformer(), mlp())
    with skmlp.fused(), pytest.warns(FitFailedWarning, match="3 fits failed"):
        found = GridSearchCV(model, grid, cv=3).fit(X, y)
    assert np.isfinite(found.cv_results_["mean_test_score"]).tolist() == [True, False, True]


def test_a_fit_that_trains_twice_meets_twice():
    class Twice(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.first_ = mlp().fit(X, y)
            self.second_ = mlp(alpha=1.0).fit(X, self.first_.predict(X))
            self.classes_ = self.second_.classes_
            return self

        def predict(self, X):
            return self.second_.predict(X)

    X, y = iris()
    alone = cross_val_score(Twice(), X, y, cv=3)
    with skmlp.fused():
        np.testing.assert_array_equal(cross_val_score(Twice(), X, y, cv=3), alone)


def test_warnings_reach_the_callers_filters_and_leave_them_alone():
    X, y = iris()
    mlp().fit(X, y)  # imports torch, which adds filters of its own
    filters = list(warnings.filters)
    with skmlp.fused(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cross_val_score(mlp(max_iter=2), X, y, cv=4)
    assert sum(w.category is ConvergenceWarning for w in caught) == 4
    with skmlp.fused(), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            cross_val_score(mlp(max_iter=2), X, y, cv=4, error_score="raise")
    assert list(warnings.filters) == filters


def test_cancelled_fits_leave_the_warning_filters_alone_however_slowly_they_end():
    class Slow(MLPClassifier):
        def fit(self, X, y):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    return super().fit(X, y)
                finally:
                    time.sleep(0.1)

    X, y = iris()
    model, grid = Slow((4,), max_iter=2), {"learning_rate_init": [0.01, -1.0, 0.02]}
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        with skmlp.fused(), pytest.raises(ValueError, match="learning_rate_init"):
            cross_val_score(
                GridSearchCV(model, grid, cv=2, error_score="raise"),
                X,
                y,
                cv=2,
                error_score="raise",
            )
        assert list(warnings.filters) == filters
        assert not any(thread.name == meeting.THREAD_NAME for thread in threading.enumerate())
        time.sleep(0.3)
        assert list(warnings.filters) == filters


def test_fits_that_record_warnings_get_their_own():
    class Recording(MLPClassifier):
        def fit(self, X, y):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                super().fit(X, y)
            self.n_warnings_ = len(caught)
            return self

    X, y = iris()
    with skmlp.fused():
        found = cross_validate(
            Recording((4,), max_iter=2, random_state=0), X, y, return_estimator=True
        )
    assert [model.n_warnings_ for model in found["estimator"]] == [1] * 5


def test_an_interrupt_stops_all_and_leaves_no_thread(monkeypatch):
    X, y = iris()

    def interrupted(conductor, ticket):
        raise KeyboardInterrupt

    monkeypatch.setattr(Conductor, "outcome", interrupted)
    with skmlp.fused(), pytest.raises(KeyboardInterrupt):
        GridSearchCV(scaled(), GRID, cv=3).fit(X, y)
    members = [t for t in threading.enumerate() if t.name == meeting.THREAD_NAME]
    for thread in members:
        thread.join(timeout=5)
    assert not any(thread.is_alive() for thread in members)


def test_searches_in_several_threads_do_not_meet():
    X, y = iris()
    expected, found = cross_val_score(scaled(), X, y), []

    def run():
        with skmlp.fused():
            found.append(cross_val_score(scaled(), X, y))

    threads = [threading.Thread(target=run) for _ in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
    assert len(found) == 3
    for scores in found:
        np.testing.assert_array_equal(scores, expected)


def test_a_thread_that_a_fit_waits_for_may_search_too():
    class InAThread(ClassifierMixin, BaseEstimator):
        pool = None

        def fit(self, X, y):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.scores_ = self.run(lambda: cross_val_score(mlp(max_iter=3), X, y, cv=3))
                self.network_ = mlp(max_iter=3).fit(X, y)
            self.classes_ = self.network_.classes_
            return self

        def run(self, search):
            def fused_search():
                with skmlp.fused():
                    return search()

            if self.pool is not None:
                return self.pool.submit(fused_search).result(timeout=60)
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(fused_search).result(timeout=60)

        def predict(self, X):
            return self.network_.predict(X)

    X, y = iris()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cross_val_score(mlp(max_iter=3), X, y, cv=3)
        filters = list(warnings.filters)
        with ThreadPoolExecutor(1) as older, skmlp.fused():
            older.submit(int).result()
            for InAThread.pool in (None, older):
                scores = cross_val_score(InAThread(), X, y, cv=3)
                np.testing.assert_array_equal(scores, expected)
        assert list(warnings.filters) == filters


def active_backend():
    return type(joblib.parallel.get_active_backend()[0]).__name__


def test_blocks_that_overlap_leave_nothing_behind():
    outside = active_backend()

    async def block(before, inside):
        await asyncio.sleep(before)
        with skmlp.fused():
            await asyncio.sleep(inside)
            assert active_backend() == "FusedBackend"

    async def both():
        await asyncio.gather(block(0, 0.04), block(0.02, 0.06), block(0.03, 0.01))

    asyncio.run(both())
    assert active_backend() == outside


def test_as_a_decorator_of_coroutines_and_generators():
    @skmlp.fused()
    async def coroutine():
        await asyncio.sleep(0)
        return active_backend()

    @skmlp.fused()
    def generator():
        received = yield active_backend()
        return received

    @skmlp.fused()
    def delegating():
        return (yield from generator())

    outside = active_backend()
    assert asyncio.run(coroutine()) == "FusedBackend"
    running = delegating()
    assert next(running) == "FusedBackend"
    with pytest.raises(StopIteration) as end:
        running.send("sent")
    assert end.value.value == "sent"
    assert active_backend() == outside

    async def asynchronous():
        yield 1

    with pytest.raises(TypeError, match=r"'asynchronous', an asynchronous generator: use 'with"):
        skmlp.fused()(asynchronous)


@pytest.mark.parametrize("engine", [None, "loky"])
@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_joblibs_generators_run_inside(return_as, engine):
    X, y = iris()

    def loss(alpha):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return mlp(alpha=alpha, max_iter=3).fit(X, y).loss_

    def losses(**settings):
        run = Parallel(n_jobs=2, return_as=return_as, **settings)
        return run(delayed(loss)(alpha) for alpha in (0.1, 1.0, 10.0))

    expected = [loss(alpha) for alpha in (0.1, 1.0, 10.0)]
    with skmlp.fused(engine=engine):
        np.testing.assert_allclose(sorted(losses()), expected)
        first = losses()
        one = next(first)
        np.testing.assert_allclose(sorted(losses(pre_dispatch=1)), expected)
        np.testing.assert_allclose(sorted([one, *first]), expected)


@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
def test_an_error_ends_joblibs_run_whatever_it_returns(return_as):
    def call(i):
        if i == 2:
            raise ArithmeticError("the third")
        return i

    with skmlp.fused(), pytest.raises(ArithmeticError, match="the third"):
        list(Parallel(n_jobs=2, return_as=return_as)(delayed(call)(i) for i in range(5)))


def test_as_a_decorator_and_again():
    X, y = iris()
    expected = cross_val_score(scaled(), X, y)

    @skmlp.fused()
    def scores():
        with skmlp.fused(width=2):
            return cross_val_score(scaled(), X, y)

    for _ in range(2):
        np.testing.assert_array_equal(scores(), expected)


def test_a_fit_on_its_own_is_as_always():
    X, y = iris()
    expected = mlp().fit(X, y)
    with skmlp.fused():
        alone = mlp().fit(X, y)
    np.testing.assert_array_equal(alone.coefs_[0], expected.coefs_[0])


@pytest.mark.parametrize("width", [0, -1, 2.5, "all", True])
def test_bad_width_is_refused(width):
    with pytest.raises(ValueError, match=r"'width' parameter of fused.*Got"):
        skmlp.fused(width=width)


@pytest.mark.parametrize("engine", ["Loky", "spark", "", 2, True, ["dask"]])
def test_unknown_engines_are_refused(engine):
    with pytest.raises(ValueError, match=r"'engine' parameter.*None or one of loky, dask, ray"):
        skmlp.fused(engine=engine)


def test_random_mixtures_end_and_are_right():
    """Bare and in pipelines, nested, failing, of different shapes and kinds, in one search."""
    X, y = iris()
    rng = np.random.default_rng(0)

    class Sometimes(BaseEstimator):
        def __init__(self, fails=False):
            self.fails = fails

        def fit(self, X, y=None):
            if self.fails:
                raise ValueError("sometimes")
            return self

        def transform(self, X):
            return X

    def random_model():
        model = [
            lambda: mlp(
                hidden_layer_sizes=[(4,), (6,), (5, 3)][rng.integers(3)],
                dropout=float(rng.choice([0.0, 0.2])),
                alpha=float(rng.choice([1e-4, 0.1])),
                early_stopping=bool(rng.integers(2)),
                max_iter=int(rng.integers(2, 9)),
                optimizer=str(rng.choice(["adam", "sgd"])),
            ),
            lambda: SVC(),
            lambda: GridSearchCV(mlp(max_iter=2), {"alpha": [0.1, 1.0]}, cv=2, n_jobs=2),
            lambda: BaggingClassifier(mlp(max_iter=2), 2, random_state=0, n_jobs=2),
            lambda: VotingClassifier([("a", mlp(max_iter=2)), ("b", SVC())]),
        ][rng.integers(5)]()
        return make_pipeline(Sometimes(bool(rng.random() < 0.15)), StandardScaler(), model)

    def scores(models):
        grid = {"model": [clone(model) for model in models]}
        found = GridSearchCV(Wrapper(SVC()), grid, cv=2, refit=False).fit(X, y)
        return found.cv_results_["mean_test_score"]

    for _ in range(4):
        models = [random_model() for _ in range(8)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone = scores(models)
            with skmlp.fused(width=int(rng.integers(1, 20))):
                fused = scores(models)
        np.testing.assert_allclose(fused, alone)


class Wrapper(ClassifierMixin, BaseEstimator):
    """Any estimator as a parameter of the search."""

    def __init__(self, model):
        self.model = model

    def fit(self, X, y):
        self.model_ = clone(self.model).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)


@pytest.mark.parametrize("width", [None, 3])
def test_progress_shows_one_bar_for_a_search(width, capsys):
    X, y = load_iris(return_X_y=True)
    model = skmlp.MLPClassifier((4,), max_iter=2, tol=1e9, random_state=0)
    with skmlp.fused(width=width, progress=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=3, refit=False).fit(X, y)
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "6/6" in shown
    assert "epoch=2" in shown


def test_numpy_integers_are_widths_and_progress_is_true_or_false():
    assert skmlp.fused(width=np.int64(3)).width == 3
    with pytest.raises(ValueError, match=r"'progress' parameter of fused.*Got 'yes'"):
        skmlp.fused(progress="yes")
