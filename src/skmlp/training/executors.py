"""Which executor trains a task: torch, or compiled loops."""

from __future__ import annotations

from functools import cache

from ..machine.warnings import warn_caller
from ..settings import current_executor
from ..task import TrainingTask


def is_for_loops(task: TrainingTask) -> bool:
    """Whether compiled loops train a task.

    Raises
    ------
    ValueError
        If they have been asked for and cannot.
    """
    executor = current_executor()
    if executor == "torch":
        return False
    reason = why_no_loops()
    if executor == "compiled" and reason:
        raise ValueError(f"config(executor='compiled'): {reason}. Use executor='auto'.")
    if reason:
        _warn_once(reason)
        return False
    from .compiled import is_plain

    plain = is_plain(task)
    if executor == "compiled" and not plain:
        raise ValueError(
            "config(executor='compiled'): a network has something that compiled loops do not "
            "know (an accelerator, callbacks, normalization, residual blocks, optimizer='muon' or "
            "'newton-cg' or a torch class, an augmentation by a function or of sparse rows). "
            "Use executor='auto', which trains it by torch."
        )
    return plain


@cache
def why_no_loops() -> str:
    """Why there are no compiled loops in this process, or ""."""
    try:
        from . import compiled  # noqa: F401
    except ImportError as error:
        return f"numba cannot be imported ({error})"
    return ""


@cache
def _warn_once(reason: str) -> None:
    warn_caller(
        f"{reason}: networks train by torch, which takes 2 to 20 times as long for small ones. "
        "pip install numba, or set SKMLP_EXECUTOR=torch to do without it."
    )
