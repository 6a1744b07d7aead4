"""Fits that run side by side meet where they would train, and train together.

Each fit runs in a thread of its own, but only one thread ever runs: a member starts, runs until
it waits with its training task or ends, and only then the next one starts. So members do not
compete for the interpreter, the order is the same every time, and whatever is kept per process
rather than per thread (Python's warning filters) can be given to each member in turn.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from time import perf_counter
from typing import Any

from ..task import TrainingResult, TrainingTask
from .fit_times import with_own_fit_time
from .turns import Turns, WarningsState

THREAD_NAME = "skmlp-member"

_local = threading.local()

# Searches in several threads of the user: one runs its members at a time. Training is not under it.
_turns = Turns()


def train_or_meet(task: TrainingTask) -> TrainingResult:
    """Train a task: with the other members' where this thread is one, else at once.

    Raises
    ------
    Exception
        What training this task raised.
    """
    member = getattr(_local, "member", None)
    outcome = _train([task])[0] if member is None else member.wait_for_training(task)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _train(
    tasks: Sequence[TrainingTask], *, progress: bool = False
) -> list[TrainingResult | Exception]:
    from ..training import train  # imports torch

    return train(tasks, progress=progress)


class Cancelled(BaseException):
    """Ends a member's thread that waits for a training that will not come."""


class Member:
    """One call, in a thread that runs only when it is its turn.

    Attributes
    ----------
    place : int
        Of the call among those of the meeting.
    task : TrainingTask or None
        What it waits for, if it waits.
    result, error : object
        How the call ended.
    """

    def __init__(self, call: Callable[[], Any], place: int = 0):
        self.call, self.place = call, place
        self.task: TrainingTask | None = None
        self.outcome: TrainingResult | Exception | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.ended = False
        self._waited_for_others = 0.0
        self._cancelled = False
        self._turn, self._pause = threading.Semaphore(0), threading.Semaphore(0)
        self._warnings = WarningsState()
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name=THREAD_NAME, daemon=True
        )
        self._started = self._runs = False

    def go_on(self) -> None:
        """Let the member run until it waits or ends."""
        inside_another = getattr(_local, "member", None) is not None
        with _turns.warnings_restored() if inside_another else _turns.own(self):
            self._run_on()

    def _run_on(self) -> None:
        self._warnings.restore()
        self._runs = True
        if not self._started:
            self._started = True
            self._thread.start()
        else:
            self._turn.release()
        self._pause.acquire()
        self._runs = False

    def cancel(self) -> None:
        """Have the member's thread end where it waits.

        It ends in turn, as it ran: leaving its ``with`` blocks, it sets warning filters. Nobody
        waits for a member that still runs (an interrupt came meanwhile): it ends when it would
        next wait.
        """
        self._cancelled = True
        if self._runs:
            self._turn.release()
        elif not self.ended:
            self.go_on()

    def wait_for_training(self, task: TrainingTask) -> TrainingResult | Exception:
        """Called in the member's own thread: hand the task over and wait for what comes of it."""
        self.task, start = task, perf_counter()
        self._stop_here()
        self._turn.acquire()
        if self._cancelled:
            raise Cancelled
        self.task = None
        outcome, self.outcome = self.outcome, None
        assert outcome is not None
        own = outcome.seconds if isinstance(outcome, TrainingResult) else 0.0
        self._waited_for_others += perf_counter() - start - own
        return outcome

    def _run(self) -> None:
        _local.member = self
        try:
            self.result = with_own_fit_time(self.call(), self._waited_for_others)
        except BaseException as error:
            self.error = error
        self.ended = True
        self._stop_here()

    def _stop_here(self) -> None:
        self._warnings = WarningsState()
        self._pause.release()


def run_together(
    calls: Sequence[Callable[[], Any]],
    admit: Callable[[Sequence[TrainingTask]], bool],
    *,
    progress: bool = False,
) -> Generator[Member]:
    """Run calls as members of one meeting, wave after wave; yield each member when it has ended.

    Parameters
    ----------
    calls : sequence of callable
    admit : callable
        ``admit(waiting tasks)``: whether another member may start before these train.
    progress : bool
        Whether each wave shows a bar while it trains.
    """
    waiting: list[Member] = []
    not_started = list(reversed(list(enumerate(calls))))
    try:
        while not_started or waiting:
            while not_started and admit([m.task for m in waiting if m.task is not None]):
                place, call = not_started.pop()
                member = Member(call, place)
                waiting.append(member)
                member.go_on()
                if member.ended:
                    waiting.remove(member)
                    yield member
            yield from _train_wave(waiting, progress)
            waiting = [member for member in waiting if not member.ended]
    finally:
        for member in waiting:
            member.cancel()


def _train_wave(waiting: list[Member], progress: bool) -> Iterator[Member]:
    """Train what the members wait for; let each go on with its own outcome."""
    tasks = [member.task for member in waiting if member.task is not None]
    outcomes = _train(tasks, progress=progress and bool(tasks))
    for member, outcome in zip(waiting, outcomes, strict=True):
        member.outcome = outcome
        member.go_on()
        if member.ended:
            yield member
