"""What decides about improvement: the score, the loss, or a scorer of the user's."""

from __future__ import annotations

import pickle
import threading
import time
import traceback
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from helpers import iris, mlp
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.metrics import (
    accuracy_score,
    fbeta_score,
    get_scorer,
    log_loss,
    make_scorer,
    mean_squared_error,
)
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

import skmlp
from skmlp import MLPRegressor
from skmlp.machine.processor import denormals_are_flushed

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
executors = pytest.mark.parametrize("executor", ["torch", "compiled"])


def problem(kind):
    """An unfitted estimator; rows to train on and to validate on."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    if kind == "numbers":
        y = X @ [1.0, -1.0, 0.5, 0.0] + 0.3 * rng.normal(size=120)
        model = MLPRegressor((5,), learning_rate_init=0.03, random_state=0)
    else:
        model = mlp(hidden_layer_sizes=(5,), learning_rate_init=0.03)
    if kind == "two classes":
        y = np.array(["no", "yes"])[(X[:, 0] + rng.normal(size=120) > 0).astype(int)]
    if kind == "three classes":
        y = np.digitize(X[:, 0] + 0.5 * rng.normal(size=120), [-0.5, 0.5]) * 10
    if kind == "labels":
        X, y = make_multilabel_classification(120, 4, n_classes=3, n_labels=2, random_state=0)
        X = X / 10
    return model, (X[:80], y[:80]), (X[80:], y[80:])


METRICS = [
    ("two classes", "roc_auc"),
    ("two classes", make_scorer(fbeta_score, beta=2, pos_label="yes")),
    ("three classes", "neg_log_loss"),
    ("three classes", "roc_auc_ovr"),
    ("labels", "f1_macro"),
    ("labels", "average_precision"),
    ("numbers", "neg_mean_absolute_error"),
    ("numbers", lambda model, X, y: -np.abs(model.predict(X) - y).max()),
]


@executors
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize(("kind", "metric"), METRICS, ids=lambda value: str(value).split(" at ")[0])
def test_scores_are_those_of_the_model_that_training_would_have_left(
    kind, metric, optimizer, executor
):
    model, rows, held_out = problem(kind)
    model.set_params(optimizer=optimizer, max_iter=6, early_stopping_metric=metric)
    with skmlp.config(executor=executor):
        scores = model.fit(*rows, X_val=held_out[0], y_val=held_out[1]).validation_scores_
        shorter = [clone(model).set_params(max_iter=n).fit(*rows) for n in range(1, 7)]
    score = get_scorer(metric)
    np.testing.assert_allclose(scores, [score(m, *held_out) for m in shorter], rtol=1e-7)
    assert len(set(scores)) > 1


@executors
@pytest.mark.parametrize("kind", ["three classes", "numbers"])
def test_the_loss_is_the_negative_score(kind, executor):
    model, rows, held_out = problem(kind)
    model.set_params(max_iter=5, early_stopping=True, early_stopping_metric="loss", tol=0)
    with skmlp.config(executor=executor):
        model.fit(*rows, X_val=held_out[0], y_val=held_out[1])
    assert model.validation_scores_ == [-loss for loss in model.validation_loss_curve_]
    assert model.best_validation_score_ == max(model.validation_scores_)
    X, y = held_out
    expected = (
        log_loss(y, model.predict_proba(X))
        if kind == "three classes"
        else mean_squared_error(y, model.predict(X)) / 2
    )
    assert -model.best_validation_score_ == pytest.approx(expected)


def epochs_by_hand(scores, tol, patience):
    """How many epochs early stopping makes of a long curve, and which is best, from 1."""
    best, count, n = -np.inf, 0, 0
    for score in scores:
        n += 1
        count = 0 if score >= best + tol else count + 1
        best = max(best, score)
        if count > patience:
            break
    return n, int(np.argmax(scores[:n])) + 1


@executors
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize(("tol", "patience"), [(0.0, 2), (0.01, 3), (0.05, 1)])
@pytest.mark.parametrize("metric", ["score", None, "loss", "neg_log_loss", "roc_auc_ovr"])
def test_the_metric_stops_training_and_chooses_the_weights(
    metric, tol, patience, optimizer, executor
):
    model, rows, (X_val, y_val) = problem("three classes")
    given = {"X_val": X_val, "y_val": y_val}
    model.set_params(
        optimizer=optimizer, early_stopping_metric=metric, learning_rate_init=0.1, tol=0.0
    )
    with skmlp.config(executor=executor):
        watched = clone(model).set_params(max_iter=40, n_iter_no_change=np.inf).fit(*rows, **given)
        expected, best = epochs_by_hand(watched.validation_scores_, tol, patience)
        # tol of "lbfgs" is one of gradients too, which may end it before
        stopping = {"early_stopping": True, "tol": tol, "n_iter_no_change": patience}
        stopped = clone(model).set_params(max_iter=40, **stopping).fit(*rows, **given)
        at_best = clone(model).set_params(max_iter=best, n_iter_no_change=np.inf).fit(*rows)
    if stopped.stopping_reason_ == "converged":
        assert stopped.n_iter_ <= expected
        return
    assert stopped.n_iter_ == expected
    assert (stopped.stopping_reason_ == "early_stopping") == (expected < 40)
    np.testing.assert_allclose(stopped.coefs_[0], at_best.coefs_[0], rtol=1e-9)
    assert stopped.best_validation_score_ == max(watched.validation_scores_[:expected])


# Weights of the held-out rows


@executors
def test_weights_of_held_out_rows_go_to_the_scorer(executor):
    model, rows, (X_val, y_val) = problem("three classes")
    weights = np.random.default_rng(1).uniform(0.1, 3.0, len(y_val))
    model.set_params(max_iter=3, early_stopping_metric="accuracy")
    with skmlp.config(executor=executor):
        model.fit(*rows, X_val=X_val, y_val=y_val, sample_weight_val=weights)
    expected = accuracy_score(y_val, model.predict(X_val), sample_weight=weights)
    assert model.validation_scores_[-1] == pytest.approx(expected)
    assert expected != model.score(X_val, y_val)


@pytest.mark.parametrize("takes", [True, False])
def test_a_function_gets_weights_if_it_names_them(takes):
    seen = []

    def with_weights(model, X, y, sample_weight=None):
        seen.append(sample_weight)
        return 0.0

    def without(model, X, y):
        seen.append("none")
        return 0.0

    model, rows, (X_val, y_val) = problem("two classes")
    model.set_params(max_iter=1, early_stopping_metric=with_weights if takes else without)
    weights = np.arange(1.0, 1 + len(y_val))
    clone(model).fit(*rows, X_val=X_val, y_val=y_val, sample_weight_val=weights)
    model.fit(*rows, X_val=X_val, y_val=y_val)
    if takes:
        np.testing.assert_array_equal(seen[0], weights)
    assert (seen[1] is None) if takes else (seen == ["none"] * 2)


def test_metadata_routing_may_be_on():
    import sklearn

    model, rows, (X_val, y_val) = problem("two classes")
    weights = np.arange(1.0, 1 + len(y_val))
    model.set_params(max_iter=2, early_stopping_metric="accuracy")
    given = {"X_val": X_val, "y_val": y_val, "sample_weight_val": weights}
    expected = clone(model).fit(*rows, **given).validation_scores_
    with sklearn.config_context(enable_metadata_routing=True):
        assert model.fit(*rows, **given).validation_scores_ == expected


# What a scorer is shown


class Shown:
    """A scorer that keeps what it is shown."""

    def __init__(self):
        self.models, self.rows = [], []

    def __call__(self, model, X, y):
        self.models.append(model)
        self.rows.append((X, y))
        return model.score(X, y)

    def __deepcopy__(self, memo):
        return self


@executors
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_the_estimator_is_shown_as_it_is_after_the_epoch(executor, is_sparse, dtype):
    model, (X, y), (X_val, y_val) = problem("two classes")
    X, X_val = X.astype(dtype), X_val.astype(dtype)
    if is_sparse:
        X, X_val = scipy.sparse.csr_matrix(X), scipy.sparse.csr_matrix(X_val)
    scorer = Shown()
    model.set_params(max_iter=3, early_stopping_metric=scorer)
    with skmlp.config(executor=executor):
        model.fit(X, y, X_val=X_val, y_val=y_val)
    last = scorer.models[-1]
    assert is_classifier(last)
    assert last.get_params() == model.get_params()
    assert last.n_features_in_ == 4
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        found, expected = (getattr(m, name)(scorer.rows[-1][0]) for m in (last, model))
        assert found.dtype == expected.dtype
        if name == "predict":
            np.testing.assert_array_equal(found, expected)
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(last.predict(X), model.predict(X))  # other rows
    np.testing.assert_array_equal(last.classes_, ["no", "yes"])
    np.testing.assert_array_equal(scorer.rows[0][1], y_val)
    for ours, theirs in zip(last.coefs_, model.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (scorer.models[0].coefs_[0] != last.coefs_[0]).any()


def test_what_is_shown_can_be_cloned_pickled_and_refitted():
    model, rows, (X_val, y_val) = problem("three classes")
    scorer = Shown()
    model.set_params(max_iter=2, early_stopping_metric=scorer)
    model.fit(*rows, X_val=X_val, y_val=y_val)
    shown = scorer.models[-1]
    fresh = clone(shown).set_params(early_stopping_metric="score")
    assert not hasattr(fresh, "coefs_")
    assert fresh.fit(*rows).predict(X_val).shape == y_val.shape
    shown.early_stopping_metric = "score"
    again = pickle.loads(pickle.dumps(shown))
    np.testing.assert_allclose(again.predict_proba(X_val), shown.predict_proba(X_val), rtol=1e-9)


def test_nothing_of_an_earlier_fit_is_shown():
    model, rows, (X_val, y_val) = problem("three classes")
    scorer = Shown()
    model.set_params(max_iter=2, warm_start=True, early_stopping_metric=scorer)
    model.fit(*rows).fit(*rows, X_val=X_val, y_val=y_val)
    assert not hasattr(scorer.models[0], "loss_curve_")
    np.testing.assert_array_equal(scorer.models[-1].coefs_[0], model.coefs_[0])


def test_frames_do_not_warn_of_names():
    model, (X, y), (X_val, y_val) = problem("three classes")
    names = list("abcd")
    scorer = Shown()
    model.set_params(max_iter=2, early_stopping_metric=scorer)
    given = {"X_val": pd.DataFrame(X_val, columns=names), "y_val": y_val}
    model.fit(pd.DataFrame(X, columns=names), y, **given)
    np.testing.assert_array_equal(scorer.rows[0][0], X_val)


@executors
def test_torch_is_as_usual_inside_a_scorer(executor):
    def scorer(model, X, y):
        assert not denormals_are_flushed()
        weight = torch.ones(3, requires_grad=True)
        (weight.square().sum()).backward()
        return float(weight.grad.sum())

    model, rows, (X_val, y_val) = problem("three classes")
    model.set_params(max_iter=2, early_stopping_metric=scorer)
    with skmlp.config(executor=executor):
        model.fit(*rows, X_val=X_val, y_val=y_val)
    assert model.validation_scores_ == [6.0] * 2


def test_callbacks_see_the_metric():
    model, rows, (X_val, y_val) = problem("three classes")
    model.set_params(max_iter=3, early_stopping_metric="neg_log_loss", callbacks=[Callback()])
    model.fit(*rows, X_val=X_val, y_val=y_val)
    assert model.history_[:, "valid_score"] == model.validation_scores_
    np.testing.assert_allclose(
        model.validation_scores_, [-loss for loss in model.validation_loss_curve_]
    )


def test_without_validation_the_metric_is_not_asked():
    model, rows, _ = problem("three classes")
    scorer = Shown()
    model.set_params(max_iter=2, early_stopping_metric=scorer).fit(*rows)
    model.partial_fit(*rows)
    assert scorer.models == []


# Errors


@pytest.mark.parametrize("value", ["auc", 3, ["loss"], {"a": "loss"}, True])
def test_what_is_no_metric_is_an_error(value):
    model, rows, _ = problem("three classes")
    message = "'early_stopping_metric' parameter of MLPClassifier must be 'score', 'loss', a name"
    with pytest.raises(ValueError, match=message):
        model.set_params(early_stopping_metric=value).fit(*rows)


def test_a_metric_function_is_no_scorer():
    model, rows, _ = problem("three classes")
    with pytest.raises(ValueError, match="looks like it is a metric function"):
        model.set_params(early_stopping=True, early_stopping_metric=accuracy_score).fit(*rows)


def fails(executor, kind, scorer, error, match, **parameters):
    model, rows, (X_val, y_val) = problem(kind)
    model.set_params(early_stopping_metric=scorer, max_iter=4, **parameters)
    with skmlp.config(executor=executor), pytest.raises(error, match=match) as caught:
        model.fit(*rows, X_val=X_val, y_val=y_val)
    assert not hasattr(model, "coefs_")
    return caught.value


@executors
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    ("value", "match"),
    [
        (np.nan, "returned nan on the 40 validation rows after epoch 2: .*X_val and y_val"),
        (-np.inf, "returned -inf on the 40"),
        ({"a": 1.0}, "must return one number, .*Got {'a': 1.0} after epoch 2"),
        (None, "must return one number"),
    ],
)
def test_a_scorer_must_return_a_number(executor, optimizer, value, match):
    values = iter([0.5, value])

    def scorer(model, X, y):
        return next(values)

    fails(executor, "two classes", scorer, ValueError, match, optimizer=optimizer)


@executors
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_what_a_scorer_raises_is_raised_with_a_note(executor, optimizer):
    def scorer(model, X, y):
        raise OSError("no disk")

    error = fails(executor, "numbers", scorer, OSError, "no disk", optimizer=optimizer)
    assert "early_stopping_metric=<function" in error.__notes__[0]
    assert "after epoch 1" in "".join(traceback.format_exception(error))


@executors
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_scorer_cannot_end_training_by_stopping_an_iteration(executor, optimizer):
    def scorer(model, X, y):
        return next(iter(()))

    fails(executor, "numbers", scorer, RuntimeError, "StopIteration", optimizer=optimizer)


@executors
def test_a_scorer_for_classes_says_so_of_a_regressor(executor):
    fails(executor, "numbers", "roc_auc", (AttributeError, ValueError), "MLPRegressor|continuous")


@pytest.mark.parametrize("loss", ["hinge", lambda z, t: (z - t).square().sum(1)])
def test_a_scorer_of_probabilities_needs_a_loss_that_has_them(loss):
    message = r"early_stopping_metric='neg_log_loss' needs probabilities.*loss=.*metric='score'"
    fails("auto", "three classes", "neg_log_loss", ValueError, message, loss=loss)


@executors
def test_divergence_is_told_before_a_scorer_sees_it(executor):
    parameters = {"optimizer": "sgd", "learning_rate_init": 1e200, "activation": "identity"}
    fails(executor, "numbers", "neg_max_error", ValueError, "Training diverged", **parameters)


# Fused


def as_alone(fused, alone):
    for one, other in zip(fused, alone, strict=True):
        assert (one.n_iter_, one.stopping_reason_) == (other.n_iter_, other.stopping_reason_)
        np.testing.assert_allclose(one.coefs_[0], other.coefs_[0], rtol=1e-9)
        np.testing.assert_allclose(one.validation_scores_, other.validation_scores_, rtol=1e-9)


@executors
def test_networks_of_one_stack_have_metrics_of_their_own(executor):
    model, rows, (X_val, y_val) = problem("three classes")
    model.set_params(early_stopping=True, max_iter=25, n_iter_no_change=2, learning_rate_init=0.1)
    settings = [
        {"early_stopping_metric": metric, "validation_every": every, "max_time": limit}
        for metric in ("score", "loss", "neg_log_loss", "balanced_accuracy")
        for every, limit in ((1, None), (2, 1e6), (7, None))
    ]

    def fitted(one):
        return clone(model).set_params(**one).fit(*rows, X_val=X_val, y_val=y_val)

    with skmlp.config(executor=executor):
        alone = [fitted(one) for one in settings]
        with skmlp.fused():
            together = Parallel()(delayed(fitted)(one) for one in settings)
    as_alone(together, alone)
    assert len({m.n_iter_ for m in alone}) > 3


@executors
def test_a_search_over_metrics_finds_the_same(executor):
    X, y = iris()
    search = GridSearchCV(
        mlp(early_stopping=True, max_iter=20, n_iter_no_change=2),
        {"early_stopping_metric": ["score", "loss", "neg_log_loss", "f1_macro"]},
        cv=3,
        error_score="raise",
    )
    with skmlp.config(executor=executor):
        alone = clone(search).fit(X, y)
        with skmlp.fused():
            fused = clone(search).fit(X, y)
    results = [s.cv_results_["mean_test_score"] for s in (fused, alone)]
    np.testing.assert_allclose(*results, rtol=1e-9)
    assert fused.best_params_ == alone.best_params_


@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
@executors
def test_a_scorer_that_fails_fails_its_own_fit_once(executor):
    n_calls = []

    def failing(model, X, y):
        n_calls.append(1)
        raise ZeroDivisionError

    X, y = iris()
    grid = {"early_stopping_metric": ["score", failing, "loss"]}
    search = GridSearchCV(mlp(early_stopping=True), grid, cv=2, refit=False)
    with (
        skmlp.config(executor=executor),
        skmlp.fused(),
        pytest.warns(FitFailedWarning, match="2 fits failed"),
    ):
        scores = search.fit(X, y).cv_results_["mean_test_score"]
    assert np.isnan(scores).tolist() == [False, True, False]
    assert len(n_calls) == 2


@executors
def test_scorers_run_one_at_a_time_in_the_thread_that_searches(executor, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    threads, running, most = set(), [], []

    def scorer(model, X, y):
        running.append(1)
        most.append(len(running))
        threads.add(threading.current_thread())
        time.sleep(0.001)
        running.pop()
        return model.score(X, y)

    X, y = iris()
    model = mlp(early_stopping=True, early_stopping_metric=scorer, max_iter=5)
    grid = [{"alpha": [1e-4, 1.0]}, {"early_stopping_metric": ["score", "loss"]}]
    with skmlp.config(executor=executor), skmlp.fused():
        GridSearchCV(model, grid, cv=3, refit=False).fit(X, y)
    assert set(most) == {1}
    assert threads == {threading.current_thread()}


@executors
@pytest.mark.parametrize("fused", [False, True])
def test_warnings_of_a_scorer_meet_the_filters_of_its_fit(executor, fused):
    def scorer(model, X, y):
        warnings.warn("odd rows", RuntimeWarning, stacklevel=1)
        return model.score(X, y)

    X, y = iris()
    model = mlp(early_stopping=True, early_stopping_metric=scorer, max_iter=2)

    def fitted(action):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter(action)
            try:
                clone(model).fit(X, y)
            except RuntimeWarning as error:
                return str(error)
        return [str(w.message) for w in seen if not issubclass(w.category, ConvergenceWarning)]

    actions = ["always", "ignore", "error", "always"]
    with skmlp.config(executor=executor):
        if fused:
            with skmlp.fused():
                found = Parallel()(delayed(fitted)(action) for action in actions)
        else:
            found = [fitted(action) for action in actions]
    assert found == [["odd rows"] * 2, [], "odd rows", ["odd rows"] * 2]
