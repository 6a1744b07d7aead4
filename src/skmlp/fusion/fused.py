"""``with skmlp.fused():`` — scikit-learn's own searches train their networks as stacks."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ContextDecorator, ExitStack, closing, contextmanager, nullcontext
from numbers import Integral
from typing import Any, TypeVar

import joblib
from joblib.parallel import FallbackToBackend, ParallelBackendBase

from .engines import ENGINES, Engine, start_engine
from .engines.outcomes import Outcome
from .engines.shares import run_shares
from .foreign import are_foreign, deals_fits, is_foreign
from .meeting import run_together
from .outside import outside_backend, run_outside
from .overlap import Overlap
from .waves import Wave

__all__ = ["fused"]

_BACKEND = "skmlp-fused"

Call = Callable[[], Any]
F = TypeVar("F", bound=Callable[..., Any])


class Job:
    """One call that joblib has handed over, run at the latest when its result is asked for."""

    def __init__(self, call: Call, callback: Callable[[Any], None] | None):
        self.call, self.callback = call, callback
        self.outcome: Outcome | None = None


class FusedBackend(ParallelBackendBase):
    """A joblib backend whose calls run as far as their training, and train side by side.

    joblib hands over all calls it may before it asks for the first result; then they run, as
    members of a meeting. It needs no counting of who is still to come, and cannot deadlock: a call
    that never trains just ends. Calls that have nothing to do with networks run as outside.

    Each `joblib.Parallel` gets a backend of its own: its calls end when it ends, and not those of
    another one whose results are still being read.

    Parameters
    ----------
    nesting_level : int
    width : int or None
    progress : bool
    outside : dict, optional
        joblib's settings outside.
    """

    supports_sharedmem = True
    uses_threads = True
    supports_retrieve_callback = False
    supports_return_generator = True
    default_n_jobs = 1

    def __init__(
        self,
        nesting_level: int = 0,
        width: int | None = None,
        progress: bool = False,
        outside: dict[str, Any] | None = None,
        **others: Any,
    ):
        super().__init__(nesting_level=nesting_level, **others)
        self.width, self.progress = width, progress
        self.outside = outside
        self._asked: dict[str, Any] | None = None
        self._pending: list[Job] = []
        self._running: Iterator[Job] | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """As many as may wait at once, so that joblib makes each fit a job of its own.

        For what is cut into jobs for other reasons (rows, between cores), as many as outside.
        """
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if deals_fits(sys._getframe(1)):
            return self._most_fits()
        return outside_backend(self.outside).effective_n_jobs(n_jobs)

    def _most_fits(self) -> int:
        """Fits that may wait at once; never one, which joblib would not hand over."""
        return max(2, Wave(self.width).most_networks)

    def configure(self, n_jobs: int = 1, parallel: Any = None, **asked: Any) -> int:
        if self._asked is None:
            if is_foreign(sys._getframe(1)):
                hints = {name: asked.get(name) for name in ("prefer", "require")}
                raise FallbackToBackend(outside_backend(self.outside, **hints))
            own = self._own()
            own._asked = {"n_jobs": n_jobs, **asked}
            raise FallbackToBackend(own)
        self.parallel = parallel
        # Where results may come in any order, joblib does not ask for one after the other, but
        # waits until it is told of one.
        self.supports_retrieve_callback = not getattr(parallel, "return_ordered", True)
        return self.effective_n_jobs(n_jobs)

    def _own(self) -> FusedBackend:
        """A backend like this for one `joblib.Parallel`."""
        return FusedBackend(self.nesting_level, self.width, self.progress, self.outside)

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        if self.supports_retrieve_callback:
            while (self._pending or self._running) and not self.parallel._aborting:
                self._run_some()
        yield

    def submit(self, func: Call, callback: Any = None) -> Job:
        job = Job(func, callback)
        self._pending.append(job)
        return job

    def retrieve_result(self, out: Job, timeout: float | None = None) -> Any:
        """The result of a job; all jobs that are pending run with it."""
        while out.outcome is None:
            self._run_some()
        return out.outcome.give()

    def retrieve_result_callback(self, out: Job) -> Any:
        assert out.outcome is not None
        return out.outcome.give()

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int | None]:
        """A search inside a call (nested cross-validation) trains its own networks as stacks."""
        return FusedBackend(self.nesting_level + 1, self.width, self.progress), None

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
                job.callback(job)  # joblib counts it, and hands over more calls
            return
        self._running = None

    def _run(self, jobs: Sequence[Job]) -> Iterator[Job]:
        calls = [job.call for job in jobs]
        run = self._outcomes_outside if are_foreign(calls) else self._outcomes
        with closing(run(calls)) as outcomes:
            for place, outcome in outcomes:
                jobs[place].outcome = outcome
                yield jobs[place]

    def _outcomes(self, calls: Sequence[Call]) -> Generator[tuple[int, Outcome]]:
        """Run calls; yield the place of each, when it has ended, with what came of it."""
        with closing(run_together(calls, Wave(self.width), progress=self.progress)) as members:
            for member in members:
                yield member.place, Outcome(member.result, member.error)

    def _outcomes_outside(self, calls: Sequence[Call]) -> Generator[tuple[int, Outcome]]:
        return run_outside(calls, self.outside, **(self._asked or {}))


class EngineBackend(FusedBackend):
    """As `FusedBackend`, but the calls are dealt to an engine's workers.

    ``width`` is that of each worker.
    """

    def __init__(self, engine: Engine, width: int | None = None, **others: Any):
        super().__init__(width=width, **others)
        self.engine = engine

    def configure(self, *arguments: Any, require: str | None = None, **others: Any) -> int:
        """Calls that need this process's memory (a forest that predicts) run in this process."""
        if require == "sharedmem":
            raise FallbackToBackend(super()._own())
        return super().configure(*arguments, require=require, **others)

    def _own(self) -> FusedBackend:
        return EngineBackend(
            self.engine,
            self.width,
            nesting_level=self.nesting_level,
            progress=self.progress,
            outside=self.outside,
        )

    def _most_fits(self) -> int:
        return super()._most_fits() * self.engine.n_workers()

    def _outcomes(self, calls: Sequence[Call]) -> Generator[tuple[int, Outcome]]:
        with (
            closing(run_shares(self.engine, calls, Wave(self.width))) as outcomes,
            progress_bar(len(calls)) if self.progress else nullcontext() as bar,
        ):
            for outcome in outcomes:
                if bar is not None:
                    bar.update()
                yield outcome


def progress_bar(n_fits: int) -> Any:
    from tqdm.auto import tqdm  # comes with skorch

    return tqdm(total=n_fits, desc="Fits", unit="fit")


def outside_of(settings: dict[str, Any]) -> dict[str, Any] | None:
    """joblib's settings outside all blocks of `fused`, from those outside the innermost."""
    backend = settings["backend"]
    return backend.outside if isinstance(backend, FusedBackend) else settings


class _Blocks(threading.local):
    """The blocks of `fused` that are open in a thread: joblib's settings are the thread's."""

    def __init__(self) -> None:
        self.open = Overlap()


_blocks = _Blocks()

joblib.register_parallel_backend(_BACKEND, FusedBackend)


class fused(ContextDecorator):
    """Within it, the networks of scikit-learn's searches and ensembles train as stacks.

    Whatever scikit-learn runs through joblib (GridSearchCV, cross_validate, BaggingClassifier…)
    trains its skmlp networks together, those of one shape as one batched tensor, and each network
    becomes what it becomes alone; ``n_jobs`` has no meaning for them. Calls of scikit-learn's that
    have no network in them run as they do outside, ``n_jobs`` included.

    It is a context manager and a decorator, of plain functions, generators and coroutines. It acts
    in its thread; blocks may overlap, as those of asyncio's tasks do.

    Parameters
    ----------
    width : int, default=None
        Most networks that wait for one another; in a larger search each that ends makes room for
        one more. None is 512, or fewer where their rows would fill a quarter of the free memory.
        With an engine: in each worker.
    engine : {None, "loky", "dask", "ray"}, default=None
        Where the calls run.

        - None: in this process.
        - "loky": dealt to one process per core of this machine, each of which trains its share
          as stacks. The processes are joblib's and stay warm: the first search waits some
          seconds until they have imported torch.
        - "dask": the same over the workers of the active ``distributed.Client``. The best
          workers have one thread each.
        - "ray": the same over a Ray cluster. Unless ``ray.init`` has been called, it connects to
          ``RAY_ADDRESS`` or starts a cluster on this machine.

        Calls, results and warnings travel between processes: estimators must be picklable (those
        defined in a script or notebook are sent with their code), and arrays of a megabyte and
        more, which are sent once, are read-only in the calls. When a worker dies, its share runs
        again in another. Where networks train on GPUs, each worker has one of its own.

    progress : bool, default=False
        Whether to show a bar on standard error: networks that are done, epochs, best validation
        score (or lowest loss) so far; with an engine, fits that are done. Networks with
        ``verbose`` show the bar too, in place of their lines.

    Raises
    ------
    ImportError
        On entering, if the engine's library is missing: ``pip install "skmlp[dask]"`` or
        ``"skmlp[ray]"``.
    ValueError
        If a parameter cannot be used; on entering, if there is no Dask client.

    Notes
    -----
    ``cv_results_`` and `cross_validate` give as ``fit_time`` what scikit-learn did for the fit
    plus the network's share of its stack: the time of each step divided by the networks that
    took it.

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

    def __init__(self, width: int | None = None, engine: str | None = None, progress: bool = False):
        is_int = isinstance(width, Integral) and not isinstance(width, bool)
        if width is not None and not (is_int and width >= 1):
            raise ValueError(
                "The 'width' parameter of fused must be None or an int of at least 1. "
                f"Got {width!r} instead."
            )
        if engine is not None and not (isinstance(engine, str) and engine in ENGINES):
            raise ValueError(
                f"The 'engine' parameter of fused must be None or one of {', '.join(ENGINES)}. "
                f"Got {engine!r} instead."
            )
        if not isinstance(progress, bool):
            raise ValueError(
                "The 'progress' parameter of fused must be True or False. "
                f"Got {progress!r} instead."
            )
        self.width, self.engine, self.progress = width, engine, progress
        self._exits: list[ExitStack] = []

    def __enter__(self) -> fused:
        with ExitStack() as stack:
            backend = self._backend(stack)
            config = joblib.parallel_config(backend)
            backend.outside = outside_of(config.old_parallel_config)
            blocks = _blocks.open
            block = blocks.begin(config.old_parallel_config)

            def close() -> None:
                found = blocks.end(block)
                if found is not None:
                    config.old_parallel_config = found.state
                    config.unregister()

            stack.callback(close)
            self._exits.append(stack.pop_all())
        return self

    def __exit__(self, *error: Any) -> None:
        self._exits.pop().close()

    def __call__(self, func: F) -> F:
        """Decorate a function: its body runs within ``fused``."""
        if inspect.isasyncgenfunction(func):
            raise TypeError(
                f"fused cannot decorate {func.__name__!r}, an asynchronous generator: use "
                "'with skmlp.fused():' around the searches in it."
            )
        if inspect.iscoroutinefunction(func):

            @functools.wraps(func)
            async def as_coroutine(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await func(*args, **kwargs)

            return as_coroutine  # type: ignore[return-value]
        if inspect.isgeneratorfunction(func):

            @functools.wraps(func)
            def as_generator(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return (yield from func(*args, **kwargs))

            return as_generator  # type: ignore[return-value]
        return super().__call__(func)

    def _backend(self, stack: ExitStack) -> FusedBackend:
        if self.engine is None:
            return FusedBackend(width=self.width, progress=self.progress)
        engine = start_engine(self.engine)
        stack.callback(engine.close)
        return EngineBackend(engine, self.width, progress=self.progress)
