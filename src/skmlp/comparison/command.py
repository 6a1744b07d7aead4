"""The command line: ``python -m skmlp compare``."""

import argparse
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn

import joblib

from .contestants import Contestant, default_contestants
from .datasets import BUILT_IN, Dataset, load_dataset, read_csv
from .errors import InputError, MissingExtraError, import_extra
from .figure import write_boundaries
from .folds import Plan, plan_study
from .progress import make_progress
from .report import Report, Section, write_report
from .settings import StudySettings
from .study import Outcome, run_study
from .tables import make_row, print_table, write_tables

__all__ = ["OneLineParser", "add_compare_command"]

EXIT_DONE, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130

# More processes than this gain little on twelve candidates, and each loads torch.
MOST_JOBS = 8

LEGEND = (
    "accuracy: mean ± standard deviation over the outer test folds. tuning: one grid search. "
    "fit: the chosen setting alone. predict: 1000 rows. size: numbers the model stores. "
    "Parameters: the setting chosen most often."
)


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
        description="Compare a tuned MLP with tuned SVC kernels: same folds, same preprocessing. "
        "Writes report.html, results.csv, folds.csv and figures of the decision boundaries.",
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"built-in data sets: {', '.join(BUILT_IN)}")
    add("--data", metavar="FILE", help="your own data set, a .csv or .csv.gz file")
    add("--target", metavar="COLUMN", help="the column of FILE to predict")
    add("--output", metavar="DIR", default="results", help="where to write (default: results)")
    add("--folds", type=int, default=5, metavar="N", help="outer folds (default: 5)")
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
    """A comparison that is checked and ready to run."""

    plans: list[Plan]
    contestants: list[Contestant]
    settings: StudySettings
    output: Path


def run_compare(arguments: argparse.Namespace) -> int:
    """Run a comparison and return the exit code."""
    try:
        job = _prepare(arguments)
    except (InputError, MissingExtraError) as error:
        print(f"skmlp compare: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    start = perf_counter()
    outcomes, complete = _collect(job)
    _print_results(job, outcomes)
    if not complete:
        total = len(job.plans) * len(job.contestants)
        print(
            f"Interrupted with {len(outcomes)} of {total} rows finished: no files were written.",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    for path in _write_results(job, outcomes, perf_counter() - start):
        print(f"Wrote {path}")
    return EXIT_FAILED if any(outcome.error for outcome in outcomes) else EXIT_DONE


def _prepare(arguments: argparse.Namespace) -> Job:
    """Find all that can be found wrong before the long run starts."""
    for module in ("matplotlib", "rich", "jinja2"):
        import_extra(module)
    settings = StudySettings(
        folds=arguments.folds, random_state=arguments.random_state, n_jobs=arguments.n_jobs
    )
    plans = plan_study(_choose_datasets(arguments), settings)
    output = Path(arguments.output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot write to {arguments.output!r} ({error.strerror}): choose another --output."
        ) from None
    return Job(plans, default_contestants(arguments.random_state), settings, output)


def _choose_datasets(arguments: argparse.Namespace) -> list[Dataset]:
    if arguments.target is not None and arguments.data is None:
        raise InputError("--target names a column of your own file: add --data FILE.csv.")
    chosen = [load_dataset(name) for name in arguments.names]
    if arguments.data is not None:
        chosen.append(read_csv(arguments.data, arguments.target))
    chosen = chosen or [load_dataset(name) for name in BUILT_IN]
    return list({dataset.name: dataset for dataset in chosen}.values())


def _collect(job: Job) -> tuple[list[Outcome], bool]:
    """Run the study; an interrupt keeps what is finished."""
    outcomes: list[Outcome] = []
    progress = make_progress(len(job.contestants), len(job.plans), job.settings.folds)
    try:
        with progress:
            for outcome in run_study(job.plans, job.contestants, job.settings, progress):
                outcomes.append(outcome)
    except KeyboardInterrupt:
        return outcomes, False
    return outcomes, True


def _of(plan: Plan, outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.dataset == plan.dataset.name]


def _print_results(job: Job, outcomes: list[Outcome]) -> None:
    console = import_extra("rich.console").Console(highlight=False)
    for plan in job.plans:
        rows = [make_row(outcome) for outcome in _of(plan, outcomes)]
        if not rows:
            continue
        title = f"{plan.dataset.name}, {job.settings.folds} folds"
        if len(rows) < len(job.contestants):
            title += f" (partial: {len(rows)} of {len(job.contestants)} contestants finished)"
        print_table(rows, title, console)
    if outcomes:
        console.print(LEGEND, end="\n\n")


def _write_results(job: Job, outcomes: list[Outcome], seconds: float) -> list[Path]:
    figures = {
        plan.dataset.name: write_boundaries(
            plan, _of(plan, outcomes), job.output / f"boundaries_{plan.dataset.name}.png"
        )
        for plan in job.plans
        if plan.dataset.is_planar
    }
    sections = [
        Section(
            plan.dataset,
            [make_row(outcome) for outcome in _of(plan, outcomes)],
            figures.get(plan.dataset.name),
        )
        for plan in job.plans
    ]
    report = Report(sections, job.contestants, job.settings, _command_line(), seconds)
    return [
        write_report(report, job.output / "report.html"),
        *write_tables(outcomes, job.output),
        *figures.values(),
    ]


def _command_line() -> str:
    return shlex.join(["python", "-m", "skmlp", *sys.argv[1:]])
