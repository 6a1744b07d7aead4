"""A comparison on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import import_extra
from .result import Comparison
from .text import Column, columns, legend

__all__ = ["print_comparison"]


def print_comparison(comparison: Comparison, console: Any) -> None:
    """Print each score, then costs, then the chosen parameters and the notes.

    Several tables within 80 columns rather than one that no terminal holds.

    Parameters
    ----------
    comparison : Comparison
    console : rich.console.Console
        Where to print.
    """
    shown = columns(comparison)
    title = f"{comparison.plan.dataset.name}, {len(comparison.plan.folds)} folds"
    title += " (partial)" if comparison.partial else ""
    for group in [*(("score", metric.name) for metric in comparison.plan.metrics), ("cost", "")]:
        chosen = [one for one in shown if (one.group, one.metric) in (("name", ""), group)]
        console.print(_table(comparison, chosen, title))
        title = ""
    for line in _lines(comparison):
        # Plain text: brackets in parameters and messages are no markup.
        console.print(import_extra("rich.text").Text(line))
    console.print()


def _table(comparison: Comparison, shown: Sequence[Column], title: str) -> Any:
    table = import_extra("rich.table").Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=import_extra("rich.box").SIMPLE,
    )
    for column in shown:
        # The unit on a line of its own keeps the table narrow.
        table.add_column(
            column.header.replace(" (", "\n(").replace("worse / ", "worse /\n"),
            justify="right" if column.numeric else "left",
            no_wrap=column.numeric,  # a long name gives way, a number does not
        )
    for _, row in comparison.table.iterrows():
        table.add_row(*(column.text(row) for column in shown))
    return table


def _lines(comparison: Comparison) -> list[str]:
    table = comparison.table
    choices = [
        f"  {name}: {row['best_params']} ({row['chosen']} of {row['folds']} folds)"
        for name, row in table.iterrows()
        if row["best_params"]
    ]
    notes = [f"  {note}" for note in comparison.notes]
    return [legend(comparison), *choices, *notes]
