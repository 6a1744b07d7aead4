"""Learning curves by rows: the chosen settings, fitted again on fewer rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from .contestants import Contestant
from .plan import Plan
from .run import FoldResult, preprocess
from .tuning import Trial, try_all

__all__ = ["SHARES", "learning_curve"]

# Of the training rows of each fold. Together they cost less than one more fit of the fold.
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)

# With fewer rows, or rows of each class, most fits fail and the others say little.
FEWEST_ROWS, FEWEST_OF_CLASS = 10, 2


def learning_curve(plan: Plan, results: Sequence[FoldResult]) -> pd.DataFrame:
    """Scores on the outer test rows after a fit on a share of the training rows.

    Each finished fold keeps the setting chosen on all its training rows; preprocessing is fitted on
    the share alone. Shares hold each other, and the classes in proportion.

    Returns
    -------
    DataFrame
        A row for each contestant, fold and share: ``rows``, ``error`` and a column for each metric,
        NaN where the fit failed. The share of 1 is what the comparison measured.
    """
    rows = [
        row
        for one in plan.contestants
        for row in _of_contestant(
            plan, one, [r for r in results if r.contestant == one.name and not r.error]
        )
    ]
    columns = ["contestant", "fold", "share", "rows", "error"]
    return pd.DataFrame(rows, columns=[*columns, *(metric.name for metric in plan.metrics)])


def _of_contestant(
    plan: Plan, contestant: Contestant, finished: list[FoldResult]
) -> list[tuple[Any, ...]]:
    """The rows of one contestant: its shares on all folds, then the whole of each."""
    wanted = [
        (result, share, rows)
        for result in finished
        for share in SHARES
        if _enough(plan, rows := _rows(plan, result.fold, share))
    ]
    again = [
        (contestant.name, result.fold, share, len(rows), trial.error or "", *trial.scores)
        for (result, share, rows), trial in zip(wanted, _fit(plan, contestant, wanted), strict=True)
    ]
    return again + [_whole(plan, result) for result in finished]


def _fit(
    plan: Plan, contestant: Contestant, wanted: list[tuple[FoldResult, float, np.ndarray]]
) -> list[Trial]:
    calls = [
        (result.parameters, preprocess(plan, rows, plan.folds[result.fold].test)[1])
        for result, _, rows in wanted
    ]
    with ThreadpoolController().limit(limits=1):  # as in the comparison
        return try_all(contestant, calls, plan.metrics, plan.n_jobs)


def _whole(plan: Plan, result: FoldResult) -> tuple[Any, ...]:
    rows = len(plan.folds[result.fold].train)
    scores = (result.scores[metric.name] for metric in plan.metrics)
    return (result.contestant, result.fold, 1.0, rows, "", *scores)


def _rows(plan: Plan, fold: int, share: float) -> np.ndarray:
    train = plan.folds[fold].train
    return plan.dataset.mixed(train, plan.random_state)[: round(share * len(train))]


def _enough(plan: Plan, rows: np.ndarray) -> bool:
    """Whether a fit may succeed: some rows, and some of each class."""
    if len(rows) < FEWEST_ROWS or not plan.dataset.classes:
        return len(rows) >= FEWEST_ROWS
    counts = np.bincount(plan.dataset.codes[rows], minlength=len(plan.dataset.classes))
    return bool(counts.min() >= FEWEST_OF_CLASS)
