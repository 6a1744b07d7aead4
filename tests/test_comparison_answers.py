import numpy as np
import pytest
from comparison_helpers import NearestMean, plan_of
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import make_scorer

from skmlp import MLPClassifier
from skmlp.comparison import Contestant, compare_plan, load_dataset, make_dataset
from skmlp.comparison.answers import Usual, predictions, probabilities, two_columns, usual
from skmlp.comparison.report import render_report

CIRCLES = load_dataset("circles")
X, y = CIRCLES.X.to_numpy(), CIRCLES.y


class Column(NearestMean):
    """Predicts shape (n, 1)."""

    def predict(self, X):
        return super().predict(X)[:, None]


class ColumnOfNumbers(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.model_ = LinearRegression().fit(X, y[:, None])
        return self

    def predict(self, X):
        return self.model_.predict(X)


class SecondOnly(ClassifierMixin, BaseEstimator):
    """Probabilities of the second class alone."""

    def __init__(self, column=False):
        self.column = column

    def fit(self, X, y):
        self.model_ = LogisticRegression().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        found = self.model_.predict_proba(X)[:, 1]
        return found[:, None] if self.column else found


class Speechless(NearestMean):
    def predict_proba(self, X):
        raise RuntimeError("not calibrated yet\nand more")


def test_predictions_of_one_column_are_one_for_each_row():
    flat, column = (
        compare_plan(plan_of(CIRCLES, Contestant("a", one))) for one in (NearestMean(), Column())
    )
    assert column.predictions["y_pred"].tolist() == flat.predictions["y_pred"].tolist()
    assert column.table["accuracy"].tolist() == flat.table["accuracy"].tolist()


def test_a_score_of_ones_own_does_not_broadcast_a_column_against_the_target():
    squared = make_scorer(lambda y, found: np.mean((y - found) ** 2), greater_is_better=False)
    data = load_dataset("diabetes")
    flat, column = (
        compare_plan(plan_of(data, Contestant("a", one), scoring={"squared": squared}))
        for one in (LinearRegression(), ColumnOfNumbers())
    )
    np.testing.assert_allclose(column.table["squared"], flat.table["squared"])
    column.plot("predicted")


@pytest.mark.parametrize("column", [False, True])
def test_probabilities_of_the_second_class_alone_are_completed_in_table_and_scores(column):
    both, second = (
        compare_plan(
            plan_of(CIRCLES, Contestant("a", one), scoring=["roc_auc", "neg_log_loss", "accuracy"])
        )
        for one in (LogisticRegression(), SecondOnly(column))
    )
    for name in ("roc_auc", "neg_log_loss", "accuracy"):
        np.testing.assert_allclose(second.table[name], both.table[name])
    for label in (0, 1):
        np.testing.assert_allclose(
            second.predictions[f"probability_{label}"], both.predictions[f"probability_{label}"]
        )
    second.plot("boundaries")


def test_a_contestant_whose_predict_proba_fails_keeps_its_accuracy_and_a_note_says_so():
    silent, speechless = (
        compare_plan(plan_of(CIRCLES, Contestant("a", one)))
        for one in (NearestMean(), Speechless())
    )
    assert speechless.table["accuracy"].tolist() == silent.table["accuracy"].tolist()
    assert list(speechless.predictions) == list(silent.predictions)
    [note] = [note for note in speechless.notes if "predict_proba" in note]
    assert note.startswith("a: no probabilities")
    assert "RuntimeError: not calibrated yet)" in note
    assert not any("predict_proba" in note for note in silent.notes)
    speechless.plot("boundaries")


def test_where_a_score_needs_them_probabilities_that_fail_are_an_error():
    found = compare_plan(plan_of(CIRCLES, Contestant("a", Speechless()), scoring="roc_auc"))
    assert "not calibrated yet" in found.table.loc["a", "error"]


def test_a_class_that_a_model_has_not_seen_has_probability_zero():
    y = np.array(["a", "b", "c"] * 30)
    dataset = make_dataset(np.arange(90.0)[:, None], y)
    seen = np.flatnonzero(y != "c")
    found = compare_plan(
        plan_of(
            dataset, Contestant("a", LogisticRegression()), cv=[(seen[:40], seen[40:])], tune=False
        )
    )
    assert (found.predictions["probability_c"] == 0).all()
    np.testing.assert_allclose(found.predictions[["probability_a", "probability_b"]].sum(axis=1), 1)


class Reversed(LogisticRegression):
    """Its classes stand in another order."""

    def fit(self, X, y):
        super().fit(X, y)
        self.classes_, self.coef_, self.intercept_ = (
            self.classes_[::-1],
            -self.coef_,
            -self.intercept_,
        )
        return self


def test_probabilities_stand_under_their_class_whatever_the_order_of_the_model():
    found = probabilities(Reversed().fit(X, y), X, (0, 1))
    np.testing.assert_allclose(found, LogisticRegression().fit(X, y).predict_proba(X))


class Answering:
    classes_ = np.array([0, 1])

    def __init__(self, answer):
        self.answer = answer

    def predict(self, X):
        return self.answer

    predict_proba = predict


@pytest.mark.parametrize("shape", [(5,), (10, 2), (), (1, 10)])
def test_predictions_that_are_not_one_for_each_row_are_an_error(shape):
    with pytest.raises(ValueError, match=r"predict gave shape .*expected \(10,\)"):
        predictions(Answering(np.zeros(shape)), X[:10])


@pytest.mark.parametrize("shape", [(5, 2), (10, 3), (9,)])
def test_probabilities_that_fit_neither_rows_nor_classes_are_an_error(shape):
    with pytest.raises(ValueError, match=r"predict_proba gave shape .*expected \(10, 2\)"):
        probabilities(Answering(np.zeros(shape)), X[:10], (0, 1))


def test_classes_that_are_not_of_the_target_are_an_error():
    with pytest.raises(ValueError, match=r"classes_ is \[0, 1\]"):
        probabilities(Answering(np.zeros((10, 2))), X[:10], ("no", "yes"))


def test_answers_are_no_views_of_a_buffer_of_the_model():
    model = Answering(np.zeros((10, 2)))
    first = predictions(Answering(model.answer[:, 0]), X[:10])
    second = probabilities(model, X[:10], (0, 1))
    model.answer[:] = 7
    assert (first == 0).all()
    assert (second == 0).all()


def test_a_model_with_usual_answers_is_scored_as_it_is():
    for model in (LogisticRegression().fit(X, y), NearestMean().fit(X, y), MLPClassifier()):
        assert usual(model, X, with_probabilities=hasattr(model, "predict_proba")) is model
    assert isinstance(usual(Column().fit(X, y), X, False), Usual)
    second = SecondOnly().fit(X, y)
    assert usual(second, X, with_probabilities=False) is second
    mended = usual(second, X, with_probabilities=True)
    assert mended.predict_proba(X).shape == (1000, 2)
    assert mended.classes_ is second.classes_
    assert not hasattr(mended, "decision_function")


def test_two_columns_sum_to_one():
    np.testing.assert_array_equal(two_columns([0.25, 1]), [[0.75, 0.25], [0, 1]])
    np.testing.assert_array_equal(two_columns([[0.25], [1]]), [[0.75, 0.25], [0, 1]])
    np.testing.assert_array_equal(two_columns([[0.3, 0.7]]), [[0.3, 0.7]])


@pytest.mark.parametrize("estimator", [Column(), SecondOnly(), Speechless()])
def test_a_page_has_all_figures_whatever_the_shape_of_the_answers(estimator):
    comparison = compare_plan(plan_of(CIRCLES, Contestant("a", estimator)))
    assert "could not be drawn" not in render_report([comparison])
