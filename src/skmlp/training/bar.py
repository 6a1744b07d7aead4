"""A bar that shows stacks in training: networks that are done, epochs, best score so far."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

from tqdm.auto import tqdm  # comes with skorch

if TYPE_CHECKING:
    from .progress import Progress
    from .stack import Stack


class StackBar:
    """One bar for all networks of a training; slices report to it from their own threads.

    Parameters
    ----------
    n_networks : int
        That are expected, see `expect`.
    """

    def __init__(self, n_networks: int):
        self._bar = tqdm(total=n_networks, desc="Training networks", unit="network")
        self._lock = threading.Lock()
        self._best_score: float | None = None
        self._best_loss: float | None = None
        self._epochs = 0

    def __enter__(self) -> StackBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.close()

    def expect(self, n_networks: int) -> None:
        """Count up to so many networks, if that is more than before."""
        with self._lock:
            self._bar.total = max(self._bar.total, n_networks)

    def complete(self) -> None:
        """No more networks will come: those that were expected and did not are not counted."""
        with self._lock:
            self._bar.total = self._bar.n

    def epoch_ended(self, stack: Stack) -> None:
        """Take note of the networks that are in training."""
        with self._lock:
            for member in stack.members:
                self._note(member.progress)
            self._show()

    def note(self, progress: Progress) -> None:
        """Take note of one network's epoch."""
        with self._lock:
            self._note(progress)
            self._show()

    def _show(self) -> None:
        self._bar.set_postfix(self._figures(), refresh=False)
        self._bar.update(0)

    def ended(self, n_networks: int) -> None:
        """Take note of networks that are done."""
        with self._lock:
            self._bar.update(n_networks)

    def _note(self, progress: Progress) -> None:
        self._epochs = max(self._epochs, progress.n_iter)
        if progress.validation_scores:
            score = progress.validation_scores[-1]
            self._best_score = score if self._best_score is None else max(score, self._best_score)
        if progress.loss_curve:
            loss = progress.loss_curve[-1]
            self._best_loss = loss if self._best_loss is None else min(loss, self._best_loss)

    def _figures(self) -> dict[str, str]:
        figures = {"epoch": str(self._epochs)}
        if self._best_score is not None:
            figures["best validation score"] = f"{self._best_score:.4f}"
        elif self._best_loss is not None:
            figures["lowest loss"] = f"{self._best_loss:.4g}"
        return figures
