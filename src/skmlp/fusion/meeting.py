"""Fits that run side by side meet where they would train, and train together.

Each fit runs in a thread of its own, but only one of them ever runs: a member starts, runs until
it waits with its training task or ends, and only then another one starts or goes on. So members do
not compete for the interpreter, the order is the same every time, and whatever is kept per process
rather than per thread (Python's warning filters) can be given to each member in turn. Networks
train meanwhile, as far as the conductor sees fit.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..task import TrainingResult, TrainingTask
from .fit_times import with_own_fit_time
from .turns import Turns, WarningsState

if TYPE_CHECKING:
    from ..training import Conductor

THREAD_NAME = "skmlp-member"

Outcome = TrainingResult | Exception

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
    return train_all_or_meet([task])[0]


def train_all_or_meet(tasks: Sequence[TrainingTask]) -> list[TrainingResult]:
    """As `train_or_meet`, for all networks of one fit.

    Raises
    ------
    Exception
        What training the first of those tasks raised that cannot be trained.
    """
    member = getattr(_local, "member", None)
    outcomes = _trained(tasks) if member is None else member.wait_for_training(tasks)
    return [_result(outcome) for outcome in outcomes]


def _result(outcome: Outcome) -> TrainingResult:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _trained(tasks: Sequence[TrainingTask]) -> list[Outcome]:
    from ..training import train  # imports torch

    return train(tasks)


def _conductor(n_expected: int, *, progress: bool = False) -> Conductor:
    from ..training import Conductor  # imports torch

    return Conductor(n_expected, progress=progress)


def own_surroundings() -> Callable[[], AbstractContextManager[None]]:
    """For code that belongs to this fit and runs while its network trains, in another thread.

    Returns
    -------
    callable
        It makes a context manager, within which warnings meet the filters that this fit has now.
    """
    if getattr(_local, "member", None) is None:
        return nullcontext
    state = WarningsState()

    @contextmanager
    def surroundings() -> Iterator[None]:
        inside_another = getattr(_local, "member", None) is not None
        with _turns.warnings_restored() if inside_another else _turns.own(state):
            state.restore()
            yield

    return surroundings


class Cancelled(BaseException):
    """Ends a member's thread that waits for a training that will not come."""


class Member:
    """One call, in a thread that runs only when it is its turn.

    Attributes
    ----------
    place : int
        Of the call among those of the meeting.
    tasks : sequence of TrainingTask
        What it waits for, if it waits.
    tickets : list of Ticket
        For the outcomes of its tasks.
    result, error : object
        How the call ended.
    """

    def __init__(self, call: Callable[[], Any], place: int = 0):
        self.call, self.place = call, place
        self.tasks: Sequence[TrainingTask] = ()
        self.tickets: list[Any] = []
        self.outcomes: list[Outcome] = []
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

    def wait_for_training(self, tasks: Sequence[TrainingTask]) -> list[Outcome]:
        """Called in the member's own thread: hand tasks over and wait for what comes of them."""
        self.tasks, start = tasks, perf_counter()
        self._stop_here()
        self._turn.acquire()
        if self._cancelled:
            raise Cancelled
        self.tasks, (outcomes, self.outcomes) = (), (self.outcomes, [])
        own = sum(each.seconds for each in outcomes if isinstance(each, TrainingResult))
        self._waited_for_others += perf_counter() - start - own
        return outcomes

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
    """Run calls as members of one meeting; yield each when it has ended.

    Members start as long as they are admitted. Then the one that has waited longest goes on, when
    its network has trained, and makes room for another. So what runs when depends on the calls
    alone, and not on how long their networks train.

    Parameters
    ----------
    calls : sequence of callable
    admit : callable
        ``admit(waiting tasks)``: whether another member may start before these have gone on.
    progress : bool
        Whether to show a bar of the networks that have trained.
    """
    not_started = deque(enumerate(calls))
    waiting: deque[Member] = deque()
    try:
        with _conductor(len(calls), progress=progress) as conductor:
            while not_started or waiting:
                if not_started and admit([task for m in waiting for task in m.tasks]):
                    place, call = not_started.popleft()
                    waiting.append(Member(call, place))
                else:
                    waiting[0].outcomes = [conductor.outcome(t) for t in waiting[0].tickets]
                    waiting.rotate(-1)
                member = waiting[-1]
                member.go_on()
                if not member.tasks:
                    yield waiting.pop()
                else:
                    member.tickets = [conductor.add(task) for task in member.tasks]
    finally:
        for member in waiting:
            member.cancel()
