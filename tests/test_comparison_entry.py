import subprocess
import sys

import numpy as np
import pytest
from comparison_helpers import NEIGHBOURS, Mean, NearestMean
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import RepeatedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

import skmlp
from skmlp import compare
from skmlp.comparison import InputError, compare_plan, entry, load_dataset, make_plan
from skmlp.comparison.progress import Progress

QUIET = {"progress": False, "random_state": 0}


@pytest.fixture(autouse=True)
def globals_untouched():
    """SVR has no random_state, and draws a seed from NumPy's global generator."""


def test_it_is_imported_only_when_asked_for():
    code = (
        "import sys, skmlp; assert 'skmlp.comparison' not in sys.modules; "
        "from skmlp import compare; assert 'torch' not in sys.modules; "
        "assert not {'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "compare" in skmlp.__all__
    with pytest.raises(AttributeError, match="'contrast'"):
        _ = skmlp.contrast


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_the_default_contestants_all_finish(name):
    plan = make_plan(load_dataset(name), quick=True, cv=2, inner_cv=2, random_state=0)
    comparison = compare_plan(plan)
    table = comparison.table
    assert (table["error"] == "").all()
    assert table["size"].gt(0).all()
    assert table["tuning_seconds"].gt(0).all()
    metric = plan.metrics[0].name
    worst = {"wine": 0.85, "diabetes": 0.3}[name]
    assert (table[metric] > worst).all()


def test_everything_can_be_chosen():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    comparison = compare(
        X,
        y,
        {"mean": DummyRegressor(), "ridge": (Ridge(), {"alpha": [0.1, 10]})},
        cv=RepeatedKFold(n_splits=3, n_repeats=2, random_state=1),
        scoring=["r2", "neg_mean_absolute_error"],
        preprocessing="passthrough",
        baseline="ridge",
        rope={"r2": 0.05},
        name="diabetes",
        **QUIET,
    )
    table = comparison.table
    assert table.loc["mean", "r2_worse"] > 0.99
    assert table.loc["mean", "r2_p_value"] < 0.001
    assert table["folds"].tolist() == [6, 6]
    assert comparison.plan.metrics[0].rope == 0.05


def test_frames_with_text_missing_values_and_string_classes():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X["colour"] = np.where(y == 0, "blue", "red")
    X.iloc[3, 0] = np.nan
    X.loc[4, "colour"] = None
    comparison = compare(
        X, y.map({0: "a", 1: "b", 2: "c"}), {"knn": KNeighborsClassifier()}, **QUIET
    )
    assert comparison.table.loc["knn", "accuracy"] > 0.9
    assert set(comparison.predictions["y_pred"]) == {"a", "b", "c"}


def test_groups_and_weights_go_in():
    X, y = load_iris(return_X_y=True)
    groups, weights = np.arange(150) % 30, np.where(y == 0, 0.0, 1.0)
    comparison = compare(X, y, {"svc": SVC()}, groups=groups, sample_weight=weights, cv=3, **QUIET)
    for train, test in comparison.plan.splits:
        assert not set(groups[train]) & set(groups[test])
    predictions = comparison.predictions
    scored = predictions[predictions["y_true"] > 0]
    weighted = (scored["y_pred"] == scored["y_true"]).groupby(scored["fold"]).mean()
    assert comparison.fold_scores["accuracy"].tolist() == pytest.approx(weighted.tolist())


def test_the_same_seed_gives_the_same_scores():
    X, y = load_iris(return_X_y=True)
    estimators = {"mlp": skmlp.MLPClassifier((8,), max_iter=10), "knn": NEIGHBOURS}
    first, again = (compare(X, y, estimators, **QUIET) for _ in range(2))
    for one in (first.table, again.table):
        assert one["error"].tolist() == ["", ""]
    assert first.fold_scores["accuracy"].tolist() == again.fold_scores["accuracy"].tolist()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"y": np.zeros(150)}, "target is 0.0 in every row"),
        ({"cv": 80}, "only 50 rows, too few for 80 folds"),
        ({"y": np.arange(150) == 3}, "Class True of data has only 1 row"),
        ({"estimators": {}}, "estimators is empty"),
        ({"scoring": "speed"}, "Unknown scoring 'speed'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_fitted(options, words):
    X, y = load_iris(return_X_y=True)
    settings = {"X": X, "y": y, "estimators": {"knn": NEIGHBOURS}, **QUIET, **options}
    with pytest.raises(InputError, match=words):
        compare(**settings)


class Interrupting(Progress):
    """Ctrl-C after some folds."""

    def __init__(self, after):
        self.left = after

    def begin(self, dataset, contestant):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1


@pytest.mark.parametrize(("after", "folds"), [(1, [1, 0]), (5, [3, 2])])
def test_an_interrupt_gives_what_is_finished(after, folds, monkeypatch):
    X, y = load_iris(return_X_y=True)
    monkeypatch.setattr(entry, "make_progress", lambda plans: Interrupting(after))
    comparison = compare(X, y, {"knn": NEIGHBOURS, "mean": NearestMean()}, random_state=0)
    assert comparison.partial
    assert comparison.table["folds"].tolist() == folds
    assert comparison.notes[0].startswith(f"Partial: {after} of 10")


def test_an_interrupt_before_anything_is_finished_is_raised(monkeypatch):
    X, y = load_iris(return_X_y=True)
    monkeypatch.setattr(entry, "make_progress", lambda plans: Interrupting(0))
    with pytest.raises(KeyboardInterrupt):
        compare(X, y, {"knn": NEIGHBOURS})


def test_progress_is_shown_unless_refused(capsys):
    X, y = load_diabetes(return_X_y=True)
    compare(X, y, {"mean": Mean()}, cv=2, name="numbers")
    assert "[2/2] numbers: mean" in capsys.readouterr().err
    compare(X, y, {"mean": Mean()}, cv=2, progress=False)
    assert capsys.readouterr().err == ""


def test_on_permuted_labels_nothing_is_significant_in_about_95_percent():
    """200 simulations: two contestants that can learn nothing differ by chance alone."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2))
    estimators = {"first": NearestMean([0]), "second": NearestMean([1])}
    significant = 0
    for simulation in range(200):
        y = rng.permutation(np.arange(100) % 2)
        comparison = compare(
            X,
            y,
            estimators,
            cv=5,
            preprocessing="passthrough",
            task="classification",
            random_state=simulation,
            progress=False,
        )
        significant += comparison.table.loc["second", "accuracy_p_value"] < 0.05
    # 10 are expected; a binomial count is within 2 to 19 with probability 0.995
    assert 2 <= significant <= 19
