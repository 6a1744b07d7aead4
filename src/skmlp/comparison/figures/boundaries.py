"""Decision boundaries of the contestants, side by side on the same axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..answers import predictions, probabilities
from ..errors import import_extra
from .canvas import class_colours, label_outer, new_panels
from .plane import Plane, make_plane
from .predicted import panel_title

if TYPE_CHECKING:
    from ..plan import Plan
    from ..result import Comparison

__all__ = ["draw_boundaries"]

# More points than this hide the regions.
MOST_POINTS = 1500


def draw_boundaries(comparison: Comparison, metric: str) -> Any:
    """Draw each contestant's regions and the rows, one panel per contestant.

    The models are those of the first outer fold. Colour tells the class, its strength how sure
    the model is (probability, or decision value through the logistic function); small points are
    training rows and framed points are test rows. On principal axes the regions are a cut through
    the mean of the training rows, and the rows are projected on it.
    """
    plan, names = comparison.plan, list(comparison.table.index)
    plane = make_plane(comparison)
    assert plane is not None  # the table of figures asks first
    figure, panels = new_panels(len(names), sharex=True, sharey=True)
    for panel, name in zip(panels, names, strict=True):
        panel.set_title(panel_title(comparison, name, metric), fontsize=11)
        if _has_first_fold(comparison, name):
            _shade(panel, plane, comparison.result(name).model)
        _scatter(panel, plan, plane)
    x, y = plane.axes
    panels[0].set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    label_outer(panels, *plane.labels)
    _draw_legend(figure, plan)
    return figure


def _has_first_fold(comparison: Comparison, name: str) -> bool:
    return any(
        (result.contestant, result.fold) == (name, 0) and result.model is not None
        for result in comparison.results
    )


def _shade(panel: Any, plane: Plane, model: Any) -> None:
    x, y = plane.axes
    belief = _belief(plane.part(model), plane.rows())
    extent = (x[0], x[-1], y[0], y[-1])
    image = _blend(belief).reshape(len(y), len(x), 3)
    panel.imshow(image, origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    for code in range(belief.shape[1] - 1):
        lead = belief[:, code] - np.delete(belief, code, axis=1).max(axis=1)
        if lead.min() < 0 < lead.max():
            panel.contour(x, y, lead.reshape(len(y), len(x)), [0], colors="#222222", linewidths=1.2)


def _belief(model: Any, points: Any) -> np.ndarray:
    """Return what the model thinks of each class: shape (points, classes), rows sum to one."""
    if hasattr(model, "predict_proba"):
        try:
            return probabilities(model, points.copy(), model.classes_)
        except Exception:  # it has been noted in the comparison; the regions need none
            pass
    if not hasattr(model, "decision_function"):
        return (predictions(model, points)[:, None] == model.classes_).astype(float)
    decision = np.asarray(model.decision_function(points))
    if decision.ndim == 1:
        decision = np.stack([-decision / 2, decision / 2], axis=1)
    decision = np.exp(decision - decision.max(axis=1, keepdims=True))
    return decision / decision.sum(axis=1, keepdims=True)


def _blend(belief: np.ndarray) -> np.ndarray:
    """Colour by the leading class, from near white (no lead) to its light tint (certain)."""
    n_classes = belief.shape[1]
    sure = (belief.max(axis=1, keepdims=True) * n_classes - 1) / (n_classes - 1)
    colours = class_colours(n_classes)[belief.argmax(axis=1)]
    strength = 0.08 + 0.42 * sure
    return 1 - strength * (1 - colours)


def _scatter(panel: Any, plan: Plan, plane: Plane) -> None:
    colours = class_colours(len(plan.dataset.classes))[plan.dataset.codes]
    share = min(1.0, MOST_POINTS / len(plan.dataset.y))
    generator = np.random.default_rng(0)

    def draw(rows: np.ndarray, **look: Any) -> None:
        kept = rows if share == 1 else generator.choice(rows, int(share * len(rows)), replace=False)
        panel.scatter(*plane.points[kept].T, c=colours[kept], **look)

    draw(plan.folds[0].train, s=5, alpha=0.6, linewidths=0)
    draw(plan.folds[0].test, s=17, linewidths=0.7, edgecolors="black")


def _draw_legend(figure: Any, plan: Plan) -> None:
    line = import_extra("matplotlib.lines").Line2D

    def point(label: str, colour: Any, edge: Any, size: float) -> Any:
        return line(
            [], [], ls="", marker="o", ms=size, color=colour, markeredgecolor=edge, label=label
        )

    classes = plan.dataset.classes
    entries = [
        point(f"class {name}", colour, colour, 6)
        for name, colour in zip(classes, class_colours(len(classes)), strict=True)
    ]
    entries += [
        point("training row", "#888888", "none", 3.5),
        point("test row (first outer fold)", "#888888", "black", 5.5),
        line([], [], color="#222222", lw=1.2, label="boundary"),
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
