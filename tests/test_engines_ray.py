"""What only Ray's engine does. `test_engines` has what all engines do."""

from __future__ import annotations

import warnings

import joblib
import numpy as np
import pytest

import skmlp

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


def sums(arrays):
    return joblib.Parallel()(joblib.delayed(np.sum)(array) for array in arrays)


def test_large_arrays_are_stored_once(cluster, monkeypatch):
    stored, put = [], ray.put
    monkeypatch.setattr(ray, "put", lambda array: stored.append(array.shape) or put(array))
    X, Z = np.ones((300, 600)), np.zeros((300, 600))
    with skmlp.fused(engine="ray"):
        assert sums([X, X, X.copy()]) == [180_000] * 3
        assert len(stored) == 1
        assert sums([X, Z]) == [180_000, 0]
        assert len(stored) == 2
    with skmlp.fused(engine="ray"):
        sums([X])
    assert len(stored) == 3


def test_workers_are_cpus_or_gpus(cluster, monkeypatch):
    from skmlp.fusion.engines.ray import RayEngine

    engine = RayEngine()
    assert engine.n_workers() == 1
    assert not engine.has_gpus()
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 64.0, "GPU": 8.0})
    assert engine.has_gpus()
    assert engine.n_workers() == 64
    assert engine.n_workers(on_gpu=True) == 8


def test_a_cluster_is_started_where_there_is_none(monkeypatch):
    from skmlp.fusion.engines.ray import RayEngine

    started = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda: started.append(True))
    RayEngine()
    assert started == [True]
