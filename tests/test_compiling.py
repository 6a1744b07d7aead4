"""Where compiled loops are kept, and what happens when that goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from skmlp.training.compiled import compiling

FIT = """
import time, warnings
import numpy as np
from skmlp import MLPClassifier, config
from skmlp.training.compiled.compiling import cache_folder
warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(40, 3))
with config(executor="compiled"):
    model = MLPClassifier((4,), max_iter=2, random_state=0).fit(X, X[:, 0] > 0)
print(repr(model.loss_), cache_folder())
"""


def fit(cache, **environment):
    """Loss and cache folder of a fit in a new process."""
    settings = {**os.environ, "SKMLP_CACHE_DIR": str(cache), **environment}
    done = subprocess.run(
        [sys.executable, "-c", FIT], env=settings, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    loss, folder = done.stdout.split()
    return float(loss), folder


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What a fit gives, and the cache that it has filled."""
    cache = tmp_path_factory.mktemp("cache")
    loss, folder = fit(cache)
    return loss, cache, folder


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_compiled_loops_are_kept_and_found_again(expected):
    loss, cache, folder = expected
    kept = {path: path.stat().st_mtime_ns for path in files(cache)}
    assert folder.startswith(str(cache))
    assert any("take_steps" in path.name for path in kept)
    assert fit(cache) == (loss, folder)
    assert {path: path.stat().st_mtime_ns for path in files(cache)} == kept


@pytest.mark.parametrize("content", [b"", b"not what numba has written"])
def test_a_broken_cache_is_made_anew(expected, tmp_path, content):
    import shutil

    loss, cache, _ = expected
    broken = tmp_path / "broken"
    shutil.copytree(cache, broken)
    for path in files(broken):
        path.write_bytes(content)
    assert fit(broken)[0] == loss
    assert all(path.read_bytes() != content for path in files(broken) if "take_steps" in path.name)


def test_two_processes_that_compile_at_once_do_not_harm_each_other(expected, tmp_path):
    loss, *_ = expected
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: fit(tmp_path)[0], range(2)))
    assert found == [loss, loss]
    assert fit(tmp_path)[0] == loss


def test_where_nothing_can_be_written_a_temporary_folder_is_used(expected, tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    loss, folder = fit(in_the_way)
    assert loss == expected[0]
    assert not folder.startswith(str(tmp_path))
    assert not os.path.exists(folder)  # it ended with its process


def test_a_cache_that_is_deleted_meanwhile_is_made_anew(monkeypatch, tmp_path):
    import shutil

    monkeypatch.setattr(compiling, "cache_folder", lambda: tmp_path / "cache")

    def double(array):
        return array[0] * 2.0

    import numpy as np

    loop = compiling.Loop(double)
    (tmp_path / "cache").mkdir()
    original = compiling.Loop._dispatcher

    def deleting(self, dtype):
        found = original(self, dtype)
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        return found

    monkeypatch.setattr(compiling.Loop, "_dispatcher", deleting)
    assert loop("float64", np.ones(1)) == 2.0
    assert loop("float64", np.ones(1)) == 2.0


def test_the_folder_has_the_name_of_its_sources(monkeypatch, tmp_path):
    before = compiling._fingerprint()
    compiling._fingerprint.cache_clear()
    monkeypatch.setattr(compiling.numba, "__version__", "another")
    try:
        assert compiling._fingerprint() != before
    finally:
        compiling._fingerprint.cache_clear()


def test_numba_keeps_the_users_own_functions_where_it_did():
    import numba

    before = numba.config.CACHE_DIR
    with compiling._numba_keeps_in(compiling.cache_folder()):
        assert str(compiling.cache_folder()) == numba.config.CACHE_DIR
    assert before == numba.config.CACHE_DIR
