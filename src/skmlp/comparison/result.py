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
from .figures import draw
from .learning import learning_curve
from .measurement import how_peaks_are_measured
from .plan import Plan
from .report import render_report, render_summary, write_report
from .run import FoldResult
from .summary import fold_table, summarize, too_sure
from .text import markdown
from .writing import replacing

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
    learning_curve : DataFrame
        A row for each contestant, fold and share of the training rows, with its scores. Computed
        when it is first asked for: the chosen settings are fitted again on the shares.
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

    @cached_property
    def learning_curve(self) -> pd.DataFrame:
        return learning_curve(self.plan, self.results)

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
    def any_finished(self) -> bool:
        """Whether there is at least one fold with numbers."""
        return bool(self._finished)

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
        notes += self._not_compared()
        notes += too_sure(self.plan, self.results)
        notes += [
            f"{name}: {int(row.unconverged)} of {int(row.fits)} fits stopped at their iteration "
            "limit (convergence warning)."
            for name, row in self.table.iterrows()
            if row.unconverged
        ]
        notes += [
            f"{one.name}: no probabilities, because predict_proba failed ({why})."
            for one in self.plan.contestants
            if (why := self._no_probabilities(one.name))
        ]
        failed = self.tuning[self.tuning["error"] != ""]
        notes += [
            f"{name}: {_settings_words(some)} could not be fitted on {some['fold'].nunique()} of "
            f"{len(self.plan.folds)} folds: {some['error'].iloc[0].rstrip('.')}."
            for name, some in failed.groupby("contestant", sort=False)
        ]
        return notes

    def _no_probabilities(self, contestant: str) -> str | None:
        """Why there are none on the first fold that should have them."""
        found = [one.no_probabilities for one in self._finished if one.contestant == contestant]
        return next(filter(None, found), None)

    def _not_compared(self) -> list[str]:
        """Why there is no difference, p-value or probability where there might be one."""
        notes = []
        baseline = self.plan.baseline
        if self.table["error"][baseline] and len(self.plan.contestants) > 1:
            notes.append(
                f"The baseline {baseline} has no scores, so nothing is compared with it: choose "
                "another contestant as baseline."
            )
        scores = self.fold_scores
        for metric in self.plan.metrics:
            bad = scores[~np.isfinite(scores[metric.name].astype(float))]
            notes += [
                f"{name}: {metric.name} is not a finite number on {len(some)} of "
                f"{len(self.plan.folds)} folds, so it has no mean."
                for name, some in bad.groupby("contestant", sort=False)
                if not self.table["error"][name]
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

    def plot(self, kind: str | None = None, *, metric: str | None = None) -> Any:
        """Draw a figure.

        Parameters
        ----------
        kind : str, default=None
            "scores" (the same as None): each fold and the mean; "cost": time and size against
            score; "boundaries": of classes, on the two features or on two principal axes;
            "predicted": predicted against true numbers; "rows": learning curves by training rows
            (fits again, see `learning_curve`); "epochs": what networks record while they learn;
            "C" and "parameters": their effect on the inner scores.
        metric : str, default=None
            The score to show, None is the first one. "C" and "parameters" show the tuned one.

        Returns
        -------
        matplotlib.figure.Figure
            Of no window: a notebook shows it, ``savefig`` writes it.

        Raises
        ------
        InputError
            If there is no such figure; the message names those that there are.
        MissingExtraError
            If matplotlib is not installed.
        """
        return draw(self, kind, metric)

    def to_html(self, path: str | Path | None = None) -> str | None:
        """Write one page with table, notes, figures and settings, or return it without a path.

        It needs no other file and no network. The learning curves by rows are fitted for it. A
        figure that cannot be drawn leaves the reason in its place.
        """
        if path is None:
            return render_report([self])
        write_report([self], Path(path))
        return None

    def _repr_html_(self) -> str | None:
        return render_summary(self)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Write `table` as CSV, as a whole or not at all, or return it as text without a path."""
        if path is None:
            return self.table.to_csv()
        with replacing(Path(path)) as draft:
            self.table.to_csv(draft)
        return None

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


def _settings_words(failed: pd.DataFrame) -> str:
    """How many settings the failed rows of `Comparison.tuning` are."""
    parameters = failed.drop(columns=["fold", "score", "score_std", "chosen", "error"])
    count = len(parameters.astype(str).drop_duplicates())
    return "1 setting" if count == 1 else f"{count} settings"
