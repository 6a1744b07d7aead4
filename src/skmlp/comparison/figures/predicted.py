"""Predicted against true values of a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import GREY, colour_of, label_outer, new_panels

if TYPE_CHECKING:
    from ..result import Comparison

__all__ = ["draw_predicted", "panel_title"]

# More points than this are one dark cloud, and a slow figure.
MOST_POINTS = 3000


def draw_predicted(comparison: Comparison, metric: str) -> Any:
    """A panel for each contestant: every outer test row, and the line of perfect predictions."""
    names = list(comparison.table.index)
    figure, panels = new_panels(len(names), (3.4, 3.4), sharex=True, sharey=True)
    values = comparison.plan.dataset.y
    ends = [float(values.min()), float(values.max())]
    for panel, name in zip(panels, names, strict=True):
        panel.plot(ends, ends, color=GREY, lw=1)
        _scatter(panel, comparison, name)
        panel.set_title(panel_title(comparison, name, metric), fontsize=11)
    label_outer(panels, "true value", "predicted value")
    return figure


def panel_title(comparison: Comparison, name: str, metric: str) -> str:
    """A contestant's name and its score."""
    row = comparison.table.loc[name]
    if row["error"]:
        return f"{name}   failed"
    spread = "" if np.isnan(row[f"{metric}_std"]) else f" ± {row[f'{metric}_std']:.3f}"
    return f"{name}   {row[metric]:.3f}{spread}"


def _scatter(panel: Any, comparison: Comparison, name: str) -> None:
    found = comparison.predictions
    rows = found[found["contestant"] == name]
    if len(rows) > MOST_POINTS:
        rows = rows.sample(MOST_POINTS, random_state=0)
    panel.scatter(
        rows["y_true"].astype(float),
        rows["y_pred"].astype(float),
        s=7,
        alpha=0.45,
        linewidths=0,
        color=colour_of(comparison.plan, name),
    )
