"""Learning curves by epochs: what the networks recorded while they were fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..size import fitted_parts
from .canvas import colour_of, legend_below, log_axis, new_panels

if TYPE_CHECKING:
    from ..result import Comparison

__all__ = ["draw_epochs", "recorded"]

# What a fitted network records each epoch, and what it is called on the axis.
RECORDS = {
    "loss_curve_": "training loss",
    "validation_loss_curve_": "validation loss",
    "validation_scores_": "validation score",
}


def recorded(comparison: Comparison) -> dict[str, list[tuple[str, np.ndarray]]]:
    """By record, the curves (contestant, value after each epoch) of all contestants and folds."""
    curves: dict[str, list[tuple[str, np.ndarray]]] = {}
    for name, models in comparison.models.items():
        for model in models:
            for part in fitted_parts(model):
                for record in RECORDS:
                    curve = getattr(part, record, None)
                    if curve is not None and len(curve):
                        curves.setdefault(record, []).append((name, np.asarray(curve, float)))
    return {record: curves[record] for record in RECORDS if record in curves}


def draw_epochs(comparison: Comparison, metric: str) -> Any:
    """A panel for each record, a line for each outer fold."""
    curves = recorded(comparison)
    figure, panels = new_panels(len(curves), (4.2, 3.2))
    for panel, (record, found) in zip(panels, curves.items(), strict=True):
        for number, (name, curve) in enumerate(found):
            first = name not in [other for other, _ in found[:number]]
            panel.plot(
                np.arange(1, len(curve) + 1),
                curve,
                color=colour_of(comparison.plan, name),
                lw=1,
                alpha=0.75,
                label=f"{name}, one line per outer fold" if first else None,
            )
        panel.set_xlabel("epoch")
        panel.set_ylabel(RECORDS[record])
        panel.grid(color="#e3e8ed")
        if record == "loss_curve_" and all(curve.min() > 0 for _, curve in found):
            log_axis(panel.yaxis, np.concatenate([curve for _, curve in found]))
    legend_below(figure, panels[0])
    return figure
