"""What came of a call, in a form that travels between processes."""

from __future__ import annotations

import pickle
import traceback
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import cloudpickle


@dataclass
class Warned:
    """A warning, and the line that it points at."""

    message: Warning
    category: type[Warning]
    filename: str
    lineno: int


@dataclass
class Outcome:
    """How a call ended: with a result or an error, and what it warned of on the way."""

    result: Any = None
    error: BaseException | None = None
    warned: list[Warned] = field(default_factory=list)

    def give(self) -> Any:
        """Warn, then return the result or raise the error, as the call would have done here."""
        for w in self.warned:
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
        if self.error is not None:
            raise self.error
        return self.result


def pack_outcome(
    result: Any, error: BaseException | None, recorded: Iterable[warnings.WarningMessage]
) -> bytes:
    """An outcome as bytes.

    What cannot be sent is replaced: an error or warning by one of the same text, a result by an
    error.
    """
    if error is not None:
        error = portable_error(error)
    outcome = Outcome(result, error, [portable_warning(w) for w in recorded])
    try:
        return cloudpickle.dumps(outcome)
    except Exception as why:
        outcome.result = None
        outcome.error = pickle.PicklingError(
            f"A call of the search ran in another process, but what it returned cannot be sent "
            f"back: {type(why).__name__}: {why}. Use fused(engine=None), which runs it in this "
            "process."
        )
        return cloudpickle.dumps(outcome)


def portable_error(error: BaseException) -> BaseException:
    """The error with its traceback as a note, or a RuntimeError of the same text."""
    where = "In a worker of fused:\n" + "".join(traceback.format_exception(error))
    if not is_portable(error):
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(where)
    return error


def portable_warning(recorded: warnings.WarningMessage) -> Warned:
    message, category = recorded.message, recorded.category
    assert isinstance(message, Warning)
    if not is_portable(message):
        message, category = UserWarning(f"{category.__name__}: {message}"), UserWarning
    return Warned(message, category, recorded.filename, recorded.lineno)


def is_portable(obj: Any) -> bool:
    """Whether an object can be sent; some exceptions fail only when they are built again."""
    try:
        return type(pickle.loads(cloudpickle.dumps(obj))) is type(obj)
    except Exception:
        return False
