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
    "cut_below",
    "label_outer",
    "legend_below",
    "log_axis",
    "marker_of",
    "new_figure",
    "new_panels",
]

# Okabe and Ito's palette: told apart with every kind of colour vision.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
MARKERS = "osD^vPX*"
GREY = "#6b7785"

PANELS_PER_LINE = 3


def new_figure(width: float = 5.4, height: float = 3.4) -> Any:
    """An empty figure, size in inches; of no window and no global state, unlike pyplot's."""
    import_extra("matplotlib.figure")
    from .paper import Paper

    return Paper(figsize=(width, height), layout="constrained")


def new_panels(count: int, size: tuple[float, float] = (3.6, 3.7), **shared: Any) -> Any:
    """A figure with this many panels, three a line, and the panels."""
    lines, columns = -(-count // PANELS_PER_LINE), min(count, PANELS_PER_LINE)
    figure = new_figure(max(size[0] * columns, 5.4), size[1] * lines + 0.9)
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
        many = "tab10" if n_classes <= 10 else "tab20"
        names = import_extra("matplotlib").colormaps[many].colors
    to_rgb = import_extra("matplotlib.colors").to_rgb
    return np.array([to_rgb(names[code % len(names)]) for code in range(n_classes)])


def label_outer(panels: Sequence[Any], x: str, y: str) -> None:
    """Name the axes of panels that share them, at the left and where nothing is below."""
    for place, panel in enumerate(panels):
        if place % PANELS_PER_LINE == 0:
            panel.set_ylabel(y)
        if place + PANELS_PER_LINE >= len(panels):
            panel.set_xlabel(x)
            panel.tick_params(labelbottom=True)


# Numbers that get a label in each decade, by how many decades the axis has.
LABELS_OF_DECADE = ((0.6, (1, 1.5, 2, 3, 4, 5, 7)), (2, (1, 2, 5)), (np.inf, (1,)))


def log_axis(axis: Any, values: Any) -> None:
    """Make an axis logarithmic, with labels as plain numbers that do not overlap."""
    ticker = import_extra("matplotlib.ticker")
    found = np.asarray(values, dtype=float)
    found = found[found > 0]
    decades = np.log10(found.max() / found.min()) if len(found) else 0.0
    labelled = next(subs for limit, subs in LABELS_OF_DECADE if decades < limit)
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(ticker.LogLocator(subs=labelled))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


# A few scores far below (an R² of -35) would press all others into one line: they are cut off when
# the axis were this many times as long for the sake of the lowest tenth.
LONGER, TENTH = 10, 0.1


def cut_below(panel: Any, values: Any) -> None:
    """Leave scores far below all others out of the axis, and say so on it."""
    found = np.sort(np.asarray(values, dtype=float))
    found = found[np.isfinite(found)]
    kept = found[int(np.ceil(TENTH * len(found))) :]
    if len(kept) < 2 or found[-1] - found[0] <= LONGER * (kept[-1] - kept[0]):
        return
    margin = 0.06 * (kept[-1] - kept[0])
    panel.set_ylim(kept[0] - margin, kept[-1] + margin)
    panel.text(
        0.01, 0.02, f"cut off: down to {found[0]:.3g}", transform=panel.transAxes, fontsize=9
    )


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
