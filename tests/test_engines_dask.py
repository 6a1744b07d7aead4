"""What only Dask's engine does. `test_engines` has what all engines do."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score

import skmlp
from skmlp import MLPClassifier

distributed = pytest.importorskip("distributed")

from skmlp.fusion.engines.dask import is_importing, raise_in, ranks_on_host, torch_threads  # noqa: E402


@pytest.fixture(autouse=True)
def globals_untouched():
    """scikit-learn's searches may use the global generators."""


@pytest.fixture(scope="module")
def client():
    """One worker: when it dies, all that was scattered dies with it."""
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def sums(arrays):
    return joblib.Parallel()(joblib.delayed(np.sum)(array) for array in arrays)


def test_without_a_client_the_error_says_how_to_get_one():
    with pytest.raises(ValueError, match=r"engine='dask'.*distributed\.Client\(\)"):
        skmlp.fused(engine="dask").__enter__()


def test_large_arrays_are_scattered_once(client, monkeypatch):
    scattered, scatter = [], client.scatter
    monkeypatch.setattr(
        client, "scatter", lambda data, **o: scattered.append(len(data)) or scatter(data, **o)
    )
    X, Z = np.ones((300, 600)), np.zeros((300, 600))
    with skmlp.fused(engine="dask"):
        assert sums([X, X, X.copy()]) == [180_000] * 3
        assert scattered == [1]
        assert sums([X, Z]) == [180_000, 0]
        assert scattered == [1, 1]
        assert sums([X, Z]) == [180_000, 0]
        assert scattered == [1, 1]
    with skmlp.fused(engine="dask"):
        sums([X])
    assert scattered == [1, 1, 1]


def test_data_that_died_with_its_worker_is_scattered_again(client, tmp_path):
    X, path = np.ones((300, 600)), tmp_path / "process"

    def die_once(X):
        if not path.exists():
            path.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return X.sum()

    with skmlp.fused(engine="dask"):
        found = joblib.Parallel()(joblib.delayed(die_once)(X) for _ in range(2))
    assert found == [180_000] * 2
    assert path.exists()


def test_a_search_within_a_task_of_the_only_worker_ends(client):
    X, y = load_iris(return_X_y=True)
    model = MLPClassifier((4,), max_iter=3, random_state=0)

    def task():
        with skmlp.fused(engine="dask"):
            return cross_val_score(model, X, y, cv=3)

    alone = cross_val_score(model, X, y, cv=3)
    np.testing.assert_allclose(client.submit(task).result(timeout=60), alone)


def test_a_cluster_without_workers_is_an_error(client, monkeypatch):
    monkeypatch.setattr("skmlp.fusion.engines.dask._WAIT_FOR_WORKERS", 0.1)
    monkeypatch.setattr(client, "nthreads", dict)
    monkeypatch.setattr(client, "wait_for_workers", timed_out)
    with skmlp.fused(engine="dask"), pytest.raises(ValueError, match="has no worker"):
        sums([np.ones(3)])


def timed_out(*arguments, **others):
    raise TimeoutError


def test_ranks_count_the_workers_of_each_host():
    workers = ["tcp://10.0.0.1:1", "tcp://10.0.0.2:1", "tcp://10.0.0.1:2", "tls://[::1]:5"]
    assert list(ranks_on_host(workers).values()) == [0, 0, 1, 0]


def test_threads_of_torch_are_the_workers_and_are_given_back():
    import torch

    before = torch.get_num_threads()
    with torch_threads(before + 2):
        assert torch.get_num_threads() == before + 2
    assert torch.get_num_threads() == before


def test_an_import_is_not_interrupted(tmp_path, monkeypatch):
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(0.5)\ndone = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    thread = threading.Thread(target=lambda: __import__("slow_module"))
    thread.start()
    time.sleep(0.2)
    assert is_importing(thread.ident)
    assert not is_importing(threading.get_ident())
    thread.join()


def test_an_error_is_raised_in_another_thread():
    started, caught = threading.Event(), []

    def work():
        try:
            started.set()
            for _ in range(1000):
                time.sleep(0.02)
        except InterruptedError:
            caught.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    raise_in(thread.ident, InterruptedError)
    thread.join(timeout=10)
    assert caught == [True]
