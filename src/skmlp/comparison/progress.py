"""Where a comparison stands, on a terminal or in a log."""

import sys
from time import perf_counter
from types import TracebackType
from typing import Any, TextIO

from .errors import import_extra

__all__ = ["BarProgress", "LogProgress", "Progress", "make_progress"]


class Progress:
    """Hears of every contestant and every finished fold; this one says nothing."""

    def begin(self, dataset: str, contestant: str) -> None:
        """Note that `contestant` starts on `dataset`."""

    def advance(self, folds: int = 1) -> None:
        """Note that outer folds are finished."""

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the screen tidy."""


class LogProgress(Progress):
    """One line for each contestant, for output that is not a terminal.

    Parameters
    ----------
    total : int
        Contestants times data sets.
    stream : file, default=sys.stderr
        Where to write.
    """

    def __init__(self, total: int, stream: TextIO | None = None):
        self.total = total
        self.stream = stream or sys.stderr
        self.begun = 0
        self.start = perf_counter()

    def begin(self, dataset: str, contestant: str) -> None:
        """Write which contestant starts, and how long the rest will take at this pace."""
        line = f"[{self.begun + 1}/{self.total}] {dataset}: {contestant}"
        if self.begun:
            pace = (perf_counter() - self.start) / self.begun
            line += f" (about {pace * (self.total - self.begun):.0f} s left)"
        self.begun += 1
        print(line, file=self.stream, flush=True)


class BarProgress(Progress):
    """A live bar with the data set, the contestant, the folds done and the time left."""

    def __init__(self, total_folds: int, console: Any):
        parts = import_extra("rich.progress")
        self.bar = parts.Progress(
            parts.TextColumn("{task.description}"),
            parts.BarColumn(bar_width=None),
            parts.MofNCompleteColumn(),
            parts.TextColumn("folds, left"),
            parts.TimeRemainingColumn(),
            console=console,
            transient=True,
            expand=True,
        )
        self.task = self.bar.add_task("starting", total=total_folds)

    def begin(self, dataset: str, contestant: str) -> None:
        """Show which contestant is at work."""
        self.bar.update(self.task, description=f"{dataset}: {contestant}")

    def advance(self, folds: int = 1) -> None:
        """Move the bar."""
        self.bar.advance(self.task, folds)

    def __enter__(self) -> "BarProgress":
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()


def make_progress(contestants: int, datasets: int, folds: int) -> Progress:
    """Choose a bar where standard error is a terminal, and lines where it is not."""
    console = import_extra("rich.console").Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        return BarProgress(contestants * datasets * folds, console)
    return LogProgress(contestants * datasets)
