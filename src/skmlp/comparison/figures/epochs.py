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


Curve = tuple[str, np.ndarray, np.ndarray]  # contestant, epochs, values after them


def recorded(comparison: Comparison) -> dict[str, list[Curve]]:
    """By record, the curves of all contestants and folds."""
    curves: dict[str, list[Curve]] = {}
    for name, models in comparison.models.items():
        for model in models:
            for part in fitted_parts(model):
                for record in RECORDS:
                    curve = getattr(part, record, None)
                    if curve is not None and len(curve):
                        epochs = _epochs_of(part, record, len(curve))
                        curves.setdefault(record, []).append(
                            (name, epochs, np.asarray(curve, float))
                        )
    return {record: curves[record] for record in RECORDS if record in curves}


def _epochs_of(network: Any, record: str, n: int) -> np.ndarray:
    """The epochs of a record with n entries: those of validations may be some epochs apart."""
    every = getattr(network, "validation_every", 1) if record.startswith("validation") else 1
    epochs = every * np.arange(1, n + 1)
    return epochs if every == 1 else np.minimum(epochs, network.n_iter_)


def draw_epochs(comparison: Comparison, metric: str) -> Any:
    """A panel for each record, a line for each outer fold."""
    curves = recorded(comparison)
    figure, panels = new_panels(len(curves), (4.2, 3.2))
    for panel, (record, found) in zip(panels, curves.items(), strict=True):
        for number, (name, epochs, curve) in enumerate(found):
            first = name not in [other for other, *_ in found[:number]]
            panel.plot(
                epochs,
                curve,
                color=colour_of(comparison.plan, name),
                lw=1,
                alpha=0.75,
                label=f"{name}, one line per outer fold" if first else None,
            )
        panel.set_xlabel("epoch")
        panel.set_ylabel(RECORDS[record])
        panel.grid(color="#e3e8ed")
        if record == "loss_curve_" and all(curve.min() > 0 for *_, curve in found):
            log_axis(panel.yaxis, np.concatenate([curve for *_, curve in found]))
    legend_below(figure, panels[0])
    return figure
