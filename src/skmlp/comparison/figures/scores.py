"""Scores of all contestants, fold by fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import GREY, colour_of, new_figure

if TYPE_CHECKING:
    from ..result import Comparison

__all__ = ["draw_scores"]


def draw_scores(comparison: Comparison, metric: str) -> Any:
    """One line for each contestant: a point for each fold, and the mean over the folds."""
    names = list(comparison.table.index)
    figure = new_figure(height=1.3 + 0.42 * len(names))
    panel = figure.subplots()
    for place, name in enumerate(names):
        _draw_line(panel, comparison, metric, name, place)
    _mark_baseline(panel, comparison, metric)
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.set_xlabel(f"{metric}: outer test folds (points) and their mean (bar)")
    panel.grid(axis="x", color="#e3e8ed")
    panel.set_axisbelow(True)
    return figure


def _draw_line(panel: Any, comparison: Comparison, metric: str, name: str, place: int) -> None:
    folds = comparison.fold_scores
    values = folds.loc[folds["contestant"] == name, metric].dropna().to_numpy(dtype=float)
    colour = colour_of(comparison.plan, name)
    # Folds a little below one another: equal scores are common, and would hide each other.
    heights = place + (0.22 * np.linspace(-1, 1, len(values)) if len(values) > 1 else 0 * values)
    panel.scatter(values, heights, s=22, color=colour, alpha=0.5, linewidths=0)
    mean = comparison.table.loc[name, metric]
    if comparison.table.loc[name, "error"]:
        panel.text(
            0.99,
            place,
            "failed",
            transform=panel.get_yaxis_transform(),
            ha="right",
            va="center",
            color="#a3260f",
        )
    elif not np.isnan(mean):
        panel.plot([mean, mean], [place - 0.32, place + 0.32], color=colour, lw=2.5)


def _mark_baseline(panel: Any, comparison: Comparison, metric: str) -> None:
    mean = comparison.table.loc[comparison.plan.baseline, metric]
    if not np.isnan(mean):
        panel.axvline(mean, color=GREY, lw=0.9, ls=":", zorder=0)
