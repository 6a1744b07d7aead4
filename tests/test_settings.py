from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from helpers import make_task

import skmlp
from skmlp.settings import current_executor
from skmlp.training import executors, train

HIDDEN_NUMBA = """
import sys, warnings
sys.modules["numba"] = None
import numpy as np
from skmlp import MLPClassifier, MLPRegressor, config
X = np.random.default_rng(0).normal(size=(40, 3))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        model = MLPClassifier((4,), max_iter=300, learning_rate_init=0.02, random_state=0)
        model.fit(X, X[:, 0] > 0)
messages = [str(w.message) for w in caught if "numba" in str(w.message)]
assert len(messages) == 1, messages
assert "networks train by torch" in messages[0] and "pip install numba" in messages[0]
assert model.score(X, X[:, 0] > 0) > 0.9
try:
    with config(executor="compiled"):
        model.fit(X, X[:, 0] > 0)
except ValueError as error:
    assert "numba cannot be imported" in str(error)
else:
    raise AssertionError
"""


def test_without_numba_torch_trains_with_one_warning():
    environment = {k: v for k, v in os.environ.items() if k != "SKMLP_EXECUTOR"}
    subprocess.run([sys.executable, "-c", HIDDEN_NUMBA], check=True, env=environment)


def test_the_innermost_setting_counts(monkeypatch):
    monkeypatch.delenv("SKMLP_EXECUTOR", raising=False)
    assert current_executor() == "auto"
    with skmlp.config(executor="torch"):
        with skmlp.config(executor="compiled"), skmlp.config():
            assert current_executor() == "compiled"
        assert current_executor() == "torch"
    monkeypatch.setenv("SKMLP_EXECUTOR", "torch")
    assert current_executor() == "torch"
    with skmlp.config(executor="auto"):
        assert current_executor() == "auto"


def test_it_is_the_threads_own():
    seen = []
    with skmlp.config(executor="compiled"):
        thread = threading.Thread(target=lambda: seen.append(current_executor()))
        thread.start()
        thread.join()
    assert seen != ["compiled"]


def test_unknown_executors_are_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"'executor' parameter of config.*Got 'numba'"):
        skmlp.config(executor="numba").__enter__()
    monkeypatch.setenv("SKMLP_EXECUTOR", "fast")
    with pytest.raises(ValueError, match=r"variable SKMLP_EXECUTOR must be one of auto.*'fast'"):
        train([make_task()])


def test_what_compiled_loops_do_not_know_is_an_error_if_they_are_asked_for():
    with (
        skmlp.config(executor="compiled"),
        pytest.raises(
            ValueError, match=r"compiled loops do not know.*normalization.*executor='auto'"
        ),
    ):
        train([make_task(normalization="layer")])


@pytest.mark.parametrize("engine", [None, "loky"])
@pytest.mark.parametrize("executor", ["torch", "compiled"])
def test_searches_train_by_the_executor_of_their_block(executor, engine):
    from sklearn.model_selection import cross_validate

    class Asked(skmlp.MLPClassifier):
        def fit(self, X, y):
            from skmlp.settings import current_executor

            self.executor_ = current_executor()
            return super().fit(X, y)

    X = np.random.default_rng(0).normal(size=(60, 3))
    with warnings.catch_warnings(), skmlp.config(executor=executor), skmlp.fused(engine=engine):
        warnings.simplefilter("ignore")
        model = Asked((4,), max_iter=2, random_state=0)
        found = cross_validate(model, X, X[:, 0] > 0, cv=2, return_estimator=True)
    assert [model.executor_ for model in found["estimator"]] == [executor] * 2


def test_the_warning_of_a_missing_library_comes_once():
    assert executors.why_no_loops() == ""
