"""Where a comparison stands, on a terminal or in a log."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO

from .errors import MissingExtraError, import_extra

if TYPE_CHECKING:
    from .plan import Plan

__all__ = ["BarProgress", "LogProgress", "Pace", "Progress", "make_progress"]

Unit = tuple[str, str]


class Progress:
    """Hears of every contestant and every finished fold; this one says nothing."""

    def begin(self, dataset: str, contestant: str) -> None:
        """Note that `contestant` starts on a fold of `dataset`."""

    def advance(self) -> None:
        """Note that it has finished this fold."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: Any) -> None:
        """Leave the screen tidy."""


class Pace:
    """How long the rest will take: each contestant at the pace of its finished folds.

    Parameters
    ----------
    units : dict of (str, str) to int
        Data set and contestant, and how many folds it has.
    """

    def __init__(self, units: Counter[Unit]):
        self.left = Counter(units)
        self.took: dict[Unit, list[float]] = defaultdict(list)

    def finish(self, unit: Unit, seconds: float) -> None:
        """Note the time of a fold."""
        self.took[unit].append(seconds)
        self.left[unit] -= 1

    def remaining(self) -> float | None:
        """Seconds that are left; None before the first fold is finished."""
        if not self.took:
            return None
        paces = {unit: sum(times) / len(times) for unit, times in self.took.items()}
        usual = sum(paces.values()) / len(paces)
        return sum(count * paces.get(unit, usual) for unit, count in self.left.items())


class TimedProgress(Progress):
    """Keeps the pace."""

    def __init__(self, units: Counter[Unit]):
        self.pace = Pace(units)
        self.total = units.total()
        self.finished = 0

    def begin(self, dataset: str, contestant: str) -> None:
        self.unit = (dataset, contestant)
        self.begun = perf_counter()

    def advance(self) -> None:
        self.pace.finish(self.unit, perf_counter() - self.begun)
        self.finished += 1

    def left(self) -> str:
        """The remaining time in words."""
        seconds = self.pace.remaining()
        if seconds is None:
            return ""
        return f"about {seconds:.0f} s left" if seconds < 120 else f"{seconds / 60:.0f} min left"


class LogProgress(TimedProgress):
    """One line for each contestant and fold, for output that is not a terminal.

    Parameters
    ----------
    units : Counter
        Folds of each data set and contestant.
    stream : file, default=sys.stderr
        Where to write.
    """

    def __init__(self, units: Counter[Unit], stream: TextIO | None = None):
        super().__init__(units)
        self.stream = stream or sys.stderr

    def begin(self, dataset: str, contestant: str) -> None:
        """Write which contestant starts, and how long the rest will take."""
        super().begin(dataset, contestant)
        line = f"[{self.finished + 1}/{self.total}] {dataset}: {contestant}"
        left = self.left()
        print(line + (f" ({left})" if left else ""), file=self.stream, flush=True)


class BarProgress(TimedProgress):
    """A live bar with the data set, the contestant, the folds done and the time left."""

    def __init__(self, units: Counter[Unit], console: Any):
        super().__init__(units)
        parts = import_extra("rich.progress")
        self.bar = parts.Progress(
            parts.TextColumn("{task.description}"),
            parts.BarColumn(bar_width=None),
            parts.MofNCompleteColumn(),
            parts.TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            expand=True,
        )
        self.task = self.bar.add_task("starting", total=self.total, left="")

    def begin(self, dataset: str, contestant: str) -> None:
        """Show which contestant is at work."""
        super().begin(dataset, contestant)
        self.bar.update(self.task, description=f"{dataset}: {contestant}", left=self.left())

    def advance(self) -> None:
        """Move the bar."""
        super().advance()
        self.bar.advance(self.task)

    def __enter__(self) -> BarProgress:
        self.bar.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.stop()


def make_progress(plans: Sequence[Plan]) -> Progress:
    """Choose a bar where standard error is a terminal, and lines where it is not."""
    units = Counter(
        {
            (plan.dataset.name, contestant.name): len(plan.folds)
            for plan in plans
            for contestant in plan.contestants
        }
    )
    try:
        console = import_extra("rich.console").Console(stderr=True)
    except MissingExtraError:
        return LogProgress(units)
    if console.is_terminal and not console.is_dumb_terminal:
        return BarProgress(units, console)
    return LogProgress(units)
