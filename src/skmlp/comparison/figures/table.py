"""The table of figures: what each shows, and when there is something to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .boundaries import draw_boundaries
from .cost import draw_cost
from .effect import draw_c, draw_parameters, tried_c, tried_parameters
from .epochs import draw_epochs, recorded
from .plane import make_plane
from .predicted import draw_predicted
from .rows import draw_rows
from .scores import draw_scores

if TYPE_CHECKING:
    from ..result import Comparison

__all__ = ["FIGURES", "Kind", "available", "draw"]


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Parameters
    ----------
    title : str
    caption : str
        What a reader has to know.
    draw : callable
        From a comparison and the name of a metric to a matplotlib Figure.
    missing : callable
        Why a comparison has none, or "".
    wide : bool
        Whether it has panels side by side.
    """

    title: str
    caption: str
    draw: Callable[[Comparison, str], Any]
    missing: Callable[[Comparison], str]
    wide: bool = False


def _no_fold(comparison: Comparison) -> str:
    return "" if comparison.any_finished else "no contestant has finished a fold"


def _no_boundaries(comparison: Comparison) -> str:
    if not comparison.plan.dataset.classes:
        return "the target is a number, which has no boundaries: use kind='predicted'"
    if _no_fold(comparison):
        return _no_fold(comparison)
    return "" if make_plane(comparison) else "the rows have one dimension only"


def _no_numbers(comparison: Comparison) -> str:
    if comparison.plan.dataset.classes:
        return "the target is a class: use kind='boundaries'"
    return _no_fold(comparison)


def _no_epochs(comparison: Comparison) -> str:
    return "" if recorded(comparison) else "no contestant records its loss by epochs"


def _no_c(comparison: Comparison) -> str:
    return "" if tried_c(comparison) else "no contestant tried several values of C"


def _no_parameters(comparison: Comparison) -> str:
    if tried_parameters(comparison):
        return ""
    return "no network among the contestants tried several values of a parameter"


FIGURES: dict[str, Kind] = {
    "scores": Kind(
        "Scores",
        "A point for each outer test fold, a bar at their mean; the dotted line is the baseline.",
        draw_scores,
        _no_fold,
    ),
    "rows": Kind(
        "Learning curves by rows",
        "The chosen setting of each fold, fitted again on a sixteenth to a half of its training "
        "rows, and scored on the same test rows; mean and one standard deviation over the folds.",
        draw_rows,
        _no_fold,
    ),
    "cost": Kind(
        "Cost against score",
        "Mean and standard deviation over the folds. Up and to the left is better.",
        draw_cost,
        _no_fold,
        wide=True,
    ),
    "boundaries": Kind(
        "Decision boundaries",
        "The models are those of the first outer fold. The colour tells the predicted class, its "
        "strength how sure the model is: the probability where the model gives one, the decision "
        "value through the logistic function otherwise. On principal axes the regions are a cut "
        "through the mean of the training rows, and rows off that plane are projected on it: they "
        "may be on the right side of a boundary that here seems to leave them out.",
        draw_boundaries,
        _no_boundaries,
        wide=True,
    ),
    "predicted": Kind(
        "Predicted against true",
        "Every row while it was a test row; on the line predictions are perfect.",
        draw_predicted,
        _no_numbers,
        wide=True,
    ),
    "C": Kind(
        "Effect of C",
        "Mean inner score over the outer folds, at the best values of the other parameters. A "
        "small C gives a smooth boundary, a large one follows every row.",
        draw_c,
        _no_c,
    ),
    "epochs": Kind(
        "Learning curves by epochs",
        "Recorded by the networks of the chosen settings while they were fitted. Validation rows "
        "are there with early stopping only.",
        draw_epochs,
        _no_epochs,
    ),
    "parameters": Kind(
        "Effect of the network's parameters",
        "Inner scores, means over the outer folds: each setting tried, and the mean and the best "
        "at each value.",
        draw_parameters,
        _no_parameters,
        wide=True,
    ),
}


def available(comparison: Comparison) -> list[str]:
    """The kinds of figures that a comparison has; drawing one may still fail."""
    return [name for name, kind in FIGURES.items() if not _missing(kind, comparison)]


def _missing(kind: Kind, comparison: Comparison) -> str:
    try:
        return kind.missing(comparison)
    except Exception:  # what keeps it from being drawn is to be said where it is drawn
        return ""


def draw(comparison: Comparison, kind: str | None = None, metric: str | None = None) -> Any:
    """Draw a figure; parameters as in `Comparison.plot`.

    Raises
    ------
    InputError
        If there is no such kind or metric, or the comparison has nothing to show in it.
    """
    kind = "scores" if kind is None else kind
    if kind not in FIGURES:
        raise InputError(f"Got kind={kind!r}, but expected one of {_quoted(list(FIGURES))}.")
    names = [one.name for one in comparison.plan.metrics]
    if metric is not None and metric not in names:
        raise InputError(f"Got metric={metric!r}, but expected one of {_quoted(names)}.")
    why = _missing(FIGURES[kind], comparison)
    if why:
        raise InputError(
            f"There is no figure kind={kind!r}: {why}. "
            f"This comparison has {_quoted(available(comparison)) or 'none'}."
        )
    return FIGURES[kind].draw(comparison, names[0] if metric is None else metric)


def _quoted(names: list[str]) -> str:
    return ", ".join(map(repr, names))
