"""The command line: ``skmlp compare``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import joblib

from .dataset import TASKS, Dataset
from .entry import compare_plan
from .errors import InputError, MissingExtraError, import_extra
from .files import PARQUET, read_file
from .named import NAMED, OPENML, load_dataset
from .plan import Plan, make_plan
from .progress import make_progress
from .report import write_report
from .result import Comparison
from .terminal import print_comparison
from .tuning import one_line
from .writing import check_writable, is_special, replacing

__all__ = ["OneLineParser", "add_compare_command"]

EXIT_DONE, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130

PARTIAL = "Interrupted: what is finished follows, marked as partial."
NOTHING = "Interrupted before anything was finished."

# More processes than this gain little on twelve candidates, and each loads the libraries.
MOST_JOBS = 8


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all the others."""

    def error(self, message: str) -> NoReturn:
        """Print the message and leave with exit code 2."""
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_compare_command(commands: Any) -> None:
    """Add ``compare`` to the subcommands of a parser."""
    parser = commands.add_parser(
        "compare",
        help="compare a tuned MLP with tuned SVC kernels",
        description="Compare a tuned MLP with tuned SVC (or SVR) kernels: same folds, same "
        "preprocessing, significance, time, memory and size.",
    )
    add = parser.add_argument
    add(
        "data",
        nargs="+",
        metavar="DATA",
        help=f"a .csv or .parquet file, openml:ID, or one of {', '.join(NAMED)}",
    )
    add("--target", metavar="COLUMN", help="the column to predict, for files and openml:ID")
    add("--task", choices=TASKS, help="default: decided by the values of the target")
    add(
        "--scoring",
        metavar="NAMES",
        help="scores of scikit-learn, separated by commas; the first is tuned for "
        "(default: accuracy or r2)",
    )
    add("--report", metavar="FILE", help="write tables, figures and settings as an HTML page")
    add("--csv", metavar="FILE", help="write the table as CSV")
    add("--quick", action="store_true", help="3 folds, half the settings, at most 2000 rows")
    add("--intelex", action="store_true", help="use the SVC of scikit-learn-intelex")
    add("--folds", type=int, metavar="N", help="outer folds (default: 5, or 3 with --quick)")
    add(
        "--n-jobs",
        type=int,
        default=min(joblib.cpu_count(), MOST_JOBS),
        metavar="N",
        help=f"processes (default: one per core, at most {MOST_JOBS})",
    )
    add("--random-state", type=int, default=0, metavar="SEED", help="seed (default: 0)")
    parser.set_defaults(run=run_compare)


@dataclass(frozen=True)
class Job:
    """Comparisons that are checked and ready to run, and the files to write."""

    plans: list[Plan]
    report: Path | None
    csv: Path | None


def run_compare(arguments: argparse.Namespace) -> int:
    """Run a comparison and return the exit code."""
    try:
        job = _prepare(arguments)
    except (InputError, MissingExtraError) as error:
        print(f"skmlp compare: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    comparisons = _collect(job)
    interrupted = len(comparisons) < len(job.plans) or any(one.partial for one in comparisons)
    if interrupted:
        print(PARTIAL if comparisons else NOTHING, file=sys.stderr)
    given = not comparisons or _give(job, comparisons)
    if interrupted:
        return EXIT_INTERRUPTED
    failed = any(result.error for one in comparisons for result in one.results)
    return EXIT_FAILED if failed or not given else EXIT_DONE


def _give(job: Job, comparisons: list[Comparison]) -> bool:
    """Print the tables and write the files, whichever of them fail; whether none did."""
    files = _files(job, comparisons)
    instead = "the files are written" if files else "--csv and --report would keep them"
    done = [_tried(lambda: _print_tables(comparisons), "print the tables", instead)]
    for path, write in files:
        action = partial(_write, path, write)
        done.append(_tried(action, f"write {str(path)!r}", "nothing is left there"))
    return all(done)


def _tried(action: Callable[[], None], what: str, instead: str) -> bool:
    """Whether something was done; if not, why is a line on standard error."""
    try:
        action()
    except SystemExit:  # so rich ends when nobody reads its output
        reason = "nobody reads them"
    except Exception as failure:
        reason = getattr(failure, "strerror", None) or one_line(failure)
    else:
        return True
    print(f"skmlp compare: Cannot {what} ({reason}): {instead}.", file=sys.stderr)
    return False


def _print_tables(comparisons: list[Comparison]) -> None:
    console = import_extra("rich.console").Console(highlight=False)
    for comparison in comparisons:
        print_comparison(comparison, console)
    sys.stdout.flush()


Writer = Callable[[Path], Any]


def _files(job: Job, comparisons: list[Comparison]) -> list[tuple[Path, Writer]]:
    files: list[tuple[Path, Writer]] = []
    if job.csv:
        files.append((job.csv, partial(_write_tables, comparisons)))
    if job.report:
        command = shlex.join(["skmlp", *sys.argv[1:]])
        files.append((job.report, partial(write_report, comparisons, command=command)))
    return files


def _write(path: Path, write: Writer) -> None:
    write(path)
    with suppress(OSError):  # if nobody reads it, the file is written all the same
        print(f"Wrote {path}", flush=True)


def _write_tables(comparisons: list[Comparison], path: Path) -> None:
    tables = [one.table.reset_index().assign(data=one.plan.dataset.name) for one in comparisons]
    with replacing(path) as draft:
        import_extra("pandas").concat(tables).to_csv(draft, index=False)


def _prepare(arguments: argparse.Namespace) -> Job:
    """Find all that can be found wrong before the long run starts."""
    for module in ("rich", *(("matplotlib", "jinja2") if arguments.report else ())):
        import_extra(module)
    datasets = [_load(name, arguments) for name in dict.fromkeys(arguments.data)]
    plans = [_plan(dataset, arguments) for dataset in datasets]
    taken = {os.path.realpath(name): "the data" for name in arguments.data if Path(name).is_file()}
    return Job(
        plans,
        _writable(arguments.report, "--report", taken),
        _writable(arguments.csv, "--csv", taken),
    )


def _load(name: str, arguments: argparse.Namespace) -> Dataset:
    path = Path(name)
    if path.suffix.lower() in (".csv", ".gz", ".zip", ".bz2", ".xz", ".zst", *PARQUET):
        return read_file(path, arguments.target, arguments.task)
    if path.is_file():
        raise InputError(f"{name!r} is neither a .csv nor a .parquet file: rename or convert it.")
    if arguments.target is not None and not name.lower().startswith(OPENML):
        raise InputError(f"--target names a column of a file or of openml:ID, but got {name!r}.")
    return load_dataset(name, arguments.target, arguments.task)


def _plan(dataset: Dataset, arguments: argparse.Namespace) -> Plan:
    scoring = arguments.scoring.split(",") if arguments.scoring else None
    return make_plan(
        dataset,
        cv=arguments.folds,
        scoring=scoring,
        random_state=arguments.random_state,
        n_jobs=arguments.n_jobs,
        quick=arguments.quick,
        intelex=arguments.intelex,
    )


def _writable(name: str | None, option: str, taken: dict[str, str]) -> Path | None:
    """A path that can be written to, in a folder that exists from now on.

    ``taken`` are the files that it must not overwrite, and what they are.
    """
    if name is None:
        return None
    path = Path(name)
    other = taken.setdefault(os.path.realpath(path), option)
    if other != option and not is_special(path):
        raise InputError(f"{option} would overwrite {name!r}, which is {other}: choose another.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        check_writable(path)
    except OSError as error:
        raise InputError(
            f"Cannot write to {name!r} ({error.strerror}): choose another {option}."
        ) from None
    return path


def _collect(job: Job) -> list[Comparison]:
    """Run the plans; an interrupt keeps what is finished."""
    comparisons: list[Comparison] = []
    with make_progress(job.plans) as progress:
        for plan in job.plans:
            try:
                comparisons.append(compare_plan(plan, progress))
            except KeyboardInterrupt:
                break
            if comparisons[-1].partial:
                break
    return comparisons
