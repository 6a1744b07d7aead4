"""The command line: ``skmlp compare``."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import dataclass
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
        print(f"skmlp compare: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    comparisons = _collect(job)
    interrupted = len(comparisons) < len(job.plans) or any(one.partial for one in comparisons)
    if interrupted:
        print(PARTIAL if comparisons else NOTHING, file=sys.stderr)
    console = import_extra("rich.console").Console(highlight=False)
    for comparison in comparisons:
        print_comparison(comparison, console)
    if comparisons:
        for path in _write(job, comparisons):
            print(f"Wrote {path}")
    if interrupted:
        return EXIT_INTERRUPTED
    failed = any(result.error for one in comparisons for result in one.results)
    return EXIT_FAILED if failed else EXIT_DONE


def _prepare(arguments: argparse.Namespace) -> Job:
    """Find all that can be found wrong before the long run starts."""
    for module in ("rich", *(("matplotlib", "jinja2") if arguments.report else ())):
        import_extra(module)
    datasets = [_load(name, arguments) for name in dict.fromkeys(arguments.data)]
    return Job(
        [_plan(dataset, arguments) for dataset in datasets],
        _writable(arguments.report, "--report"),
        _writable(arguments.csv, "--csv"),
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


def _writable(name: str | None, option: str) -> Path | None:
    """A path in a folder that exists from now on."""
    if name is None:
        return None
    path = Path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
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


def _write(job: Job, comparisons: list[Comparison]) -> list[Path]:
    written = []
    if job.csv:
        _all_tables(comparisons).to_csv(job.csv, index=False)
        written.append(job.csv)
    if job.report:
        command = shlex.join(["skmlp", *sys.argv[1:]])
        written.append(write_report(comparisons, job.report, command))
    return written


def _all_tables(comparisons: list[Comparison]) -> Any:
    tables = [one.table.reset_index().assign(data=one.plan.dataset.name) for one in comparisons]
    return import_extra("pandas").concat(tables)
