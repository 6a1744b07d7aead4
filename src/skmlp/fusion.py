"""``with skmlp.fused():`` — scikit-learn's own searches train their networks as stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ContextDecorator, ExitStack
from typing import Any

import joblib
from joblib.parallel import ParallelBackendBase

from ._meeting import Member, run_together
from ._task import TrainingTask

__all__ = ["fused"]

_BACKEND = "skmlp-fused"

# Members that may wait at once: beyond a few hundred small networks a step's cost per network no
# longer falls, and a stack of large ones is trained in slices anyway.
_DEFAULT_WIDTH = 512
# Rows that waiting members may hold. Each fit of a search holds its own copy of its training
# rows, so this bounds what a wave needs beyond what the search needs without fusion.
_MOST_WAITING_BYTES = 2 << 30


class Job:
    """One call that joblib has handed over, run at the latest when its result is asked for."""

    def __init__(self, call: Callable[[], Any], callback: Callable[[Any], None] | None):
        self.call, self.callback = call, callback
        self.member: Member | None = None


class FusedBackend(ParallelBackendBase):
    """A joblib backend whose calls run side by side as far as their training, then train at once.

    joblib hands over all calls it may before it asks for the first result; then they run, in
    waves. It needs no counting of who is still to come, and cannot deadlock: a call that never
    trains just ends.
    """

    supports_sharedmem = True
    uses_threads = True
    supports_retrieve_callback = False

    def __init__(self, nesting_level: int = 0, width: int = _DEFAULT_WIDTH, **others: Any):
        super().__init__(nesting_level=nesting_level, **others)
        self.width = width
        self._pending: list[Job] = []
        self._running: Iterator[Job] | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """As many as may wait at once, so that joblib makes each call a job of its own."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        return max(2, self.width)

    def submit(self, func: Callable[[], Any], callback: Any = None) -> Job:
        job = Job(func, callback)
        self._pending.append(job)
        return job

    def retrieve_result(self, out: Job, timeout: float | None = None) -> Any:
        """The result of a job; all jobs that are pending run with it."""
        while out.member is None:
            self._run_some()
        if out.member.error is not None:
            raise out.member.error
        return out.member.result

    def retrieve_result_callback(self, out: Any) -> Any:
        raise RuntimeError("results are retrieved without callbacks")

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int | None]:
        """A search inside a call (nested cross-validation) trains its own networks as stacks."""
        return FusedBackend(self.nesting_level + 1, width=self.width), None

    def abort_everything(self, ensure_ready: bool = True) -> None:
        self.terminate()

    def terminate(self) -> None:
        self._pending = []
        if self._running is not None:
            self._running.close()  # type: ignore[attr-defined]
            self._running = None

    def _run_some(self) -> None:
        """Run until one more job has ended."""
        if self._running is None:
            jobs, self._pending = self._pending, []
            self._running = self._run(jobs)
        for job in self._running:
            if job.callback is not None:
                job.callback(None)  # joblib counts it, and hands over more calls
            return
        self._running = None

    def _run(self, jobs: Sequence[Job]) -> Iterator[Job]:
        of_call = {id(job.call): job for job in jobs}
        members = run_together([job.call for job in jobs], self._admits)
        try:
            for member in members:
                job = of_call[id(member.call)]
                job.member = member
                yield job
        finally:
            members.close()  # type: ignore[attr-defined]

    def _admits(self, waiting: Sequence[TrainingTask]) -> bool:
        return len(waiting) < self.width and rows_bytes(waiting) < _MOST_WAITING_BYTES


def rows_bytes(tasks: Sequence[TrainingTask]) -> int:
    """Bytes of the rows of tasks, an array that several share counted once."""
    arrays = {id(task.train.X): task.train.X for task in tasks}
    return sum(getattr(X, "nbytes", None) or X.data.nbytes for X in arrays.values())


joblib.register_parallel_backend(_BACKEND, FusedBackend)


class fused(ContextDecorator):
    """Within it, the networks of scikit-learn's searches and ensembles train as stacks.

    Whatever scikit-learn runs through joblib (GridSearchCV, cross_validate, BaggingClassifier…)
    trains its skmlp networks together, those of one shape as one batched tensor. Each network
    becomes what it becomes alone. Anything else that runs there simply runs, one call after the
    other: ``n_jobs`` has no meaning inside.

    Parameters
    ----------
    width : int, default=512
        Most networks that wait for one another; a larger search goes in waves.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> import skmlp
    >>> X, y = load_iris(return_X_y=True)
    >>> model = skmlp.MLPClassifier((16,), learning_rate_init=0.02, random_state=0)
    >>> with skmlp.fused():
    ...     search = GridSearchCV(model, {"alpha": [1e-4, 1e-2, 1.0]}).fit(X, y)
    >>> bool(search.best_score_ > 0.95)
    True
    """

    def __init__(self, width: int = _DEFAULT_WIDTH):
        if not isinstance(width, int) or isinstance(width, bool) or width < 1:
            raise ValueError(
                f"The 'width' parameter of fused must be an int of at least 1. Got {width!r} "
                "instead."
            )
        self.width = width
        self._exits: list[ExitStack] = []

    def __enter__(self) -> fused:
        stack = ExitStack()
        backend = FusedBackend(width=self.width)
        stack.enter_context(joblib.parallel_config(backend, n_jobs=2))
        self._exits.append(stack)
        return self

    def __exit__(self, *error: Any) -> None:
        self._exits.pop().close()
