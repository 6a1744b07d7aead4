"""Shares on an engine that runs them here: who gets what, and what happens when workers die."""

from __future__ import annotations

import pickle
from itertools import chain

import joblib
import numpy as np
import pytest
from helpers import Trainings
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score

from skmlp import MLPClassifier
from skmlp.fusion import engines
from skmlp.fusion.engines.engine import MOST_ATTEMPTS, Engine, WorkersLost
from skmlp.fusion.engines.shares import deal, make_shares, run_shares
from skmlp.fusion.engines.worker import run_share
from skmlp.fusion.fused import fused
from skmlp.fusion.waves import Wave


@pytest.fixture(autouse=True)
def globals_untouched():
    """scikit-learn's searches may use the global generators."""


class Here(Engine):
    """Runs shares in this process; ``fails[attempt]`` shares are lost in each attempt."""

    name = "here"

    def __init__(self, workers=2, fails=(), again=True, gpus=0):
        self.workers, self.fails, self.again, self.gpus = workers, list(fails), again, gpus
        self.runs, self.closed = [], False

    def n_workers(self, *, on_gpu=False):
        return self.gpus if on_gpu else self.workers

    def has_gpus(self):
        return self.gpus > 0

    def close(self):
        self.closed = True

    def run(self, shares, arrays):
        self.runs.append(sorted(shares))
        lost = self.fails.pop(0) if self.fails else 0
        for place in sorted(shares, reverse=True)[: len(shares) - lost]:
            mine = {token: arrays[token] for token in shares[place].calls.tokens}
            yield place, run_share(shares[place], mine)
        if lost:
            raise WorkersLost("a worker fell\nfrom the roof", again=self.again)


def calls(n):
    def call(i):
        return lambda: i

    return [call(i) for i in range(n)]


def results(engine, n=10):
    ended = dict(run_shares(engine, calls(n), Wave()))
    assert sorted(ended) == list(range(n))
    assert all(outcome.give() == place for place, outcome in ended.items())
    return sorted(outcome.give() for outcome in ended.values())


@pytest.mark.parametrize(("n", "workers"), [(1, 4), (4, 4), (10, 3), (24, 5), (120, 2)])
def test_parts_are_of_equal_size_and_hold_every_call_once(n, workers):
    parts = deal(list(range(n)), workers)
    assert len(parts) == min(n, workers)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert sorted(chain(*parts)) == list(range(n))


@pytest.mark.parametrize("kinds", [2, 3, 5])
def test_parts_are_alike_where_kinds_alternate(kinds):
    dealt = deal([i % kinds for i in range(8 * kinds)], 2)
    means = [np.mean(part) for part in dealt]
    np.testing.assert_allclose(means, (kinds - 1) / 2)


def test_every_call_ends_once():
    engine = Here(workers=3)
    assert results(engine) == list(range(10))
    assert engine.runs == [[0, 1, 2]]


def test_only_lost_shares_run_again():
    engine = Here(workers=4, fails=[3, 1])
    assert results(engine) == list(range(10))
    assert engine.runs == [[0, 1, 2, 3], [0, 1, 2], [0]]


def test_shares_that_are_always_lost_are_given_up():
    engine = Here(fails=[1] * 99)
    with pytest.raises(RuntimeError, match=r"engine='here'.*a worker fell\. Most.*'width'"):
        results(engine)
    assert len(engine.runs) == MOST_ATTEMPTS


def test_an_engine_that_has_tried_enough_is_not_asked_again():
    engine = Here(fails=[1], again=False)
    with pytest.raises(RuntimeError, match="died again and again"):
        results(engine)
    assert len(engine.runs) == 1


def test_one_machines_workers_divide_the_memory(monkeypatch):
    monkeypatch.setattr(Here, "one_machine", True)
    _, shares, _ = make_shares(Here(workers=4), calls(8), Wave(7, most_bytes=1000))
    assert {(share.wave.width, share.wave.most_bytes) for share in shares} == {(7, 250)}


def test_what_cannot_be_sent_is_refused_before_anything_runs():
    engine = Here()
    generator = (i for i in range(3))
    with pytest.raises(pickle.PicklingError, match=r"engine='here'.*generator.*engine=None"):
        list(run_shares(engine, [lambda: next(generator)], Wave()))
    assert not engine.runs


def test_networks_on_gpus_are_dealt_to_workers_with_gpus():
    X, y = load_iris(return_X_y=True)

    def shares(device):
        fit = joblib.delayed(MLPClassifier(device=device).fit)
        batches = [joblib.parallel.BatchedCalls([fit(X, y)], (None, None)) for _ in range(8)]
        return make_shares(Here(workers=4, gpus=2), batches, Wave())[1]

    assert [(s.rank, s.calls.on_gpu) for s in shares("cuda")] == [(0, True), (1, True)]
    assert [s.calls.on_gpu for s in shares("auto")] == [True] * 2
    assert [s.calls.on_gpu for s in shares("cpu")] == [False] * 4


def test_each_worker_trains_its_share_together(monkeypatch):
    engine, trainings = Here(workers=2), Trainings(monkeypatch)
    monkeypatch.setattr("skmlp.fusion.fused.start_engine", lambda name: engine)
    X, y = load_iris(return_X_y=True)
    model = MLPClassifier((4,), max_iter=2, random_state=0)
    alone = cross_val_score(model, X, y, cv=9)
    trainings.sizes.clear()
    with fused(engine="loky"):
        np.testing.assert_array_equal(cross_val_score(model, X, y, cv=9), alone)
    assert sorted(trainings.sizes) == [4, 5]
    trainings.most_out = 0
    with fused(width=3, engine="loky"):
        np.testing.assert_array_equal(cross_val_score(model, X, y, cv=9), alone)
    assert trainings.most_out == 3
    assert engine.closed


def test_a_worker_that_lacks_a_module_says_so(monkeypatch):
    _, [share], _ = make_shares(Here(workers=1), calls(1), Wave())
    monkeypatch.setattr(
        "skmlp.fusion.engines.worker.unpack", lambda *a: __import__("no_such_module")
    )
    with pytest.raises(RuntimeError, match=r"'no_such_module'\. Workers need the same packages"):
        run_share(share, {})


def test_an_engine_without_its_library_names_the_extra(monkeypatch):
    def absent(*arguments):
        raise ImportError("No module named 'distributed'")

    monkeypatch.setattr(engines, "import_module", absent)
    with pytest.raises(ImportError, match=r"'distributed'.*pip install 'skmlp\[dask\]'"):
        fused(engine="dask").__enter__()
