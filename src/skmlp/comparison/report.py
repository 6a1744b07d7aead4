"""The report: one HTML file that needs no other."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from .contestants import MOST_CATEGORIES, Contestant
from .datasets import Dataset
from .environment import describe_environment
from .errors import import_extra
from .settings import StudySettings
from .tables import COLUMNS, Row, cells, footnotes

__all__ = ["Section", "render_report", "write_report"]


@dataclass(frozen=True)
class Section:
    """One data set in the report.

    Parameters
    ----------
    dataset : Dataset
        What was compared on.
    rows : list of Row
        One for each contestant.
    figure : Path or None
        A PNG file of the decision boundaries, if they can be drawn.
    """

    dataset: Dataset
    rows: list[Row]
    figure: Path | None = None

    @property
    def best(self) -> float:
        """The highest mean accuracy."""
        return max((row.accuracy for row in self.rows if not row.error), default=float("nan"))

    @property
    def image(self) -> str:
        """The figure as text, to be embedded."""
        return b64encode(self.figure.read_bytes()).decode() if self.figure else ""


@dataclass(frozen=True)
class Report:
    """Everything the template shows."""

    sections: Sequence[Section]
    contestants: Sequence[Contestant]
    settings: StudySettings
    command: str
    seconds: float
    most_categories: int = MOST_CATEGORIES
    environment: Mapping[str, str] = field(default_factory=describe_environment)


def write_report(report: Report, path: Path) -> Path:
    """Render the report and write it."""
    path.write_text(render_report(report), encoding="utf-8")
    return path


def render_report(report: Report) -> str:
    """Fill the template; all texts are escaped."""
    environment = import_extra("jinja2").Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    source = files("skmlp.comparison").joinpath("report.html").read_text(encoding="utf-8")
    template = environment.from_string(source)
    return template.render(report=report, columns=COLUMNS, cells=cells, footnotes=footnotes)
