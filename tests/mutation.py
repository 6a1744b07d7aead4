"""Do the tests notice a mistake? Small changes of the code, one at a time, and who finds them.

``python tests/mutation.py training.batches network.losses --sample 40 --seed 1`` changes 40 places
of each of these modules in turn: an operator, a comparison, a constant, a condition, a keyword
argument that is left out, a result that is lost. A change that no test finds is printed. Without
names all of `MODULES` are tried. The exit code is 1 if less than 95 % of the changes are found.

Importing torch takes longer than most tests. One process imports it and forks for each change; the
child compiles the changed module in place of the one on disk and runs those tests, the quickest
first, that come by the changed line.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import importlib
import importlib.machinery
import importlib.util
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import threading
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

from mutants import SOURCE, TESTS, Mutant, known_equivalents, mutants_of, path_of, unchanged

# One thread everywhere: threads do not survive a fork. To be set before anything is imported.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

ENOUGH = 0.95

# The tests of each module: its own, then those that see it at work.
MODULES = {
    "network.initialization": ["initialization", "stack", "oracles"],
    "augmentation": ["augmentation", "presentation"],
    "network.rules": ["rules", "initialization"],
    "network.losses": ["losses", "mlp", "layers", "oracles"],
    "network.loss_of_classes": ["loss_of_classes", "losses", "oracles"],
    "network.loss_of_numbers": ["loss_of_numbers", "losses", "oracles"],
    "network.loss_forms": ["loss_forms", "classifier", "regressor"],
    "network.activations": ["activations", "mlp", "padding", "initialization", "oracles"],
    "network.mlp": ["mlp", "layers", "stack", "callbacks"],
    "network.layers": ["layers", "padding", "residual"],
    "network.architecture": ["layers", "mlp", "residual"],
    "network.depth": ["depth", "residual", "survivors"],
    "network.fixup": ["fixup"],
    "network.lsuv": ["lsuv"],
    "network.forward": ["forward", "mlp", "validation"],
    "network.tensors": ["tensors", "forward", "validation"],
    "training.progress": ["progress", "stack", "oracles"],
    "training.dropout": ["dropout", "stack"],
    "training.survivors": ["survivors"],
    "training.starting": ["starting", "lsuv", "fixup", "survivors", "stack"],
    "training.dropout_schedules": ["dropout_schedules"],
    "training.presentation": ["presentation"],
    "training.batches": ["batches", "stack", "oracles"],
    "training.validation": ["validation", "stack", "oracles"],
    "training.penalties": ["penalties", "stack", "oracles"],
    "training.full_batch": ["full_batch", "curvature", "bar", "oracles"],
    "training.curvature": ["curvature"],
    "training.flops": ["flops", "padding", "processor"],
    "training.padding": ["padding"],
    "training.optimizers": ["optimizers", "stack_optimizer"],
    "training.torch_optimizers": ["torch_optimizers", "stack_optimizer"],
    "training.averaging": ["averaging"],
    "training.stack_optimizer": ["stack_optimizer", "stack", "callbacks", "oracles"],
    "training.stack": ["stack", "bar", "callbacks", "fit_times", "oracles"],
    "training.bar": ["bar"],
    "training.callbacks": ["callbacks"],
    "training.stacks": ["stack", "bar", "callbacks", "padding", "processor"],
    "training.conductor": ["conductor", "bar", "meeting", "stack"],
}
# Slower ones, for the changes that those have missed.
LAST = ["base", "classifier", "regressor"]

LIBRARIES = {"numpy", "scipy", "pandas", "polars", "sklearn", "skorch", "torch", "sympy", "mpmath"}

# A test that takes this many times as long as usual, and some seconds more, hangs. (Whichever is
# the first to use other processes waits until they have imported torch.)
PATIENCE, MORE_PATIENCE = 4, 25
MOST_BYTES = 3 << 30

IMPORT = ""  # stands for no test: what happens before the first one


@dataclass
class Tally:
    """What came of a module's mutants."""

    found: int = 0
    equivalent: int = 0
    survivors: list[Mutant] = field(default_factory=list)

    @property
    def all(self) -> int:
        return self.found + self.equivalent + len(self.survivors)


# Runs


class _Changed(importlib.machinery.SourceFileLoader):
    code: CodeType

    def get_code(self, fullname):
        return self.code


class _Finder:
    """Finds the changed module where Python would find the one on disk."""

    def __init__(self, mutant: Mutant):
        self.name, self.mutant = f"skmlp.{mutant.module}", mutant

    def find_spec(self, name, path, target=None):
        if name != self.name:
            return None
        file = str(path_of(self.mutant.module))
        loader = _Changed(name, file)
        loader.code = self.mutant.code
        return importlib.util.spec_from_file_location(name, file, loader=loader)


class Selection:
    """A pytest plugin that runs some tests in their order, and ends the process if one hangs."""

    def __init__(self, tests: Sequence[str], seconds: Mapping[str, float]):
        self.rank = {test: i for i, test in enumerate(tests)}
        self.seconds = seconds
        signal.alarm(60)  # the import may hang too

    def pytest_collection_modifyitems(self, items):
        items[:] = sorted(
            (item for item in items if item.nodeid in self.rank),
            key=lambda item: self.rank[item.nodeid],
        )

    def pytest_runtest_protocol(self, item, nextitem):
        seconds = PATIENCE * self.seconds[item.nodeid] + MORE_PATIENCE
        signal.setitimer(signal.ITIMER_REAL, seconds)


class Tracing:
    """A pytest plugin that notes which lines of some files each test comes by, and its time."""

    def __init__(self, files: set[str]):
        self.files = files
        self.lines: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self.seconds: dict[str, float] = {}
        self._trace_for(IMPORT)

    def _trace_for(self, name: str) -> None:
        seen, files = self.lines[name], self.files

        def of_line(frame, event, argument):
            seen.add((frame.f_code.co_filename, frame.f_lineno))
            return of_line

        def of_call(frame, event, argument):
            return of_line(frame, event, argument) if frame.f_code.co_filename in files else None

        threading.settrace(of_call)
        sys.settrace(of_call)

    def pytest_runtest_protocol(self, item, nextitem):
        self._trace_for(item.nodeid)

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self):
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]


@dataclass
class Line:
    """Some test files: their tests, from the quickest, and the lines that each comes by."""

    seconds: dict[str, float]
    lines: dict[str, set[tuple[str, int]]]

    def tests_of(self, mutant: Mutant) -> list[str]:
        path = str(path_of(mutant.module))
        wanted = {(path, line) for line in mutant.lines}
        coming_by = {test for test in self.seconds if wanted & self.lines[test]}
        if wanted & self.lines[IMPORT]:  # then it may matter to all that use the module
            files = {_file(test) for test in self.seconds if _visits(path, self.lines[test])}
            files = files or set(map(_file, self.seconds))  # nothing but tables
            coming_by |= {test for test in self.seconds if _file(test) in files}
        return sorted(coming_by, key=self.seconds.__getitem__)


def _file(test: str) -> str:
    return test.split("::")[0]


def _visits(path: str, lines: Iterable[tuple[str, int]]) -> bool:
    return any(file == path for file, _ in lines)


def pytest_run(tests: Sequence[str], *plugins) -> int:
    import pytest

    files = sorted(set(map(_file, tests)))
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *files], plugins=list(plugins)))


def forked(run: Callable[[], int], output: int) -> int:
    """Start ``run`` in a child of its own group; return its process number."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        code = run()
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)


@functools.cache
def traced(name: str) -> Line:
    """Run a test file on the code as it is."""
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile() as found:

        def run() -> int:
            tracing = Tracing({str(path_of(module)) for module in MODULES})
            code = pytest_run([f"tests/test_{name}.py"], tracing)
            names = [name for name in sys.modules if name.split(".")[0] in LIBRARIES]
            Path(found.name).write_bytes(pickle.dumps((tracing.seconds, tracing.lines, names)))
            return code

        pid = forked(run, output.fileno())
        try:
            _, status = os.waitpid(pid, 0)
        finally:
            kill_group(pid)
        if status != 0:
            output.seek(0)
            raise SystemExit(
                f"tests/test_{name}.py ends with status {status} on the code as it is:\n"
                + output.read().decode()
            )
        seconds, lines, imported = pickle.loads(Path(found.name).read_bytes())
    for module in imported:  # once here instead of in every child
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    gc.freeze()
    return Line(seconds, lines)


def line_of(names: Iterable[str]) -> Line:
    """The tests of several files."""
    files = [traced(name) for name in names]
    return Line(
        {test: seconds for file in files for test, seconds in file.seconds.items()},
        {test: lines for file in files for test, lines in file.lines.items()}
        | {IMPORT: {line for file in files for line in file.lines[IMPORT]}},
    )


def survivors(mutants: Sequence[Mutant], line: Line, jobs: int) -> Iterator[Mutant]:
    """Those changes that no test finds, while others are still tried.

    Raises
    ------
    SystemExit
        If tests fail that see the code as it is.
    """
    running: dict[int, Mutant] = {}
    controls = [unchanged(mutants[0].module)] if mutants else []
    waiting = [*reversed(mutants), *controls]
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                mutant = waiting.pop()
                if tests := line.tests_of(mutant):
                    running[_start(mutant, tests, line.seconds)] = mutant
                elif mutant not in controls:
                    yield mutant
            if running:
                pid, status = os.waitpid(-1, 0)
                kill_group(pid)
                mutant = running.pop(pid)
                if status != 0 and mutant in controls:
                    raise SystemExit(f"Tests of {mutant.module} fail on the code as it is.")
                if status == 0 and mutant not in controls:
                    yield mutant
    finally:
        for pid in running:
            kill_group(pid)


def _start(mutant: Mutant, tests: Sequence[str], seconds: Mapping[str, float]) -> int:
    def run() -> int:
        sys.meta_path.insert(0, _Finder(mutant))
        return pytest_run(tests, Selection(tests, seconds))

    with open(os.devnull, "w") as nowhere:
        return forked(run, nowhere.fileno())


def kill_group(pid: int) -> None:
    """End what the tests of a child have left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def tally(mutants: Sequence[Mutant], files: Iterable[Sequence[str]], jobs: int) -> Tally:
    """Try each group of test files on what the groups before have missed."""
    known, result = known_equivalents(), Tally()
    missed = [m for m in mutants if (m.module, m.source, m.change) not in known]
    result.equivalent, n_tried = len(mutants) - len(missed), len(missed)
    for names in files:
        missed = list(survivors(missed, line_of(names), jobs)) if missed else []
    result.survivors = [m for m in missed if not m.speed]
    result.equivalent += len(missed) - len(result.survivors)
    result.found = n_tried - len(missed)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "modules",
        nargs="*",
        choices=[*MODULES, []],
        metavar="module",
        help="such as training.batches",
    )
    parser.add_argument("--sample", type=int, help="how many changes of each module (all of them)")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--quick", action="store_true", help="leave out the slower tests")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no child stays
    os.chdir(TESTS.parent)
    sys.path.insert(0, str(SOURCE))
    os.environ["PYTHONPATH"] = str(SOURCE)
    sys.dont_write_bytecode = False  # or every child compiles every file

    tallies = []
    for module in options.modules or MODULES:
        mutants = list(mutants_of(module))
        if options.sample is not None and options.sample < len(mutants):
            mutants = random.Random(options.seed).sample(mutants, options.sample)
        own, *others = MODULES[module]
        result = tally(mutants, [[own], others, [] if options.quick else LAST], options.jobs)
        tallies.append(result)
        print(
            f"{module}: {result.all} changes, {result.found} found, "
            f"{result.equivalent} equivalent, {len(result.survivors)} not found",
            flush=True,
        )
        for mutant in result.survivors:
            print(f"  {mutant}", flush=True)
    share = sum(t.found for t in tallies) / max(1, sum(t.all - t.equivalent for t in tallies))
    print(f"{share:.1%} found")
    return int(share < ENOUGH)


if __name__ == "__main__":
    sys.exit(main())
