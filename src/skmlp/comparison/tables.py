"""The results as rows: one table for the terminal, the report and the CSV files."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd

from .contestants import format_parameters
from .errors import import_extra
from .study import Outcome

__all__ = ["COLUMNS", "Row", "footnotes", "make_row", "print_table", "write_tables"]


@dataclass(frozen=True)
class Row:
    """One contestant on one data set; every number is over the outer folds.

    Parameters
    ----------
    dataset, contestant : str
        Their names.
    accuracy, accuracy_std : float
        Mean and sample standard deviation on the test rows.
    tuning_seconds, fit_ms, predict_ms : float
        Mean time of one grid search; of fitting the chosen setting; of predicting 1000 rows.
    size : float
        Mean count of the numbers that the fitted model stores.
    candidates : int
        Settings tried by each grid search.
    best_parameters : str
        The setting chosen most often.
    chosen : int
        In how many outer folds it was chosen.
    unconverged, fits : int
        Fits that gave a convergence warning, out of all fits.
    error : str
        Why there are no numbers; empty if there are.
    """

    dataset: str
    contestant: str
    accuracy: float
    accuracy_std: float
    tuning_seconds: float
    fit_ms: float
    predict_ms: float
    size: float
    candidates: int
    best_parameters: str
    chosen: int
    unconverged: int
    fits: int
    error: str = ""


@dataclass(frozen=True)
class Column:
    """A column of the printed table: its header, and how a row fills it."""

    header: str
    text: Callable[[Row], str]
    numeric: bool = True


COLUMNS = (
    Column("contestant", lambda row: row.contestant, numeric=False),
    Column("accuracy", lambda row: f"{row.accuracy:.3f} ± {row.accuracy_std:.3f}"),
    Column("tuning (s)", lambda row: _three_digits(row.tuning_seconds)),
    Column("fit (ms)", lambda row: _three_digits(row.fit_ms)),
    Column("predict (ms)", lambda row: _three_digits(row.predict_ms)),
    Column("size", lambda row: f"{row.size:,.0f}"),
    Column("candidates", lambda row: str(row.candidates)),
)


def make_row(outcome: Outcome) -> Row:
    """Summarize the outer folds of one contestant."""
    results = outcome.folds
    if outcome.error or not results:
        return _failed_row(outcome)
    scores = [result.score for result in results]
    choices = Counter(format_parameters(result.best_parameters) for result in results)
    best, chosen = choices.most_common(1)[0]
    return Row(
        dataset=outcome.dataset,
        contestant=outcome.contestant,
        accuracy=mean(scores),
        accuracy_std=stdev(scores),
        tuning_seconds=mean(result.tuning_seconds for result in results),
        fit_ms=1000 * mean(result.fit_seconds for result in results),
        predict_ms=1000 * mean(result.predict_seconds for result in results),
        size=mean(result.size for result in results),
        candidates=outcome.candidates,
        best_parameters=best,
        chosen=chosen,
        unconverged=sum(result.unconverged for result in results),
        fits=sum(result.fits for result in results),
    )


def _failed_row(outcome: Outcome) -> Row:
    """Give no numbers: a mean over the folds before the failure would flatter."""
    nothing = float("nan")
    return Row(
        outcome.dataset,
        outcome.contestant,
        accuracy=nothing,
        accuracy_std=nothing,
        tuning_seconds=nothing,
        fit_ms=nothing,
        predict_ms=nothing,
        size=nothing,
        candidates=outcome.candidates,
        best_parameters="",
        chosen=0,
        unconverged=sum(result.unconverged for result in outcome.folds),
        fits=sum(result.fits for result in outcome.folds),
        error=outcome.error or "no fold finished",
    )


def cells(row: Row) -> list[str]:
    """Fill the columns; a failed contestant has its name, a word and dashes."""
    if row.error:
        return [row.contestant, "failed", *["-"] * (len(COLUMNS) - 3), str(row.candidates)]
    return [column.text(row) for column in COLUMNS]


def footnotes(rows: list[Row]) -> list[str]:
    """Say what the numbers alone would hide: failures, and fits that did not converge."""
    notes = [f"{row.contestant} failed on {row.error}" for row in rows if row.error]
    notes += [
        f"{row.contestant}: {row.unconverged} of {row.fits} fits stopped at their iteration "
        "limit (convergence warning)."
        for row in rows
        if row.unconverged
    ]
    return notes


def print_table(rows: list[Row], title: str, console: Any) -> None:
    """Print one data set's rows, then the best parameters, then the footnotes.

    Parameters
    ----------
    rows : list of Row
        Contestants on one data set.
    title : str
        Printed above the table.
    console : rich.console.Console
        Where to print.
    """
    table = import_extra("rich.table").Table(
        title=title, title_justify="left", title_style="bold", box=import_extra("rich.box").SIMPLE
    )
    for column in COLUMNS:
        # The unit on a line of its own keeps the table within 80 columns.
        table.add_column(
            column.header.replace(" (", "\n("),
            justify="right" if column.numeric else "left",
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*cells(row))
    console.print(table)
    for line in [*_best_lines(rows), *footnotes(rows)]:
        # Plain text: brackets in parameters and messages are no markup.
        console.print(import_extra("rich.text").Text(f"  {line}"))
    console.print()


def _best_lines(rows: list[Row]) -> list[str]:
    return [f"{row.contestant}: {row.best_parameters}" for row in rows if not row.error]


def write_tables(outcomes: list[Outcome], directory: Path) -> list[Path]:
    """Write ``results.csv``, a line per contestant, and ``folds.csv``, a line per outer fold."""
    summary = pd.DataFrame(
        [asdict(make_row(outcome)) for outcome in outcomes],
        columns=[field.name for field in fields(Row)],
    )
    by_fold = pd.DataFrame(
        [
            {
                "dataset": outcome.dataset,
                "contestant": outcome.contestant,
                "fold": number,
                **asdict(result),
                "best_parameters": format_parameters(result.best_parameters),
            }
            for outcome in outcomes
            for number, result in enumerate(outcome.folds, start=1)
        ]
    )
    paths = [directory / "results.csv", directory / "folds.csv"]
    for path, table in zip(paths, [summary, by_fold], strict=True):
        table.to_csv(path, index=False)
    return paths


def _three_digits(value: float) -> str:
    """Round to three significant digits, without an exponent.

    Examples
    --------
    >>> from skmlp.comparison.tables import _three_digits
    >>> [_three_digits(value) for value in (0.012345, 1.5, 12.345, 1234.5)]
    ['0.0123', '1.50', '12.3', '1,234']
    """
    if value >= 100:
        return f"{value:,.0f}"
    decimals = next((digits for limit, digits in ((10, 1), (1, 2), (0.1, 3)) if value >= limit), 4)
    return f"{value:.{decimals}f}"
