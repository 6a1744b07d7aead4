"""Time scikit-learn's estimators outside and inside ``skmlp.fused()``.

Most have no network of ours: inside, they should cost what they cost outside. Outside and inside
take turns in one process, a short action many times in a row; figures are medians, of ratios too.
What takes over 1.2 times as long inside is measured once more, with twice the repetitions, and
counts (exit code 1) if the lower of both ratios is still over it.

    python benchmarks/inside_fused.py [--repeats 5] [case ...]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from math import ceil
from statistics import median
from time import perf_counter

import numpy as np
import torch
from one_fit import machine
from sklearn.cluster import KMeans, MeanShift
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_digits, make_classification, make_regression
from sklearn.decomposition import LatentDirichletAllocation, MiniBatchDictionaryLearning
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFECV
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LassoCV, LogisticRegression, LogisticRegressionCV, Ridge
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

import skmlp

Action = Callable[[], object]

LIMIT = 1.2
# Seconds that one measurement takes at least: below, the clock and the scheduler are seen.
SHORTEST = 0.05


def holes(X: np.ndarray) -> np.ndarray:
    X = X.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.05] = np.nan
    return X


DIGITS, DIGIT = load_digits(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
ROWS, LABELS = make_classification(600, 20, n_informative=8, random_state=0)
TARGETS = make_regression(600, 20, n_targets=6, random_state=0)[1]
WITH_HOLES = holes(ROWS)
MIXED = np.column_stack([ROWS, np.digitize(ROWS[:, 0], [-1, 0, 1])])


def network() -> skmlp.MLPClassifier:
    return skmlp.MLPClassifier((8,), max_iter=10, random_state=0)


def forest(**parameters) -> RandomForestClassifier:
    return RandomForestClassifier(50, random_state=0, **parameters)


def voters() -> list[tuple[str, object]]:
    return [
        ("linear", make_pipeline(StandardScaler(), LogisticRegression())),
        ("tree", DecisionTreeClassifier(random_state=0)),
        ("neighbors", KNeighborsClassifier()),
    ]


def grid(estimator, n_jobs: int | None = None, cv: int = 3, **values) -> GridSearchCV:
    return GridSearchCV(estimator, values, cv=cv, n_jobs=n_jobs)


def columns(model):
    parts = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), slice(0, 20)),
        (OneHotEncoder(handle_unknown="ignore"), slice(20, 21)),
    )
    return make_pipeline(parts, model)


def imputed_network():
    return make_pipeline(KNNImputer(), StandardScaler(), network())


def boosting() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=20, random_state=0)


def logistic_cv() -> LogisticRegressionCV:
    return LogisticRegressionCV(Cs=5, cv=3, scoring="accuracy")


def dictionary() -> MiniBatchDictionaryLearning:
    return MiniBatchDictionaryLearning(
        10, max_iter=3, batch_size=64, transform_algorithm="lasso_lars", random_state=0
    )


def classification_cases() -> dict[str, Action]:
    """Searches and ensembles of classifiers."""
    tree, svc_grid = (
        DecisionTreeClassifier(random_state=0),
        {"C": [0.1, 1, 10], "gamma": [0.01, 0.1]},
    )
    neighbors = KNeighborsClassifier()
    return {
        "KNeighbors grid": lambda: grid(neighbors, n_neighbors=[1, 5, 9]).fit(DIGITS, DIGIT),
        "KNeighbors grid, n_jobs=2": lambda: grid(neighbors, n_jobs=2, n_neighbors=[1, 5, 9]).fit(
            DIGITS, DIGIT
        ),
        "KNNImputer, scaler, MLP: grid": lambda: grid(
            imputed_network(), mlpclassifier__alpha=[1e-4, 1e-2]
        ).fit(WITH_HOLES, LABELS),
        "RandomForest": lambda: forest().fit(DIGITS, DIGIT),
        "RandomForest, n_jobs=2": lambda: forest(n_jobs=2).fit(DIGITS, DIGIT),
        "RandomForest grid": lambda: grid(forest(), max_depth=[3, None], max_features=[3, 6]).fit(
            ROWS, LABELS
        ),
        "ExtraTrees": lambda: ExtraTreesClassifier(100, random_state=0).fit(DIGITS, DIGIT),
        "Bagging of trees": lambda: BaggingClassifier(tree, 20, random_state=0).fit(DIGITS, DIGIT),
        "Bagging of trees, n_jobs=2": lambda: BaggingClassifier(
            tree, 50, random_state=0, n_jobs=2
        ).fit(DIGITS, DIGIT),
        "LogisticRegressionCV": lambda: logistic_cv().fit(ROWS, LABELS),
        "SVC grid": lambda: grid(SVC(), **svc_grid).fit(ROWS, LABELS),
        "SVC grid, n_jobs=2": lambda: grid(SVC(), n_jobs=2, **svc_grid).fit(DIGITS, DIGIT),
        "OneVsRest of LinearSVC": lambda: OneVsRestClassifier(LinearSVC(random_state=0)).fit(
            DIGITS[:600], DIGIT[:600]
        ),
        "RFECV": lambda: RFECV(LogisticRegression(), cv=3, step=4).fit(ROWS, LABELS),
        "cross_validate of HistGradientBoosting": lambda: cross_validate(
            boosting(), ROWS, LABELS, cv=3
        ),
        "cross_val_predict of SVC": lambda: cross_val_predict(SVC(), DIGITS, DIGIT, cv=3),
        "learning_curve of a tree": lambda: learning_curve(tree, DIGITS, DIGIT, cv=3),
        "Stacking": lambda: StackingClassifier(voters(), cv=3).fit(ROWS, LABELS),
        "Stacking with an MLP": lambda: StackingClassifier(
            [*voters(), ("network", network())], cv=3
        ).fit(ROWS, LABELS),
        "Voting": lambda: VotingClassifier(voters()).fit(ROWS, LABELS),
        "ColumnTransformer": lambda: columns(LogisticRegression()).fit(MIXED, LABELS),
        "ColumnTransformer grid, n_jobs=2": lambda: grid(
            columns(SVC()), n_jobs=2, svc__C=[0.1, 1, 10]
        ).fit(MIXED, LABELS),
    }


def other_cases() -> dict[str, Action]:
    """Everything else; what is fitted before is not timed."""
    nearest = NearestNeighbors(algorithm="brute", metric="canberra", n_jobs=2).fit(DIGITS)
    neighbors, trees = (
        KNeighborsClassifier(n_jobs=2).fit(DIGITS, DIGIT),
        forest().fit(DIGITS, DIGIT),
    )
    small = forest().fit(ROWS, LABELS)
    permuted = partial(permutation_importance, small, ROWS, LABELS, n_repeats=3, random_state=0)
    return {
        "pairwise_distances of one row": lambda: pairwise_distances(DIGITS[:1], DIGITS),
        "pairwise_distances": lambda: pairwise_distances(DIGITS),
        "pairwise_distances, n_jobs=2": lambda: pairwise_distances(DIGITS, n_jobs=2),
        "pairwise_distances, canberra, n_jobs=2": lambda: pairwise_distances(
            DIGITS, metric="canberra", n_jobs=2
        ),
        "NearestNeighbors(n_jobs=2)": lambda: nearest.kneighbors(DIGITS[:500]),
        "KNeighbors(n_jobs=2), one row": lambda: neighbors.predict(DIGITS[:1]),
        "RandomForest, one row": lambda: trees.predict(DIGITS[:1]),
        "RandomForest, all rows": lambda: trees.predict(DIGITS),
        "IsolationForest": lambda: IsolationForest(random_state=0).fit(DIGITS),
        "LassoCV": lambda: LassoCV(cv=5).fit(DIABETES, PROGRESSION),
        "Ridge grid": lambda: grid(Ridge(), alpha=[0.1, 1, 10]).fit(DIABETES, PROGRESSION),
        "MultiOutputRegressor of Ridge": lambda: MultiOutputRegressor(Ridge()).fit(ROWS, TARGETS),
        "MiniBatchDictionaryLearning": lambda: dictionary().fit_transform(DIGITS[:300]),
        "LatentDirichletAllocation": lambda: LatentDirichletAllocation(
            5, max_iter=3, random_state=0
        ).fit(DIGITS[:600]),
        "KMeans": lambda: KMeans(10, n_init=3, random_state=0).fit(DIGITS),
        "MeanShift": lambda: MeanShift(bandwidth=25).fit(DIGITS[:150]),
        "FeatureUnion": lambda: make_union(StandardScaler(), SimpleImputer()).fit_transform(ROWS),
        "permutation_importance": permuted,
        "permutation_importance, n_jobs=2": partial(permuted, n_jobs=2),
    }


def seconds(action: Action, n: int, *, inside: bool) -> float:
    """Seconds of one action, of ``n`` in a row."""
    with skmlp.fused() if inside else nullcontext():
        start = perf_counter()
        for _ in range(n):
            action()
        return (perf_counter() - start) / n


def measured(action: Action, repeats: int) -> tuple[float, float, float]:
    """Median seconds outside and inside, and the median of their ratios."""
    first = seconds(action, 1, inside=False), seconds(action, 1, inside=True)  # and warm up
    n = max(1, ceil(SHORTEST / min(first)))
    pairs = [
        (seconds(action, n, inside=False), seconds(action, n, inside=True)) for _ in range(repeats)
    ]
    outside, inside = zip(*pairs, strict=True)
    return median(outside), median(inside), median(b / a for a, b in pairs)


def is_slower(name: str, action: Action, repeats: int) -> bool:
    """Print a case's row; whether it is slower inside, in both of two measurements."""
    outside, inside, ratio = measured(action, repeats)
    again = measured(action, 2 * repeats)[2] if ratio > LIMIT else None
    slower = again is not None and again > LIMIT
    cells = [name, shown(outside), shown(inside), f"{ratio:.2f}"]
    cells += ["" if again is None else f"{again:.2f}", "slower" if slower else ""]
    print("| " + " | ".join(cells) + " |", flush=True)
    return slower


def shown(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("names", nargs="*", metavar="name", help="part of the names of cases")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    cases = classification_cases() | other_cases()
    names = [n for n in cases if not arguments.names or any(part in n for part in arguments.names)]
    print(machine(torch.get_num_threads()))
    print(f"medians of {arguments.repeats}\n")
    print("| case | outside | inside | inside / outside | again | |")
    print("|" + "---|" * 6)
    slower = [name for name in names if is_slower(name, cases[name], arguments.repeats)]
    print(f"\n{len(slower)} of {len(names)} take over {LIMIT} times as long inside")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
