"""What came of a comparison: tables, predictions and fitted models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from .environment import describe_environment
from .measurement import how_peaks_are_measured
from .plan import Plan
from .run import FoldResult
from .summary import fold_table, summarize, too_sure
from .text import markdown

__all__ = ["Comparison"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The finished folds of a comparison, and what follows from them.

    Made by `skmlp.compare`.

    Parameters
    ----------
    plan : Plan
        Data, folds, contestants and metrics.
    results : tuple of FoldResult
        One for each contestant and finished fold, in the order they were run.
    seconds : float
        Wall-clock time of the whole.

    Attributes
    ----------
    table : DataFrame
        A row for each contestant, see `skmlp.comparison.summary.summarize`.
    fold_scores : DataFrame
        A row for each contestant and fold: every score, time, memory and size.
    best_params : DataFrame
        A row for each contestant and fold, a column for each parameter.
    predictions : DataFrame
        A row for each contestant and test row.
    tuning : DataFrame
        A row for each setting tried on each fold, with its inner score.
    models : dict of str to list of Pipeline
        Fitted preprocessing and model of each contestant, fold by fold.
    partial : bool
        Whether the run was interrupted.
    notes : list of str
        What a reader of the table has to know.
    settings : dict
        What repeats the comparison: choices, data, versions and machine.
    """

    plan: Plan
    results: tuple[FoldResult, ...]
    seconds: float = float("nan")

    @cached_property
    def table(self) -> pd.DataFrame:
        return summarize(self.plan, self.results)

    @cached_property
    def fold_scores(self) -> pd.DataFrame:
        return fold_table(self.plan, self.results)

    @cached_property
    def best_params(self) -> pd.DataFrame:
        rows = [
            {"contestant": result.contestant, "fold": result.fold, **result.parameters}
            for result in self._finished
        ]
        return pd.DataFrame(rows, columns=_columns(rows, ["contestant", "fold"]), dtype=object)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        frames = [self._predictions(result) for result in self._finished]
        columns = ["contestant", "fold", "row", "y_true", "y_pred"]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    def _predictions(self, result: FoldResult) -> pd.DataFrame:
        rows = self.plan.folds[result.fold].test
        frame = pd.DataFrame(
            {
                "contestant": result.contestant,
                "fold": result.fold,
                "row": rows,
                "y_true": self.plan.dataset.y[rows],
                "y_pred": result.predicted,
            }
        )
        if result.probabilities is not None:
            for label, column in zip(
                self.plan.dataset.classes, result.probabilities.T, strict=True
            ):
                frame[f"probability_{label}"] = column
        return frame

    @cached_property
    def tuning(self) -> pd.DataFrame:
        rows = [
            {
                "contestant": result.contestant,
                "fold": result.fold,
                "score": candidate.mean,
                "score_std": float(np.std(candidate.scores)),
                "chosen": candidate.parameters is result.parameters,
                "error": candidate.error or "",
                **candidate.parameters,
            }
            for result in self._finished
            if result.tuning
            for candidate in result.tuning.candidates
        ]
        first = ["contestant", "fold", "score", "score_std", "chosen", "error"]
        return pd.DataFrame(rows, columns=_columns(rows, first))

    @property
    def models(self) -> dict[str, list[Pipeline]]:
        return {
            one.name: [
                result.model
                for result in self._finished
                if result.contestant == one.name and result.model is not None
            ]
            for one in self.plan.contestants
        }

    @property
    def partial(self) -> bool:
        return len(self.results) < len(self.plan.folds) * len(self.plan.contestants)

    @property
    def _finished(self) -> list[FoldResult]:
        return [result for result in self.results if result.error is None]

    def result(self, contestant: str, fold: int = 0) -> FoldResult:
        """The result of a contestant on a fold.

        Raises
        ------
        KeyError
            If this fold is not finished.
        """
        for result in self.results:
            if (result.contestant, result.fold) == (contestant, fold):
                return result
        raise KeyError(f"{contestant!r} has no result on fold {fold}")

    def pipeline(self, contestant: str, fold: int = 0) -> Pipeline:
        """Unfitted preprocessing and model, with the setting chosen on a fold.

        Parameters
        ----------
        contestant : str
        fold : int, default=0
        """
        chosen = self.result(contestant, fold).parameters
        model: BaseEstimator = self.plan.contestant(contestant).build(**chosen)
        return Pipeline([("preprocessing", clone(self.plan.preprocessing)), ("model", model)])

    @cached_property
    def notes(self) -> list[str]:
        return [*self._incomplete(), *self.plan.notes, *self._footnotes()]

    def _incomplete(self) -> list[str]:
        if not self.partial:
            return []
        total = len(self.plan.folds) * len(self.plan.contestants)
        return [f"Partial: {len(self.results)} of {total} folds of contestants are finished."]

    def _footnotes(self) -> list[str]:
        """What the numbers alone would hide: failures, and fits that did not converge."""
        notes = [f"{name}: {error}" for name, error in self.table["error"].items() if error]
        notes += too_sure(self.plan, self.results)
        notes += [
            f"{name}: {int(row.unconverged)} of {int(row.fits)} fits stopped at their iteration "
            "limit (convergence warning)."
            for name, row in self.table.iterrows()
            if row.unconverged
        ]
        failed = self.tuning[self.tuning["error"] != ""]
        notes += [
            f"{name}: {len(some)} settings tried could not be fitted: {some['error'].iloc[0]}."
            for name, some in failed.groupby("contestant", sort=False)
        ]
        return notes

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        data = self.plan.dataset
        return {
            "data": data.name,
            "source": data.source,
            "rows": data.X.shape[0],
            "features": data.X.shape[1],
            "task": data.task,
            **self.plan.settings,
            "preprocessing": " ".join(str(self.plan.preprocessing).split()),
            "memory": how_peaks_are_measured(),
            "seconds": round(self.seconds, 1),
            **describe_environment(),
        }

    def to_markdown(self) -> str:
        """The table and the notes as Markdown."""
        return markdown(self)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Write `table` as CSV, or return it as text without a path."""
        return self.table.to_csv(path)

    def __repr__(self) -> str:
        state = "partial " if self.partial else ""
        return (
            f"<{state}Comparison of {len(self.plan.contestants)} contestants on "
            f"{self.plan.dataset.name}, {len(self.plan.folds)} folds>"
        )

    def __str__(self) -> str:
        return self.to_markdown()


def _columns(rows: list[dict[str, Any]], first: list[str]) -> list[str]:
    """The first columns, then all others in the order they appear."""
    return list(dict.fromkeys([*first, *(name for row in rows for name in row)]))
