"""Decision boundaries of the contestants, side by side on the same axes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from .errors import import_extra
from .plan import Plan

if TYPE_CHECKING:
    from .result import Comparison

__all__ = ["draw_boundaries", "write_boundaries"]

# Okabe and Ito's palette: told apart with every kind of colour vision.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#000000")
GRID_STEPS = 300
PANELS_PER_LINE = 3


def write_boundaries(comparison: Comparison, path: Path) -> Path:
    """Draw the boundaries and save them as a PNG file."""
    draw_boundaries(comparison).savefig(path, dpi=130)
    return path


def draw_boundaries(comparison: Comparison) -> Any:
    """Draw each contestant's regions and the rows, one panel per contestant.

    The models are those of the first outer fold. Colour tells the class, its strength how sure
    the model is (probability, or decision value through the logistic function); filled points are
    training rows and framed points are test rows.

    Parameters
    ----------
    comparison : Comparison
        On a data set of two numeric features, with classes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    # Figure, not pyplot: no display is needed and no global state is touched.
    plan, table = comparison.plan, comparison.table
    lines = -(-len(table) // PANELS_PER_LINE)
    columns = min(len(table), PANELS_PER_LINE)
    figure = import_extra("matplotlib.figure").Figure(
        figsize=(3.6 * columns, 3.7 * lines + 0.9), layout="constrained"
    )
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, name in zip(panels, table.index, strict=False):
        _draw_panel(panel, comparison, name)
    _finish_axes(panels, plan, len(table), columns)
    metric = plan.metrics[0].name
    figure.suptitle(f"{plan.dataset.name}: decision boundaries, with {metric} over the outer folds")
    _draw_legend(figure, plan)
    return figure


def _draw_panel(panel: Any, comparison: Comparison, name: str) -> None:
    row, metric = comparison.table.loc[name], comparison.plan.metrics[0].name
    score = "failed" if row["error"] else f"{row[metric]:.3f} ± {row[f'{metric}_std']:.3f}"
    panel.set_title(f"{name}   {score}", fontsize=11)
    models = comparison.models[name]
    if models:
        _shade(panel, comparison.plan, models[0])
    _scatter(panel, comparison.plan)


def _shade(panel: Any, plan: Plan, model: Pipeline) -> None:
    x, y = _axes_grid(plan)
    points = pd.DataFrame(
        np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2), columns=plan.dataset.X.columns
    )
    belief = _belief(model, points)
    extent = (x[0], x[-1], y[0], y[-1])
    image = _blend(belief).reshape(len(y), len(x), 3)
    panel.imshow(image, origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    for code in range(belief.shape[1] - 1):
        lead = belief[:, code] - np.delete(belief, code, axis=1).max(axis=1)
        if lead.min() < 0 < lead.max():
            panel.contour(x, y, lead.reshape(len(y), len(x)), [0], colors="#222222", linewidths=1.2)


def _axes_grid(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Spread a grid over the data and a margin of 8 % around it."""
    values = plan.dataset.X.to_numpy()
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    margin = 0.08 * np.where(high > low, high - low, 1.0)
    grid = np.linspace(low - margin, high + margin, GRID_STEPS)
    return grid[:, 0], grid[:, 1]


def _belief(model: Pipeline, points: pd.DataFrame) -> np.ndarray:
    """Return what the model thinks of each class: shape (points, classes), rows sum to one."""
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(points))
    if not hasattr(model, "decision_function"):
        return (np.asarray(model.predict(points))[:, None] == model.classes_).astype(float)
    decision = np.asarray(model.decision_function(points))
    if decision.ndim == 1:
        decision = np.stack([-decision / 2, decision / 2], axis=1)
    decision = np.exp(decision - decision.max(axis=1, keepdims=True))
    return decision / decision.sum(axis=1, keepdims=True)


def _blend(belief: np.ndarray) -> np.ndarray:
    """Colour by the leading class, from near white (no lead) to its light tint (certain)."""
    n_classes = belief.shape[1]
    sure = (belief.max(axis=1, keepdims=True) * n_classes - 1) / (n_classes - 1)
    colours = _colours(n_classes)[belief.argmax(axis=1)]
    strength = 0.08 + 0.42 * sure
    return 1 - strength * (1 - colours)


def _colours(n_classes: int) -> np.ndarray:
    to_rgb = import_extra("matplotlib.colors").to_rgb
    return np.array([to_rgb(PALETTE[code % len(PALETTE)]) for code in range(n_classes)])


def _scatter(panel: Any, plan: Plan) -> None:
    values, y = plan.dataset.X.to_numpy(), plan.dataset.codes
    colours = _colours(len(plan.dataset.classes))[y]
    train, test = plan.folds[0].train, plan.folds[0].test
    panel.scatter(*values[train].T, c=colours[train], s=5, alpha=0.6, linewidths=0)
    panel.scatter(*values[test].T, c=colours[test], s=17, linewidths=0.7, edgecolors="black")


def _finish_axes(panels: Any, plan: Plan, used: int, columns: int) -> None:
    x, y = _axes_grid(plan)
    panels[0].set_xlim(x[0], x[-1])
    panels[0].set_ylim(y[0], y[-1])
    for place, panel in enumerate(panels[:used]):
        if place % columns == 0:
            panel.set_ylabel(str(plan.dataset.X.columns[1]))
        if place + columns >= used:  # nothing below: this panel carries the numbers
            panel.set_xlabel(str(plan.dataset.X.columns[0]))
            panel.tick_params(labelbottom=True)
    for panel in panels[used:]:
        panel.remove()


def _draw_legend(figure: Any, plan: Plan) -> None:
    line = import_extra("matplotlib.lines").Line2D

    def point(label: str, colour: str, edge: str, size: float) -> Any:
        return line(
            [], [], ls="", marker="o", ms=size, color=colour, markeredgecolor=edge, label=label
        )

    classes = plan.dataset.classes[: len(PALETTE)]
    entries = [
        point(f"class {name}", PALETTE[code], PALETTE[code], 6) for code, name in enumerate(classes)
    ]
    entries += [
        point("training row", "#888888", "none", 3.5),
        point("test row (first outer fold)", "#888888", "black", 5.5),
        line([], [], color="#222222", lw=1.2, label="boundary"),
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=5, frameon=False, fontsize=10)
