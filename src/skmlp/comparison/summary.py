"""Results as tables: a row for each contestant, and a row for each contestant and fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .contestants import format_parameters
from .metrics import Metric
from .plan import Plan
from .run import FoldResult
from .significance import UNKNOWN, Difference, compare_scores, holm

__all__ = ["COSTS", "fold_table", "summarize", "too_sure"]

# Columns of what a contestant costs, all means over the folds.
COSTS = ("tuning_seconds", "fit_seconds", "predict_seconds", "peak_memory_mb", "size")


def summarize(plan: Plan, results: Sequence[FoldResult]) -> pd.DataFrame:
    """One row for each contestant, in the order of the plan.

    Columns, with ``m`` standing for the name of each metric:

    - ``m``, ``m_std``: mean and sample standard deviation over the folds;
    - ``m_difference``: mean difference to the baseline; ``m_p_value``: corrected t-test of it,
      adjusted by Holm's method for the number of contestants; ``m_worse``, ``m_equal``,
      ``m_better``: probabilities that it is worse, practically equal or better;
    - ``folds``: finished ones;
    - ``tuning_seconds``, ``fit_seconds``: of one search, and of fitting the chosen setting;
      ``predict_seconds``: of 1000 rows; ``peak_memory_mb``: in 10⁶ bytes, while fitting;
      ``size``, ``size_unit``: of the fitted model; means over the folds;
    - ``candidates``: settings of the grid; ``best_params``: the setting chosen most often;
      ``chosen``: on how many folds;
    - ``unconverged``, ``fits``: fits that gave a convergence warning, out of all fits;
    - ``error``: why there are no numbers. A contestant that failed on a fold has none: a mean
      over the others would flatter. What it reached there is in `Comparison.fold_scores`.
    """
    by_name = {
        one.name: [result for result in results if result.contestant == one.name]
        for one in plan.contestants
    }
    table = pd.DataFrame(
        {name: _row(plan, name, found) for name, found in by_name.items()}
    ).T.infer_objects()
    table.index.name = "contestant"
    for metric in reversed(plan.metrics):
        for place, (column, values) in enumerate(_metric_columns(plan, metric, by_name).items()):
            table.insert(place, column, values)
    return table


def fold_table(plan: Plan, results: Sequence[FoldResult]) -> pd.DataFrame:
    """One row for each contestant and fold, with the costs and scores of that fold."""
    rows = [
        {
            "contestant": result.contestant,
            "fold": result.fold,
            "n_train": len(plan.folds[result.fold].train),
            "n_test": len(plan.folds[result.fold].test),
            **{metric.name: _score(result, metric) for metric in plan.metrics},
            **_costs(result),
            "size_unit": result.size.unit,
            "unconverged": result.unconverged,
            "fits": result.fits,
            "best_params": format_parameters(result.parameters),
            "error": result.error or "",
        }
        for result in results
    ]
    return pd.DataFrame(rows)


def _costs(result: FoldResult) -> dict[str, float]:
    values = (
        result.tuning_seconds if result.error is None else float("nan"),
        result.fit_seconds,
        result.predict_seconds,
        result.peak_bytes / 1e6,
        result.size.count,
    )
    return dict(zip(COSTS, values, strict=True))


def _row(plan: Plan, name: str, results: list[FoldResult]) -> dict[str, Any]:
    """What has nothing to do with a metric."""
    errors = [result for result in results if result.error]
    finished = [] if errors else results
    costs = pd.DataFrame([_costs(result) for result in finished], columns=list(COSTS)).mean()
    choices = Counter(format_parameters(result.parameters) for result in finished)
    best, chosen = choices.most_common(1)[0] if choices else ("", 0)
    return {
        "folds": len(results) - len(errors),
        **costs.to_dict(),
        "size_unit": finished[0].size.unit if finished else "",
        "candidates": plan.contestant(name).candidates,
        "best_params": best,
        "chosen": chosen,
        "unconverged": sum(result.unconverged for result in results),
        "fits": sum(result.fits for result in results),
        "error": _error(plan, errors),
    }


def _error(plan: Plan, errors: list[FoldResult]) -> str:
    if not errors:
        return ""
    count = f"failed on {len(errors)} of {len(plan.folds)} folds"
    return f"{count}; fold {errors[0].fold + 1}: {errors[0].error}"


def _score(result: FoldResult, metric: Metric) -> float:
    return result.scores.get(metric.name, float("nan"))


def _metric_columns(
    plan: Plan, metric: Metric, by_name: dict[str, list[FoldResult]]
) -> dict[str, list[float]]:
    """Means, and the comparison with the baseline, of all contestants by one metric."""
    scores = {
        name: {result.fold: _score(result, metric) for result in results}
        for name, results in by_name.items()
    }
    found = [_difference(plan, metric, scores, name) for name in scores]
    values = [list(by_fold.values()) for by_fold in scores.values()]
    return {
        metric.name: [_mean(some) for some in values],
        f"{metric.name}_std": [_std(some) for some in values],
        f"{metric.name}_difference": [one.mean for one in found],
        f"{metric.name}_p_value": list(holm([one.p_value for one in found])),
        f"{metric.name}_worse": [one.worse for one in found],
        f"{metric.name}_equal": [one.equal for one in found],
        f"{metric.name}_better": [one.better for one in found],
    }


def _difference(
    plan: Plan, metric: Metric, scores: dict[str, dict[int, float]], name: str
) -> Difference:
    """Against the baseline, on the folds that both have finished; NaN for the baseline itself."""
    if name == plan.baseline:
        return UNKNOWN
    own, other = scores[name], scores[plan.baseline]
    both = sorted(own.keys() & other.keys())
    baseline = [other[fold] for fold in both]
    return compare_scores(
        [own[fold] for fold in both],
        baseline,
        plan.test_to_train,
        metric.equivalence(_mean(baseline)),
    )


def too_sure(plan: Plan, results: Sequence[FoldResult]) -> list[str]:
    """Notes on differences to the baseline that vary less than a score can show.

    Shares of n test rows come in steps of 1/n, so that few folds may show the same difference by
    chance. The t-test takes that for certainty. The limit is the deviation that rounding to steps
    has of itself, 1/(√12 n).
    """
    if not plan.dataset.classes:
        return []
    notes = []
    for metric in filter(Metric.is_share_of_rows, plan.metrics):
        scores = fold_table(plan, results).pivot(
            index="fold", columns="contestant", values=metric.name
        )
        differences = scores.sub(scores[plan.baseline], axis=0).dropna(axis=1)
        smallest = min(len(fold.test) for fold in plan.folds)
        for name, values in differences.items():
            if len(values) > 1 and values.any() and values.std() < 1 / (12**0.5 * smallest):
                notes.append(
                    f"{name}: the difference in {metric.name} is the same on every fold to within "
                    "a test row, so its p-value and probabilities are surer than they should be; "
                    "more folds or repetitions would tell."
                )
    return notes


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _std(values: list[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
