"""skore's reports of networks: inside fused() as outside, and on the folds of a comparison."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest
import skore
from helpers import iris, mlp
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import skmlp

GUIDE = Path(__file__).parent.parent.parent / "docs" / "guide.md"

pytestmark = pytest.mark.filterwarnings("ignore")  # those of skore are not ours

PLACES = {
    "outside": nullcontext,
    "fused": skmlp.fused,
    "loky": lambda: skmlp.fused(engine="loky"),
}
inside = pytest.mark.parametrize("place", ["fused", "loky"])
anywhere = pytest.mark.parametrize("place", PLACES)


def network(**parameters):
    return make_pipeline(StandardScaler(), mlp(**parameters))


def folds():
    return StratifiedKFold(3, shuffle=True, random_state=0)


def scores(report) -> list[pd.DataFrame]:
    """Scores of every fold: of the labels, and of the probabilities."""
    return [report.metrics.accuracy(aggregate=None), report.metrics.log_loss(aggregate=None)]


def assert_same_scores(ours, theirs):
    for a, b in zip(scores(ours), scores(theirs), strict=True):
        assert not b.isna().any(axis=None)
        pd.testing.assert_frame_equal(a, b)


@anywhere
def test_a_cross_validation_report_scores_as_scikit_learn(place):
    X, y = iris()
    with PLACES[place]():
        report = skore.CrossValidationReport(network(), X, y, splitter=folds())
        accuracy, _ = scores(report)
    expected = cross_val_score(network(), X, y, cv=folds())
    assert accuracy.to_numpy().ravel().tolist() == pytest.approx(expected.tolist())


@inside
def test_a_cross_validation_report_is_the_same_inside(place):
    X, y = iris()
    outside = skore.CrossValidationReport(network(), X, y, splitter=folds())
    with PLACES[place]():
        report = skore.CrossValidationReport(network(), X, y, splitter=folds())
        assert_same_scores(report, outside)
    assert_same_scores(report, outside)  # its networks are fitted: it needs no fused() to score


@inside
def test_a_comparison_report_is_the_same_inside(place):
    X, y = iris()

    def compared():
        models = {"small": network(), "wide": network(hidden_layer_sizes=(12,))}
        models["linear"] = make_pipeline(StandardScaler(), LogisticRegression())
        return skore.ComparisonReport(
            {
                name: skore.CrossValidationReport(model, X, y, splitter=folds())
                for name, model in models.items()
            }
        )

    outside = compared()
    with PLACES[place]():
        report = compared()
        assert_same_scores(report, outside)
    assert set(scores(report)[0].columns.get_level_values(0)) == {"small", "wide", "linear"}


@inside
def test_evaluate_is_the_same_inside(place):
    X, y = iris()
    models = {"plain": network(), "flat": network(alpha=100.0)}
    outside = skore.evaluate(models, X, y, splitter=folds())
    with PLACES[place]():
        report = skore.evaluate(models, X, y, splitter=folds())
        assert_same_scores(report, outside)


@inside
def test_evaluate_on_one_split_is_the_same_inside(place):
    X, y = iris()
    outside = skore.evaluate(network(), X, y, splitter=0.3).metrics.accuracy()
    with PLACES[place]():
        assert skore.evaluate(network(), X, y, splitter=0.3).metrics.accuracy() == outside


def test_the_block_of_the_guide_gives_the_scores_of_the_comparison(capsys):
    X, y = load_iris(return_X_y=True)
    machines = {"linear": SVC(kernel="linear"), "rbf": SVC(C=10)}
    comparison = skmlp.compare(X, y, machines, cv=3, random_state=0, progress=False)
    [block] = re.findall(r"```py\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    test = comparison.plan.splits[-1][1]
    names = {"comparison": comparison, "plan": comparison.plan, "test": test}
    exec(compile(block, "guide.md", "exec"), names)
    scores = comparison.fold_scores.set_index(["contestant", "fold"])["accuracy"]
    fitted = names["fitted"].metrics.accuracy()
    again = names["again"].metrics.accuracy(aggregate=None)
    for name in machines:
        assert float(fitted[name].iloc[0]) == scores[name, 2]
        assert again[name].to_numpy().ravel().tolist() == scores[name].tolist()
    assert "Accuracy" in capsys.readouterr().out
