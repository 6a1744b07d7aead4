"""What all figures share: paper, colours, panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import import_extra

if TYPE_CHECKING:
    from ..plan import Plan

__all__ = [
    "GREY",
    "class_colours",
    "colour_of",
    "legend_below",
    "marker_of",
    "new_figure",
    "new_panels",
]

# Okabe and Ito's palette: told apart with every kind of colour vision.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
MARKERS = "osD^vPX*"
GREY = "#6b7785"

PANELS_PER_LINE = 3


def new_figure(width: float = 6.2, height: float = 3.6) -> Any:
    """An empty figure, size in inches; of no window and no global state, unlike pyplot's."""
    return import_extra("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")


def new_panels(count: int, size: tuple[float, float] = (3.6, 3.7), **shared: Any) -> Any:
    """A figure with this many panels, three a line, and the panels."""
    lines, columns = -(-count // PANELS_PER_LINE), min(count, PANELS_PER_LINE)
    figure = new_figure(max(size[0] * columns, 6.2), size[1] * lines + 0.9)
    panels = figure.subplots(lines, columns, squeeze=False, **shared).ravel()
    for panel in panels[count:]:
        panel.remove()
    return figure, panels[:count]


def colour_of(plan: Plan, contestant: str) -> str:
    """A contestant's colour, the same in all figures."""
    return PALETTE[_place(plan, contestant) % len(PALETTE)]


def marker_of(plan: Plan, contestant: str) -> str:
    """A contestant's marker, so that colour is not all that tells it."""
    return MARKERS[_place(plan, contestant) % len(MARKERS)]


def _place(plan: Plan, contestant: str) -> int:
    return [one.name for one in plan.contestants].index(contestant)


def class_colours(n_classes: int) -> np.ndarray:
    """Colours of classes; shape (n_classes, 3)."""
    names: Sequence[Any] = PALETTE
    if n_classes > len(PALETTE):
        names = import_extra("matplotlib").colormaps["tab20"].colors
    to_rgb = import_extra("matplotlib.colors").to_rgb
    return np.array([to_rgb(names[code % len(names)]) for code in range(n_classes)])


def legend_below(figure: Any, panel: Any, columns: int = 3) -> None:
    """A panel's legend under the whole figure, where it hides nothing."""
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(columns, max(1, len(labels))),
        frameon=False,
        fontsize=9,
    )
