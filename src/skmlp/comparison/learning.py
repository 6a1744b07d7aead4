"""Learning curves by rows: the chosen settings, fitted again on fewer rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from .contestants import Contestant
from .plan import Plan
from .run import FoldResult, preprocess
from .tuning import try_all

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
    frames = [
        _of_contestant(plan, one, [r for r in results if r.contestant == one.name and not r.error])
        for one in plan.contestants
    ]
    return pd.concat(frames, ignore_index=True)


def _of_contestant(plan: Plan, contestant: Contestant, finished: list[FoldResult]) -> pd.DataFrame:
    wanted = [
        (result, share, _rows(plan, result.fold, share)) for result in finished for share in SHARES
    ]
    wanted = [one for one in wanted if _enough(plan, one[2])]
    with ThreadpoolController().limit(limits=1):  # as in the comparison
        trials = try_all(
            contestant,
            [
                (result.parameters, preprocess(plan, rows, plan.folds[result.fold].test)[1])
                for result, _, rows in wanted
            ],
            plan.metrics,
            plan.n_jobs,
        )
    names = [metric.name for metric in plan.metrics]
    columns = ["contestant", "fold", "share", "rows", "error", *names]
    again = [
        (contestant.name, result.fold, share, len(rows), trial.error or "", *trial.scores)
        for (result, share, rows), trial in zip(wanted, trials, strict=True)
    ]
    whole = [
        (
            contestant.name,
            result.fold,
            1.0,
            len(plan.folds[result.fold].train),
            "",
            *(result.scores[name] for name in names),
        )
        for result in finished
    ]
    return pd.DataFrame([*again, *whole], columns=columns)


def _rows(plan: Plan, fold: int, share: float) -> np.ndarray:
    train = plan.folds[fold].train
    return plan.dataset.mixed(train, plan.random_state)[: round(share * len(train))]


def _enough(plan: Plan, rows: np.ndarray) -> bool:
    if len(rows) < FEWEST_ROWS:
        return False
    counts = (
        np.bincount(plan.dataset.codes[rows], minlength=len(plan.dataset.classes))
        if plan.dataset.classes
        else [2]
    )
    return bool(np.min(counts) >= FEWEST_OF_CLASS)
