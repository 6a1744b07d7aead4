"""Results as text: the cells of every printed table, and the table in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .result import Comparison

__all__ = ["Column", "columns", "markdown", "three_digits"]


@dataclass(frozen=True)
class Column:
    """A column of a printed table: its header, and how a row of `Comparison.table` fills it.

    Parameters
    ----------
    header : str
    text : callable
        From a row, a Series named by the contestant.
    group : {"name", "score", "cost", "choice"}
        What the column tells.
    metric : str
        Of a score: which one.
    """

    header: str
    text: Callable[[Any], str]
    group: str
    metric: str = ""

    @property
    def numeric(self) -> bool:
        """Whether its cells are numbers, to be set flush right."""
        return self.group in ("score", "cost")


def columns(comparison: Comparison) -> list[Column]:
    """The columns for all metrics of a comparison, in the order they are shown.

    A group starts with the contestant's name, so that groups can be printed as tables.
    """
    scores = [
        column for metric in comparison.plan.metrics for column in _metric_columns(metric.name)
    ]
    return [Column("contestant", lambda row: str(row.name), "name"), *scores, *COSTS, *CHOICES]


def _metric_columns(name: str) -> list[Column]:
    def column(header: str, needed: str, text: Callable[[Any], str]) -> Column:
        return Column(
            header, lambda row: "-" if np.isnan(row[needed]) else text(row), "score", name
        )

    def of(word: str) -> str:
        return f"{name}_{word}"

    def probabilities(row: Any) -> str:
        return " / ".join(f"{row[of(word)]:.2f}" for word in ("worse", "equal", "better"))

    return [
        column(name, name, lambda row: _mean_and_std(row[name], row[of("std")])),
        column("difference", of("difference"), lambda row: _signed(row[of("difference")])),
        column("p", of("p_value"), lambda row: _p_value(row[of("p_value")])),
        column("worse / equal / better", of("equal"), probabilities),
    ]


def _mean_and_std(mean: float, std: float) -> str:
    return _score(mean) + ("" if np.isnan(std) else f" ± {_score(std)}")


def _cost(header: str, column: str, scale: float = 1.0) -> Column:
    return Column(
        header,
        lambda row: "-" if np.isnan(row[column]) else three_digits(scale * row[column]),
        "cost",
    )


COSTS = (
    _cost("tuning (s)", "tuning_seconds"),
    _cost("fit (ms)", "fit_seconds", 1000),
    _cost("predict (ms)", "predict_seconds", 1000),
    _cost("memory (MB)", "peak_memory_mb"),
    Column("size", lambda row: "-" if np.isnan(row["size"]) else f"{row['size']:,.0f}", "cost"),
)

CHOICES = (
    Column("best parameters", lambda row: row["best_params"] or "-", "choice"),
    Column("chosen", lambda row: f"{row['chosen']} of {row['folds']}", "choice"),
)

LEGEND = (
    "Scores: mean ± standard deviation over the outer test folds; difference, p and the "
    "probabilities are against {baseline}: p of the corrected t-test, adjusted by Holm's method; "
    "practically equal is a difference up to {ropes}. Tuning: one search. Fit: the chosen setting "
    "alone. Predict: 1000 rows. Memory: peak growth while fitting. Size: {sizes}."
)


def legend(comparison: Comparison) -> str:
    """What the columns mean, in one paragraph."""
    table, plan = comparison.table, comparison.plan
    ropes = [
        f"{metric.equivalence(table.loc[plan.baseline, metric.name]):.3g} in {metric.name}"
        for metric in plan.metrics
    ]
    units = list(dict.fromkeys(unit for unit in table["size_unit"] if unit))
    return LEGEND.format(
        baseline=plan.baseline, ropes=", ".join(ropes), sizes=" or ".join(units) or "unknown"
    )


def markdown(comparison: Comparison) -> str:
    """The table, the legend and the notes in Markdown."""
    shown = columns(comparison)
    lines = [_line([column.header for column in shown])]
    lines.append("|" + "|".join("--:" if column.numeric else "---" for column in shown) + "|")
    for _, row in comparison.table.iterrows():
        lines.append(_line([column.text(row) for column in shown]))
    title = f"**{comparison.plan.dataset.name}**, {len(comparison.plan.folds)} folds"
    title += " (partial)" if comparison.partial else ""
    notes = [f"- {note}" for note in comparison.notes]
    return "\n".join([title, "", *lines, "", legend(comparison), *([""] if notes else []), *notes])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _score(value: float) -> str:
    """Three decimals, or three digits where scores are large."""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"


def _signed(value: float) -> str:
    return ("" if value < 0 else "+") + _score(value)


def _p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def three_digits(value: float) -> str:
    """Round to three significant digits, without an exponent.

    Examples
    --------
    >>> from skmlp.comparison.text import three_digits
    >>> [three_digits(value) for value in (0.012345, 1.5, 12.345, 1234.5)]
    ['0.0123', '1.50', '12.3', '1,234']
    """
    if value >= 100:
        return f"{value:,.0f}"
    decimals = next((digits for limit, digits in ((10, 1), (1, 2), (0.1, 3)) if value >= limit), 4)
    return f"{value:.{decimals}f}"
