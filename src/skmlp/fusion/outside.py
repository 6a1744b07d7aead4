"""joblib's calls as they run outside `fused`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import joblib
from joblib.parallel import ParallelBackendBase

from .engines.outcomes import Outcome

Call = Callable[[], Any]


def outside_backend(
    outside: Mapping[str, Any] | None, prefer: str | None = None, require: str | None = None
) -> ParallelBackendBase:
    """The backend that joblib would use.

    Parameters
    ----------
    outside : mapping or None
        joblib's settings outside `fused`; its ``backend`` is what a ``with`` block there has set.
    prefer, require : str or None
        As in `joblib.Parallel`.
    """
    given = (outside or {}).get("backend")
    if isinstance(given, ParallelBackendBase):
        return given
    threads = prefer == "threads" or require == "sharedmem"
    name = "threading" if threads else joblib.parallel.DEFAULT_BACKEND
    return joblib.parallel.BACKENDS[name](nesting_level=0)


def run_outside(
    calls: Sequence[Call],
    outside: Mapping[str, Any] | None,
    n_jobs: int = 1,
    *,
    prefer: str | None = None,
    require: str | None = None,
    max_nbytes: Any = "1M",
    temp_folder: str | None = None,
    mmap_mode: Any = "r",
    **others: Any,
) -> Generator[tuple[int, Outcome]]:
    """Run calls as joblib would; yield the place of each with what came of it.

    Parameters are those that `joblib.Parallel` has given its backend.
    """
    backend = outside_backend(outside, prefer, require)
    if backend.effective_n_jobs(n_jobs) == 1:
        yield from _in_turn(calls)
        return
    parallel = joblib.Parallel(
        n_jobs, backend, max_nbytes=max_nbytes, temp_folder=temp_folder, mmap_mode=mmap_mode
    )
    try:
        results = parallel(joblib.delayed(_call)(call.items) for call in calls)  # type: ignore[attr-defined]
    except Exception as error:  # of which call, joblib does not say: it is the search's
        yield 0, Outcome(error=error)
        return
    for place, result in enumerate(results):
        yield place, Outcome(result)


def _in_turn(calls: Sequence[Call]) -> Generator[tuple[int, Outcome]]:
    for place, call in enumerate(calls):
        try:
            outcome = Outcome(call())
        except Exception as error:
            outcome = Outcome(error=error)
        yield place, outcome


def _call(items: Sequence[tuple[Callable, tuple, dict]]) -> list[Any]:
    return [function(*arguments, **keywords) for function, arguments, keywords in items]
