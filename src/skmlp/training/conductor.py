"""Who trains what, and when: networks for the loops as they come, the others when asked for."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import replace
from queue import Empty, SimpleQueue
from time import perf_counter

import torch

from ..machine.device import usual_torch
from ..machine.processor import flushed_denormals, one_blas_thread
from ..task import FULL_BATCH_OPTIMIZERS, TrainingResult, TrainingTask
from .bar import StackBar
from .executors import is_for_loops
from .stack import Outcome
from .stacks import Run, train_stacks

THREAD_NAME = "skmlp-training"

Ticket = Future[Outcome]
Job = tuple[Ticket, TrainingTask]


def train(tasks: Sequence[TrainingTask], *, progress: bool = False) -> list[Outcome]:
    """Train the networks of all tasks, those of one shape together.

    Parameters
    ----------
    tasks : sequence of TrainingTask
    progress : bool
        Whether to show a bar. Several networks, one of which is verbose, show one too, in place
        of a line for every epoch of every network.

    Returns
    -------
    list of TrainingResult or Exception
        In the order of ``tasks``. A network that diverges, or whose training raises anything
        else, has its own exception, and the others of its stack are not touched.
    """
    with Conductor(len(tasks), progress=progress) as conductor:
        tickets = [conductor.add(task) for task in tasks]
        return [conductor.outcome(ticket) for ticket in tickets]


class Conductor:
    """Takes tasks one at a time and hands out what comes of each, when it is asked for.

    A network for the loops trains alone, so nothing is gained by waiting for others: helpers, one
    on each core but the caller's, begin it while the caller prepares the next. While the caller
    waits for an outcome, it trains too. The others are kept until one of them is asked for, and
    then train together: those that torch trains as stacks, and

    - verbose ones, which print their epochs if they are alone and share a bar if they are not;
    - those that call a function of the user's, for starting weights, the rate or a score: beside it
      no other code of the user's may run, whose warning filters would be its own. So the caller's
      thread trains them, one after the other;
    - those of full-batch methods, which need the interpreter at every evaluation: beside a thread
      that prepares fits they took 1.0 to 1.1 times as long.

    All methods are for one thread. Leaving the ``with`` block stops what still trains.

    Parameters
    ----------
    n_expected : int
        How many tasks will come, or about: what a bar counts up to, until more have come.
    progress : bool
        Whether to show a bar.
    """

    def __init__(self, n_expected: int, *, progress: bool = False):
        self.n_expected, self.progress = n_expected, progress
        self._run = Run()
        self._kept: dict[Ticket, TrainingTask] = {}
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._begun: set[Ticket] = set()  # in the queue, in training, or trained but not handed out
        self._n_out = self._n_tasks = 0
        self._helpers: list[threading.Thread] = []
        self._failure: BaseException | None = None
        self._at_end, self._limit = ExitStack(), ExitStack()

    def __enter__(self) -> Conductor:
        self._at_end.push(self._limit)
        _open.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        with self._at_end:
            self._stop()
            _open.discard(self)
            if kind is None and self._run.bar is not None:
                self._run.bar.complete()

    def add(self, task: TrainingTask) -> Ticket:
        """Take a task; return what `outcome` is to be asked with.

        Raises
        ------
        ValueError
            If compiled loops have been asked for and cannot train it.
        """
        by_loops = is_for_loops(task)  # raises before anything is counted
        ticket = Ticket()
        self._n_tasks += 1
        self._n_out += 1
        if self.progress or self._run.bar is not None:
            self._show_bar()
            task = replace(task, verbose=0)
        if by_loops and not _is_to_wait(task):
            self._begin(ticket, task)
        else:
            self._kept[ticket] = task
        return ticket

    def outcome(self, ticket: Ticket) -> Outcome:
        """What came of a task; once for each.

        Raises
        ------
        BaseException
            What stopped the training: an interrupt. What a network raises is returned.
        """
        if ticket in self._kept:
            self._train_kept()
        while not ticket.done() and self._train_next():
            self._check()
        wait([ticket])
        self._check()
        self._n_out -= 1
        self._begun.discard(ticket)
        if not self._begun:
            self._limit.close()
        return ticket.result()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    # Networks for the loops

    def _begin(self, ticket: Ticket, task: TrainingTask) -> None:
        # The limit is the process's. It is set and lifted here and in `outcome`, where no code of
        # the user's runs that may have set another one meanwhile.
        if not self._begun:
            self._limit.enter_context(one_blas_thread())
        self._begun.add(ticket)
        if not task.runs_users_code:
            self._queue.put((ticket, task))
            self._start_helpers()
        else:
            self._train((ticket, task))
            self._check()

    def _start_helpers(self) -> None:
        if self._helpers:
            return
        for _ in range(min(self.n_expected, torch.get_num_threads()) - 1):
            helper = threading.Thread(target=self._help, name=THREAD_NAME, daemon=True)
            self._helpers.append(helper)
            helper.start()

    def _help(self) -> None:
        while self._train(self._queue.get()):
            pass

    def _train_next(self) -> bool:
        """Train the first network that nobody has begun; whether there was one."""
        return self._train(self._next())

    def _next(self) -> Job | None:
        try:
            return self._queue.get_nowait()
        except Empty:
            return None

    def _train(self, job: Job | None) -> bool:
        if job is None:
            return False
        ticket, task = job
        try:
            ticket.set_result(self._trained(task))
        except BaseException as error:  # `_check` raises it in the caller's thread
            self._failure = self._failure or error
            self._run.stop.set()
            ticket.set_exception(error)
        return True

    def _trained(self, task: TrainingTask) -> Outcome:
        from .compiled import train_network

        start = perf_counter()
        with usual_torch("cpu"), flushed_denormals():
            outcome = train_network(task, self._run)
        if isinstance(outcome, TrainingResult):
            outcome.seconds = perf_counter() - start
        return self._run.note([outcome])[0]

    def _stop(self) -> None:
        """Stop the helpers: a compiled call that runs, some 0.1 s at most, is their last."""
        self._failure = self._failure or InterruptedError("Training was interrupted.")
        self._run.stop.set()
        while self._next() is not None:
            pass
        for _ in self._helpers:
            self._queue.put(None)
        for helper in self._helpers:
            helper.join()

    # The others

    def _train_kept(self) -> None:
        kept, self._kept = self._kept, {}
        if self._n_out > 1 and any(task.verbose for task in kept.values()):
            self._show_bar()
            kept = {ticket: replace(task, verbose=0) for ticket, task in kept.items()}
        by_torch = {ticket: task for ticket, task in kept.items() if not is_for_loops(task)}
        by_loops = [ticket for ticket in kept if ticket not in by_torch]
        for ticket in sorted(by_loops, key=lambda ticket: kept[ticket].runs_users_code):
            self._begin(ticket, kept[ticket])
        self._finish_begun()
        if by_torch:
            outcomes = train_stacks(list(by_torch.values()), self._run.bar)
            for ticket, outcome in zip(by_torch, outcomes, strict=True):
                ticket.set_result(outcome)

    def _finish_begun(self) -> None:
        while self._train_next():
            self._check()
        wait(self._begun)
        self._check()

    def _show_bar(self) -> None:
        if self._run.bar is None:
            self._run.bar = self._at_end.enter_context(StackBar(self.n_expected))
            self._run.bar.ended(self._n_tasks - self._n_out + sum(t.done() for t in self._begun))
        self._run.bar.expect(self._n_tasks)


def _is_to_wait(task: TrainingTask) -> bool:
    full_batch = task.optimizer.family in FULL_BATCH_OPTIMIZERS
    return bool(task.verbose) or full_batch or task.runs_users_code


_open: set[Conductor] = set()


@atexit.register
def _stop_all() -> None:
    """Who ends the process while a search's results are still being read need not wait for it.

    That is why helpers are daemons; at exit they must not be in the middle of anything.
    """
    for conductor in tuple(_open):
        conductor.__exit__(SystemExit)
