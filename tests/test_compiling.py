"""Where compiled loops are kept, and what happens when that goes wrong."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numba
import numpy as np
import pytest

from skmlp.training.compiled import compiling

SCRIPT = """
import numpy as np
from skmlp.training.compiled.compiling import Loop, cache_folder


@Loop
def sum_of_squares(array):
    total = 0.0
    for i in range(array.size):
        total += array[i] * array[i]
    return total


print(repr(sum_of_squares("float64", np.arange(4.0))), cache_folder())
"""
TOTAL = 14.0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a loop in a new process; what it gives, and its cache folder."""
    script = tmp_path_factory.mktemp("script") / "script.py"
    script.write_text(SCRIPT)

    def run(cache, before=None):
        settings = {**os.environ, "SKMLP_CACHE_DIR": str(cache)}
        done = subprocess.run(
            [sys.executable, script],
            env=settings,
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=before,
        )
        assert done.stderr == ""
        total, folder = done.stdout.split()
        return float(total), folder

    return run


@pytest.fixture(scope="module")
def filled(run, tmp_path_factory):
    """A cache that a process has filled, and its folder."""
    cache = tmp_path_factory.mktemp("cache")
    total, folder = run(cache)
    assert total == TOTAL
    return cache, folder


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_compiled_loops_are_kept_and_found_again(run, filled):
    cache, folder = filled
    kept = {path: path.stat().st_mtime_ns for path in files(cache)}
    assert folder.startswith(str(cache))
    assert any("sum_of_squares" in path.name for path in kept)
    assert run(cache) == (TOTAL, folder)
    assert {path: path.stat().st_mtime_ns for path in files(cache)} == kept


@pytest.mark.parametrize("content", [b"", b"not what numba has written"])
def test_a_broken_cache_is_made_anew(run, filled, tmp_path, content):
    broken = tmp_path / "broken"
    shutil.copytree(filled[0], broken)
    for path in files(broken):
        path.write_bytes(content)
    assert run(broken)[0] == TOTAL
    assert files(broken)
    assert all(path.read_bytes() != content for path in files(broken))


def test_two_processes_that_compile_at_once_do_not_harm_each_other(run, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: run(tmp_path)[0], range(2)))
    assert found == [TOTAL, TOTAL]
    assert run(tmp_path)[0] == TOTAL


def test_where_nothing_can_be_written_a_temporary_folder_is_used(run, tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    total, folder = run(in_the_way)
    assert total == TOTAL
    assert not folder.startswith(str(tmp_path))
    assert not os.path.exists(folder)  # it ended with its process


def no_file_may_grow():
    """Writing more than some bytes fails, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def test_a_full_disk_only_costs_the_next_process_its_time(run, tmp_path):
    assert run(tmp_path, before=no_file_may_grow)[0] == TOTAL
    assert run(tmp_path)[0] == TOTAL


def test_a_cache_that_is_deleted_meanwhile_is_made_anew(monkeypatch, tmp_path):
    monkeypatch.setattr(compiling, "cache_folder", lambda: tmp_path / "cache")

    def double(array):
        return array[0] * 2.0

    loop = compiling.Loop(double)
    (tmp_path / "cache").mkdir()
    original = compiling._numba_keeps_in

    @contextmanager
    def deleting(folder):
        with original(folder):
            yield
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)

    monkeypatch.setattr(compiling, "_numba_keeps_in", deleting)
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
    before = numba.config.CACHE_DIR
    with compiling._numba_keeps_in(compiling.cache_folder()):
        assert str(compiling.cache_folder()) == numba.config.CACHE_DIR
    assert before == numba.config.CACHE_DIR


FIT = """
import hashlib
import numpy as np
from skmlp import MLPClassifier, MLPRegressor
X = np.random.default_rng(0).normal(size=(90, 4))
digest = hashlib.sha256()
for y, activation in ((X[:, 0] > 0, "tanh"), (X[:, 0].round().astype(int) % 3, "gelu")):
    model = MLPClassifier((5, 4), activation=activation, max_iter=5, tol=0, random_state=0)
    digest.update(model.fit(X, y).coefs_[0].tobytes())
model = MLPRegressor((5,), loss="poisson", alpha=0.1, optimizer="nadam", max_iter=5, random_state=0)
digest.update(model.fit(X, abs(X[:, 0])).coefs_[0].tobytes())
print(digest.hexdigest())
"""


def test_the_process_that_compiles_computes_what_later_ones_do(tmp_path):
    environment = {**os.environ, "SKMLP_CACHE_DIR": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", FIT]
    found = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert len(found[0]) == 65
    assert found[0] == found[1]
