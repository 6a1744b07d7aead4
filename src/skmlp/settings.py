"""Settings that are nobody's parameters: which executor trains."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

EXECUTORS = ("auto", "torch", "compiled")
_VARIABLE = "SKMLP_EXECUTOR"

_executor: ContextVar[str | None] = ContextVar("executor", default=None)


@contextmanager
def config(*, executor: str | None = None) -> Iterator[None]:
    """Within it, networks train as set.

    Parameters
    ----------
    executor : {"auto", "torch", "compiled"}, default=None
        What takes the training steps.

        - "auto": compiled loops (numba) wherever all that the network is made of has a compiled
          form and it trains on a CPU; torch otherwise, and where numba cannot be imported.
        - "torch": torch always.
        - "compiled": as "auto", but an error where compiled loops cannot be used.

        None leaves it as it is. Outside of any ``config``, the environment variable
        ``SKMLP_EXECUTOR`` decides, and if it is not set, "auto".

    Raises
    ------
    ValueError
        If there is no such executor.

    Notes
    -----
    Both executors draw the same random numbers and give the same networks, to rounding.

    Examples
    --------
    >>> import skmlp
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = skmlp.MLPClassifier((8,), max_iter=300, learning_rate_init=0.01, random_state=0)
    >>> with skmlp.config(executor="torch"):
    ...     score = model.fit(X, y).score(X, y)
    >>> bool(score > 0.95)
    True
    """
    if executor is None:
        yield
        return
    token = _executor.set(_checked(executor, "The 'executor' parameter of config"))
    try:
        yield
    finally:
        _executor.reset(token)


def current_executor() -> str:
    """The executor that is set here."""
    executor = _executor.get()
    if executor is not None:
        return executor
    return _checked(os.environ.get(_VARIABLE, "auto"), f"The environment variable {_VARIABLE}")


def _checked(executor: str, what: str) -> str:
    if executor not in EXECUTORS:
        raise ValueError(f"{what} must be one of {', '.join(EXECUTORS)}. Got {executor!r} instead.")
    return executor
