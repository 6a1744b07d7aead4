"""One member of a meeting runs at a time, whichever of the user's threads its search is in.

While a member runs, the process's warning filters are the member's; that is why others wait.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from .overlap import Overlap

# Seconds that a thread waits for another search's member to pause. Mostly that is over in
# milliseconds. If it takes longer, the member may be waiting for this very thread, having given
# it a search of its own: then both run, and share the warning filters, as threads do in Python.
_PATIENCE = 0.5


class WarningsState:
    """The warning filters and the function that shows warnings, as they are now."""

    _NAMES = ("filters", "showwarning", "_showwarnmsg_impl")

    def __init__(self) -> None:
        self._values = {name: getattr(warnings, name) for name in self._NAMES}

    def restore(self) -> None:
        for name, value in self._values.items():
            setattr(warnings, name, value)
        # Python keeps what each filter has decided; this makes it decide anew.
        warnings._filters_mutated()  # type: ignore[attr-defined]


class Turns:
    """Who runs now."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._holder: object = None
        self._outside = Overlap()
        self._change = threading.Lock()
        self._gave_up = threading.local()  # ``on``: the holder that this thread has waited for

    @contextmanager
    def own(self, member: object) -> Iterator[None]:
        """Within it, it is the turn of a member, and the warnings are restored after it."""
        has_turn = self._wait()
        if has_turn:
            self._holder = member
        try:
            with self.warnings_restored():
                yield
        finally:
            if has_turn:
                self._holder = None
                self._turn.release()

    @contextmanager
    def warnings_restored(self) -> Iterator[None]:
        """Within it warnings may be changed, also where other threads do so meanwhile."""
        with self._change:
            block = self._outside.begin(WarningsState())
        try:
            yield
        finally:
            with self._change:
                found = self._outside.end(block)
                if found is not None:
                    found.state.restore()

    def _wait(self) -> bool:
        """Wait for the turn; whether this thread has got it."""
        holder = self._holder
        known = holder is not None and getattr(self._gave_up, "on", None) is holder
        if self._turn.acquire(timeout=0 if known else _PATIENCE):
            return True
        self._gave_up.on = self._holder
        return False
