"""What `cv_results_` says of the time of a fit that trained in a stack."""

from __future__ import annotations

from typing import Any


def with_own_fit_time(result: Any, waited: float) -> Any:
    """A call's result; the fit time that scikit-learn took in it without the time waited.

    Parameters
    ----------
    result : object
        What joblib's call returned: a list of what the fits returned. Those of searches and
        `cross_validate` are dictionaries with a ``fit_time``, in seconds.
    waited : float
        Seconds that the call spent waiting while other networks were prepared and trained: all
        of its wait but its network's share of its stack.
    """
    match result:
        case [{"fit_time": float(fit_time)} as entry] if waited:
            return [{**entry, "fit_time": max(0.0, fit_time - waited)}]
    return result
