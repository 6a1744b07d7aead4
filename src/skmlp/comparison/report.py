"""The report: one HTML file that needs no other."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from .errors import import_extra
from .figure import draw_boundaries
from .result import Comparison
from .text import columns, legend

__all__ = ["render_report", "write_report"]


def write_report(comparisons: Sequence[Comparison], path: Path, command: str = "") -> Path:
    """Render the report and write it."""
    path.write_text(render_report(comparisons, command), encoding="utf-8")
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
    environment = import_extra("jinja2").Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    source = files("skmlp.comparison").joinpath("report.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        comparisons=comparisons, command=command, columns=columns, legend=legend, image=_image
    )


def _image(comparison: Comparison) -> str:
    """The figure of the boundaries as text, to be embedded; empty where there is none."""
    data = comparison.plan.dataset
    if not (data.is_planar and data.classes):
        return ""
    buffer = BytesIO()
    draw_boundaries(comparison).savefig(buffer, dpi=130, format="png")
    return b64encode(buffer.getvalue()).decode()
