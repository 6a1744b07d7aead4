"""One line around a stock GridSearchCV, and its networks train together.

The same search three times: as it is, within ``skmlp.fused()``, and dealt to one process per
core, each of which trains its share together. The scores are the same; the times are printed.
Small networks gain most. Give your own data as a CSV file and the name of its target column:

    python examples/fused_search.py [FILE.csv TARGET]
"""

import os
import sys
import warnings
from time import perf_counter

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmlp

QUICK = bool(os.environ.get("SKMLP_EXAMPLE_QUICK"))


def load_rows():
    if len(sys.argv) == 3:
        table = pd.read_csv(sys.argv[1])
        return table.drop(columns=sys.argv[2]).to_numpy(), table[sys.argv[2]].to_numpy()
    return load_breast_cancer(return_X_y=True)


def timed(search, X, y):
    start = perf_counter()
    return search.fit(X, y), perf_counter() - start


def main():
    X, y = load_rows()
    model = make_pipeline(
        StandardScaler(),
        skmlp.MLPClassifier((20,), batch_size=32, max_iter=10 if QUICK else 100, random_state=0),
    )
    grid = {
        "mlpclassifier__alpha": [1e-4, 1e-2, 1.0],
        "mlpclassifier__learning_rate_init": [1e-3, 1e-2],
        "mlpclassifier__dropout": [0.0, 0.2],
        "mlpclassifier__initialization": ["he_normal", "glorot_uniform"],
    }
    search = GridSearchCV(model, grid, cv=5)
    warnings.simplefilter("ignore", ConvergenceWarning)

    alone, seconds = timed(clone(search).set_params(n_jobs=2), X, y)
    print(f"GridSearchCV(n_jobs=2)                      {seconds:5.1f} s, {alone.best_score_:.4f}")

    with skmlp.fused(progress=sys.stderr.isatty()):
        fused, seconds = timed(clone(search), X, y)
    print(f"the same within skmlp.fused()               {seconds:5.1f} s, {fused.best_score_:.4f}")

    with skmlp.fused(engine="loky"):
        dealt, seconds = timed(clone(search), X, y)
    print(f"the same within skmlp.fused(engine='loky')  {seconds:5.1f} s, {dealt.best_score_:.4f}")

    for other in (fused, dealt):
        scores = other.cv_results_["mean_test_score"]
        difference = np.abs(scores - alone.cv_results_["mean_test_score"]).max()
        print(f"largest difference of a mean score: {difference:.1g}")
    print("best:", {k.split("__")[1]: v for k, v in fused.best_params_.items()})


if __name__ == "__main__":
    main()
