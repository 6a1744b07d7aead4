"""The report: one HTML file that needs no other."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import MissingExtraError, import_extra
from .figures import FIGURES, Kind, available, draw
from .figures.canvas import PALETTE, class_colours
from .text import columns, legend
from .tuning import one_line
from .writing import check_writable, replacing

if TYPE_CHECKING:
    from .result import Comparison

__all__ = ["render_report", "render_summary", "write_report"]

DPI = 120

# A figure in a palette is a third of the size. Its gradients take most of the palette; the colours
# of classes and contestants, which small marks have, are always in it.
COLOURS = 256


@dataclass(frozen=True)
class Image:
    """A figure of a page: its kind, and the PNG file as text; width in CSS pixels.

    Without data there is the reason why it could not be drawn.
    """

    kind: Kind
    data: str = ""
    width: int = 0
    reason: str = ""


def write_report(comparisons: Sequence[Comparison], path: Path, command: str = "") -> Path:
    """Render the report and write it, as a whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written: before it is rendered, where that can be told.
    """
    check_writable(path)
    page = render_report(comparisons, command)
    with replacing(path) as draft:
        draft.write_text(page, encoding="utf-8")
    return path


def render_report(comparisons: Sequence[Comparison], command: str = "") -> str:
    """Fill the template; all texts are escaped.

    Parameters
    ----------
    comparisons : sequence of Comparison
        A section each.
    command : str
        What repeats them, if they were run from the command line.
    """
    return _render("report.html", comparisons=comparisons, command=command, images=_images)


def render_summary(comparison: Comparison) -> str | None:
    """The table, the notes and the scores, for a notebook; None without the extra packages."""
    try:
        shown = [_image_or_reason(comparison, "scores")] if comparison.any_finished else []
        return _render("summary.html", comparison=comparison, shown=shown)
    except MissingExtraError:
        return None


def _render(name: str, **values: Any) -> str:
    jinja2 = import_extra("jinja2")
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(_template),
    )
    return environment.get_template(name).render(columns=columns, legend=legend, **values)


def _template(name: str) -> str:
    return files("skmlp.comparison").joinpath(name).read_text(encoding="utf-8")


def _images(comparison: Comparison) -> list[Image]:
    return list(map(partial(_image_or_reason, comparison), available(comparison)))


def _image_or_reason(comparison: Comparison, kind: str) -> Image:
    """A figure that fails takes nothing else with it."""
    try:
        return image(comparison, kind)
    except MissingExtraError:
        raise
    except Exception as failure:
        return Image(FIGURES[kind], reason=one_line(failure))


def image(comparison: Comparison, kind: str) -> Image:
    """Draw a figure as an image for a page."""
    figure = draw(comparison, kind)
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, dpi=DPI, format="png")
    picture = import_extra("PIL.Image").open(drawn).convert("RGB")
    in_palette(picture, _marks(comparison)).save(small, format="png", optimize=True)
    width = round(96 * figure.get_figwidth())
    return Image(FIGURES[kind], b64encode(small.getvalue()).decode(), width)


def in_palette(picture: Any, marks: np.ndarray) -> Any:
    """A picture in 256 colours, among them ``marks`` of shape (n, 3), parts of 0 to 1."""
    own = [round(255 * part) for part in marks.ravel()]
    shades = picture.quantize(COLOURS - len(marks)).getpalette()
    palette = import_extra("PIL.Image").new("P", (1, 1))
    palette.putpalette(shades[: 3 * (COLOURS - len(marks))] + own)
    return picture.quantize(palette=palette, dither=0)


def _marks(comparison: Comparison) -> np.ndarray:
    """Colours of contestants and of classes."""
    classes = comparison.plan.dataset.classes or ()
    return np.vstack([class_colours(len(PALETTE)), class_colours(max(1, min(len(classes), 20)))])
