"""What runs inside `fused` and has nothing to do with it: it runs as it does outside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from types import FrameType
from typing import Any

import joblib
import numpy as np
import scipy.sparse

_LEAVES = (str, bytes, int, float, complex, type(None), np.ndarray, np.generic)

# Of a long list of plain values as many as this are looked at: lists of estimators are short.
_MOST_ITEMS = 100
_DEEPEST = 30

# Modules between a backend and who runs calls.
_BETWEEN = ("joblib.", "sklearn.utils.parallel", "skmlp.")
# Where scikit-learn asks for the number of jobs to deal fits into: everywhere else, rows.
_DEALS_FITS = ("sklearn.ensemble.", "sklearn.feature_selection.")


def are_foreign(calls: Iterable[Callable[[], Any]]) -> bool:
    """Whether calls of joblib surely train no network of ours: scikit-learn's own, without one.

    Parameters
    ----------
    calls : iterable of callable
        As a joblib backend gets them: each has ``items``, tuples (function, arguments, keywords).
    """
    known: dict[int, bool] = {}  # by id: the calls keep the objects alive
    return all(
        _is_scikit_learns(function) and _is_free((_wrapped(function), args, keywords), known)
        for call in calls
        for function, args, keywords in getattr(call, "items", [(None, (), {})])
    )


def _wrapped(function: Any) -> Any:
    """The function, or the method of an estimator, in scikit-learn's ``delayed``."""
    return getattr(function, "function", function)


def is_foreign(frame: FrameType | None) -> bool:
    """Whether who runs calls by joblib is scikit-learn, with nothing at hand that is a network.

    Parameters
    ----------
    frame : FrameType
        Of the backend. What the calls are made of is what the first function of scikit-learn's
        above it has at hand.
    """
    while frame is not None and _module(frame).startswith(_BETWEEN):
        frame = frame.f_back
    if frame is None or not _module(frame).startswith("sklearn."):
        return False
    return _all_free(frame.f_locals.values(), {}, 0)


def _module(frame: FrameType) -> str:
    return frame.f_globals.get("__name__", "")


def deals_fits(frame: FrameType | None) -> bool:
    """Whether who asks for the number of jobs will deal fits of networks into so many calls.

    Parameters
    ----------
    frame : FrameType
        Of the function that called the backend: joblib's.
    """
    while frame is not None:
        module, asker = _module(frame), frame.f_locals.get("self")
        if isinstance(asker, joblib.Parallel):
            return True
        if module.startswith("sklearn.") and not module.startswith(_DEALS_FITS):
            return False
        if _is_estimator(asker):
            return not _is_free(asker, {})
        frame = frame.f_back
    return False


def _is_free(value: Any, known: dict[int, bool], depth: int = 0) -> bool:
    """Whether there is surely no network in a value, nor an estimator that may make one.

    ``known`` has estimators only: they live as long as the call, and their ids with them.
    """
    if isinstance(value, _LEAVES) or scipy.sparse.issparse(value):
        return True
    if depth > _DEEPEST:
        return False
    if isinstance(value, dict):
        return _all_free(value.values(), known, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return _all_free(value, known, depth)
    if isinstance(value, partial):
        return _all_free([*value.args, *value.keywords.values()], known, depth)
    if inspect.ismethod(value):
        return _is_free(value.__self__, known, depth + 1)
    if not _is_estimator(value):
        return True
    if id(value) not in known:
        known[id(value)] = True  # what leads back to it adds nothing
        free = _all_free(_parts(value), known, depth)
        known[id(value)] = free and _is_scikit_learns(type(value))
    return known[id(value)]


def _all_free(values: Iterable[Any], known: dict[int, bool], depth: int) -> bool:
    return all(_is_free(value, known, depth + 1) for value in islice(values, _MOST_ITEMS))


def _parts(estimator: Any) -> Iterable[Any]:
    """Its parameters; what it has fitted is made of them."""
    if isinstance(estimator, type):
        return ()
    attributes = getattr(estimator, "__dict__", {})
    return [value for name, value in attributes.items() if not name.endswith("_")]


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "fit")


def _is_scikit_learns(function: Any) -> bool:
    return (getattr(function, "__module__", None) or "").startswith("sklearn.")
