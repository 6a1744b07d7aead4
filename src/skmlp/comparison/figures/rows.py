"""Learning curves by rows: the score that fewer training rows would have given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .canvas import colour_of, cut_below, legend_below, marker_of, new_figure

if TYPE_CHECKING:
    from ..result import Comparison

__all__ = ["draw_rows"]


def draw_rows(comparison: Comparison, metric: str) -> Any:
    """A line for each contestant, mean over the outer folds, with a band of ± one deviation."""
    figure = new_figure(height=4.0)
    panel = figure.subplots()
    curves = comparison.learning_curve
    for name, found in curves.groupby("contestant", sort=False):
        by_share = found.groupby("share")
        rows, score = by_share["rows"].mean(), by_share[metric].mean()
        deviation = by_share[metric].std(ddof=1).fillna(0)
        colour, marker = colour_of(comparison.plan, name), marker_of(comparison.plan, name)
        panel.plot(rows, score, color=colour, marker=marker, ms=4.5, lw=1.6, label=name)
        panel.fill_between(
            rows, score - deviation, score + deviation, color=colour, alpha=0.1, lw=0
        )
    ticks = curves.groupby("share")["rows"].mean().round().astype(int)
    panel.set_xscale("log")
    panel.set_xticks(ticks, [f"{count:,}" for count in ticks])
    panel.minorticks_off()
    panel.set_xlabel("training rows")
    panel.set_ylabel(metric)
    panel.grid(color="#e3e8ed")
    cut_below(panel, curves.groupby(["contestant", "share"])[metric].mean())
    legend_below(figure, panel)
    return figure
