"""fused(engine=...) on real processes: joblib's, a Dask LocalCluster, a Ray cluster."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from importlib.util import find_spec

import joblib
import numpy as np
import pytest
from helpers import iris, mlp
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

import skmlp
from skmlp import MLPClassifier
from skmlp.fusion.engines import ENGINES

pytestmark = pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")

NEEDS = {"dask": "distributed", "ray": "ray"}


@pytest.fixture(autouse=True)
def globals_untouched():
    """scikit-learn's searches may use the global generators."""


@pytest.fixture(scope="module", params=ENGINES)
def engine(request):
    """The name of an engine whose workers are there: two, of one thread each."""
    name = request.param
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of other libraries
        yield from {"loky": two_processes, "dask": dask_cluster, "ray": ray_cluster}[name](name)


def two_processes(name):
    before = os.environ.get("LOKY_MAX_CPU_COUNT")
    os.environ["LOKY_MAX_CPU_COUNT"] = "2"
    yield name
    os.environ.pop("LOKY_MAX_CPU_COUNT")
    if before is not None:
        os.environ["LOKY_MAX_CPU_COUNT"] = before


def dask_cluster(name):
    import dask
    import distributed

    settings = {"distributed.scheduler.allowed-failures": 1}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        yield name


def ray_cluster(name):
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield name
    ray.shutdown()


GRID = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__learning_rate_init": [0.01, 0.05]}


def search(*steps, grid=GRID, **others):
    return GridSearchCV(make_pipeline(*steps, StandardScaler(), mlp()), grid, cv=3, **others)


def scores(found):
    return found.cv_results_["mean_test_score"]


def with_process(**parameters):
    """A model that remembers which process fitted it; a class that only this process knows."""

    class WithProcess(MLPClassifier):
        def fit(self, X, y):
            self.process_ = os.getpid()
            return super().fit(X, y)

    return WithProcess((4,), max_iter=3, random_state=0, **parameters)


def run_bounded(run, seconds=90):
    """What ``run()`` returns, in a thread, so that a hang is a failure."""
    results = []
    thread = threading.Thread(target=lambda: results.append(run()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, "did not end"
    return results[0]


def when_written(path, act):
    """Call ``act(content)`` in a thread as soon as a file has content."""

    def watch():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if path.exists() and (content := path.read_text()):
                act(content)
                return
            time.sleep(0.02)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def announces(path, *, then_sleeps):
    """A pipeline step of which the first to run writes its process's number."""

    def announce(X):
        try:
            with open(path, "x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            return X
        time.sleep(then_sleeps)
        return X

    return FunctionTransformer(announce)


def test_a_search_gives_what_it_gives_alone(engine):
    X, y = iris()
    alone = search().fit(X, y)
    with skmlp.fused(engine=engine):
        fused = search().fit(X, y)
    np.testing.assert_allclose(scores(fused), scores(alone))
    assert fused.best_params_ == alone.best_params_


def test_shares_run_at_once_each_in_its_process(engine, tmp_path):
    def meet(i):
        """Wait until two processes are here."""
        (tmp_path / str(os.getpid())).touch()
        deadline = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return os.getpid()

    with skmlp.fused(engine=engine):
        processes = joblib.Parallel()(joblib.delayed(meet)(i) for i in range(4))
    first, second = processes[:2]
    assert processes == [first, second, second, first]
    assert len({first, second, os.getpid()}) == 3


def test_code_of_a_script_is_sent(engine):
    class Local(MLPClassifier):
        def fit(self, X, y):
            return super().fit(X * 2, y)

    X, y = iris()
    model = make_pipeline(FunctionTransformer(lambda X: X + 1), Local((4,), random_state=0))
    alone = cross_val_score(model, X, y)
    with skmlp.fused(engine=engine):
        found = cross_validate(model, X, y, return_estimator=True)
    np.testing.assert_allclose(found["test_score"], alone)
    assert all(type(fitted[-1]) is Local for fitted in found["estimator"])


def test_ensembles_and_other_estimators(engine):
    X, y = iris()

    def run():
        bagged = BaggingClassifier(mlp(), 3, random_state=0).fit(X, y).predict_proba(X)
        forest = RandomForestClassifier(5, random_state=0).fit(X, y).predict_proba(X)
        return bagged, forest, cross_val_score(SVC(), X, y)

    alone = run()
    with skmlp.fused(engine=engine):
        for found, expected in zip(run(), alone, strict=True):
            np.testing.assert_allclose(found, expected)


def test_nested_searches_run_in_the_worker(engine):
    X, y = iris()

    class WithProcesses(GridSearchCV):
        def fit(self, X, y):
            super().fit(X, y)
            self.processes_ = os.getpid(), self.best_estimator_.process_
            return self

    inner = WithProcesses(with_process(), {"alpha": [0.1, 1.0]}, cv=2)
    alone = cross_val_score(inner, X, y, cv=3)
    with skmlp.fused(engine=engine):
        found = cross_validate(inner, X, y, cv=3, return_estimator=True)
    np.testing.assert_allclose(found["test_score"], alone)
    for fitted in found["estimator"]:
        outer, fit = fitted.processes_
        assert outer == fit != os.getpid()


def test_one_failing_fit_is_its_own(engine):
    X, y = iris()
    grid = {"mlpclassifier__alpha": [1.0, -1.0]}
    with skmlp.fused(engine=engine), pytest.warns(FitFailedWarning, match="3 fits failed"):
        found = search(grid=grid).fit(X, y)
    assert np.isfinite(scores(found)).tolist() == [True, False]
    with skmlp.fused(engine=engine), pytest.raises(ValueError, match="'alpha'") as error:
        search(grid=grid, error_score="raise").fit(X, y)
    assert "in fit" in error.value.__notes__[0]  # the worker's traceback


def test_an_error_while_others_run_brings_no_warning_of_the_engines_library(engine):
    def fail_at_once_or_wait(seconds):
        time.sleep(seconds)
        if not seconds:
            raise ValueError("at once")

    with skmlp.fused(engine=engine), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="at once"):
            joblib.Parallel()(joblib.delayed(fail_at_once_or_wait)(s) for s in (0, 2))


def test_warnings_come_home_to_the_callers_filters(engine):
    X, y = iris()
    with skmlp.fused(engine=engine), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cross_val_score(mlp(max_iter=2), X, y, cv=4)
    assert sum(w.category is ConvergenceWarning for w in caught) == 4
    assert all("max_iter=2 epochs" in str(w.message) for w in caught)
    with skmlp.fused(engine=engine), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        cross_val_score(mlp(max_iter=2), X, y, cv=4)
    assert not caught
    with skmlp.fused(engine=engine), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            cross_val_score(mlp(max_iter=2), X, y, cv=4, error_score="raise")


def test_large_arrays_arrive_whole_and_are_read_only(engine):
    X, _ = iris()
    wide = np.asfortranarray(np.tile(X, (10, 30)))
    assert wide.nbytes > 1_000_000

    def checked(X):
        assert np.array_equal(X, wide)
        return X.flags.writeable

    with skmlp.fused(engine=engine):
        writeable = joblib.Parallel()(joblib.delayed(checked)(wide) for _ in range(3))
    assert writeable == [False] * 3


def test_what_cannot_be_sent_is_an_error_that_names_the_way_out(engine):
    X, y = iris()
    model = make_pipeline(FunctionTransformer(kw_args={"lock": threading.Lock()}), mlp())
    with skmlp.fused(engine=engine), pytest.raises(Exception, match="engine=None") as error:
        joblib.Parallel()(joblib.delayed(model.score)(X, y) for _ in range(2))
    assert type(error.value).__name__ == "PicklingError"
    assert f"engine='{engine}'" in str(error.value)


def test_a_result_that_cannot_be_sent_is_an_error(engine):
    with skmlp.fused(engine=engine), pytest.raises(Exception, match=r"back.*lock.*engine=None"):
        joblib.Parallel()(joblib.delayed(threading.Lock)() for _ in range(2))


def test_a_worker_killed_in_mid_search_is_survived(engine, tmp_path):
    X, y = iris()
    alone = search().fit(X, y)
    path = tmp_path / "process"
    when_written(path, lambda process: os.kill(int(process), signal.SIGKILL))
    with skmlp.fused(engine=engine):
        fused = search(announces(path, then_sleeps=60)).fit(X, y)
    np.testing.assert_allclose(scores(fused), scores(alone))
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


def test_an_interrupt_stops_the_workers_too(engine, tmp_path):
    X, y = iris()
    path = tmp_path / "process"
    endless = search(announces(path, then_sleeps=0), grid={"mlpclassifier__tol": [0.0, 1e-9]})
    endless.estimator[-1].set_params(max_iter=10**8, n_iter_no_change=10**8)
    when_written(path, lambda _: (time.sleep(1), os.kill(os.getpid(), signal.SIGINT)))
    with skmlp.fused(engine=engine), pytest.raises(KeyboardInterrupt):
        endless.fit(X, y)

    def again():
        with skmlp.fused(engine=engine):
            return cross_val_score(SVC(), X, y)

    assert np.isfinite(run_bounded(again)).all()


def test_calls_that_kill_every_worker_are_given_up(engine):
    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    with skmlp.fused(engine=engine), pytest.raises(RuntimeError, match=r"died again.*engine=None"):
        joblib.Parallel()(joblib.delayed(die)() for _ in range(2))
