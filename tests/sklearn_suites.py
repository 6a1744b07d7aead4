"""scikit-learn's own test suites inside ``skmlp.fused()``.

Every test runs once inside ``joblib.parallel_config("threading")`` and once inside
``skmlp.fused()``. One that passes in the first only is listed, with its error, and makes the exit
code 1. Those tests run once more with two plain threads: some of scikit-learn's tests expect one
job, and fail with any backend that has more.

    python tests/sklearn_suites.py [suite ...] [-k expression] [--timeout 120] [--engine loky]
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import pytest
import sklearn

import skmlp

SKLEARN = Path(sklearn.__file__).parent

SUITES = {
    "model_selection": ["model_selection/tests"],
    "ensemble": [f"ensemble/tests/test_{name}.py" for name in ("bagging", "voting", "stacking")],
    "multiclass": ["tests/test_multiclass.py"],
    "multioutput": ["tests/test_multioutput.py"],
    "calibration": ["tests/test_calibration.py"],
    "pipeline": ["tests/test_pipeline.py"],
    "feature_selection": ["feature_selection/tests"],
}

Outcomes = dict[str, tuple[str, str]]  # name of a test: outcome, error


@dataclass(frozen=True)
class Job:
    """What one process runs.

    Parameters
    ----------
    suite : str
    place : {"threading", "two threads", "fused"}
        Inside what the tests run.
    record : str
        File that the outcomes go to.
    timeout : int
        Seconds that a test may take.
    expression : str
        As pytest's ``-k``.
    engine : str or None
        As that of ``skmlp.fused``.
    only : list of str or None
        Names of tests; all others are left out.
    """

    suite: str
    place: str
    record: str
    timeout: int
    expression: str
    engine: str | None
    only: list[str] | None = None

    def inside(self) -> AbstractContextManager[Any]:
        if self.place == "threading":
            return joblib.parallel_config("threading")
        if self.place == "two threads":
            return joblib.parallel_config("threading", n_jobs=2)
        return skmlp.fused(engine=self.engine)


# The process that runs the tests


class TooLong(BaseException):
    """A test has not ended in its time. Not an Exception, which a test might catch."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Stop what takes longer; should that not help, end the process."""

    def stop(*_: Any) -> None:
        raise TooLong(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    faulthandler.dump_traceback_later(seconds + 30, exit=True)
    try:
        yield
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


class Recorder:
    """A pytest plugin that runs tests inside something and writes down what came of them.

    A test that has an outcome already does not run: after one that killed its process, the next
    process goes on with the others.
    """

    def __init__(self, job: Job):
        self.job = job
        self.known = read_outcomes(job.record)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if self._is_wanted(item.nodeid)]

    def _is_wanted(self, test: str) -> bool:
        return test not in self.known and (self.job.only is None or test in self.job.only)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        self._write(item.nodeid, "died", "the process ended")  # unless a report follows
        with at_most(self.job.timeout), self.job.inside():
            return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._write(report.nodeid, outcome_of(report), error_of(report))

    def _write(self, nodeid: str, *outcome: str) -> None:
        with open(self.job.record, "a", encoding="utf-8") as file:
            file.write(json.dumps([nodeid, *outcome]) + "\n")


def outcome_of(report: pytest.TestReport) -> str:
    return "xfailed" if hasattr(report, "wasxfail") and report.skipped else report.outcome


def error_of(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = report.longreprtext if crash is None else crash.message
    return " ".join(message.split())[:200] if report.failed else ""


def run_tests(job: Job) -> int:
    """Run pytest in this process; the settings of the folders around scikit-learn do not apply."""
    Path("pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    options = [
        "-q",
        "-c",
        "pytest.ini",
        f"--rootdir={SKLEARN}",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    options += ["-k", job.expression, *(str(SKLEARN / path) for path in SUITES[job.suite])]
    return int(pytest.main(options, plugins=[Recorder(job)]))


# The process that starts them and compares


def read_outcomes(record: str) -> Outcomes:
    if not Path(record).exists():
        return {}
    lines = Path(record).read_text(encoding="utf-8").splitlines()
    return {test: (outcome, error) for test, outcome, error in map(json.loads, lines)}


def environment() -> dict[str, str]:
    """The environment of a process that runs tests: of the same skmlp as here."""
    paths = [str(Path(skmlp.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, paths))
    return {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path}


def outcomes_of(
    suite: str, place: str, options: argparse.Namespace, only: list[str] | None = None
) -> Outcomes:
    """Run tests of a suite, in as many processes as it takes until each test has an outcome."""
    with tempfile.TemporaryDirectory() as folder:
        record, file = f"{folder}/outcomes", Path(folder) / "job.json"
        job = Job(suite, place, record, options.timeout, options.k, options.engine, only)
        file.write_text(json.dumps(asdict(job)), encoding="utf-8")
        killers: set[str] | None = None
        while True:
            ended = subprocess.run(
                [sys.executable, __file__, "--job", str(file)],
                cwd=folder,
                env=environment(),
                capture_output=True,
                text=True,
            )
            outcomes = read_outcomes(record)
            before, killers = killers, {test for test in outcomes if outcomes[test][0] == "died"}
            if killers in (set(), before):
                break
    did_run = ended.returncode in (
        pytest.ExitCode.OK,
        pytest.ExitCode.TESTS_FAILED,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    )
    if not did_run:
        raise RuntimeError(f"{suite} inside {place}: {ended.stdout[-3000:]} {ended.stderr[-3000:]}")
    return outcomes


def passed(outcomes: Outcomes) -> list[str]:
    return [test for test, (outcome, _) in outcomes.items() if outcome == "passed"]


def compare(suite: str, options: argparse.Namespace) -> list[str]:
    """Print a suite's row; return the lines about tests that fail inside fused only."""
    outside = outcomes_of(suite, "threading", options)
    inside = outcomes_of(suite, "fused", options)
    lost = sorted(set(passed(outside)) - set(passed(inside)))
    two = outcomes_of(suite, "two threads", options, lost) if lost else {}
    counts = len(outside), len(passed(outside)), len(passed(inside)), len(lost)
    alone = sum(two[test][0] == "passed" for test in lost)
    print("| " + " | ".join(map(str, (suite, *counts, alone))) + " |", flush=True)
    lines = []
    for test in lost:
        outcome, error = inside.get(test, ("did not run", ""))
        also = "" if two[test][0] == "passed" else "; so with two plain threads"
        lines += [test, f"    {outcome}{also}: {error}"]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"of {', '.join(SUITES)}")
    parser.add_argument("-k", default="", help="run what matches, as pytest does")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for each test")
    parser.add_argument("--engine", default=None, help="as that of skmlp.fused")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job is not None:
        return run_tests(Job(**json.loads(options.job.read_text(encoding="utf-8"))))
    unknown = set(options.suites) - set(SUITES)
    if unknown:
        parser.error(f"there is no suite {min(unknown)!r}; there are {', '.join(SUITES)}")
    print(f"scikit-learn {sklearn.__version__}, skmlp of {Path(skmlp.__file__).parent}\n")
    header = "suite|tests|pass inside threading|inside fused|lost|of these pass with two threads"
    print("| " + header.replace("|", " | ") + " |")
    print("|" + "---|" * 6)
    lines: list[str] = []
    try:
        for suite in options.suites or SUITES:
            lines += compare(suite, options)
    finally:
        print("", *lines, sep="\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
