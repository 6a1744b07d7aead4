"""Optuna's pruning callback for skorch, given to a network."""

from __future__ import annotations

from contextlib import nullcontext

import optuna
import pytest
from optuna.trial import TrialState
from optuna_integration import SkorchPruningCallback
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmlp
from skmlp import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental:Warning:optuna")

EPOCHS = 15
anywhere = pytest.mark.parametrize("place", [nullcontext, skmlp.fused], ids=["outside", "fused"])


def network(trial, monitor="train_loss"):
    return MLPClassifier(
        (8,),
        learning_rate_init=trial.suggest_float("rate", 1e-8, 0.1, log=True),
        max_iter=EPOCHS,
        tol=0.0,
        n_iter_no_change=EPOCHS,
        random_state=0,
        callbacks=[SkorchPruningCallback(trial, monitor)],
    )


def optimized(objective, direction="minimize"):
    """A study of two promising rates, and one with which nothing is learned."""
    study = optuna.create_study(
        direction=direction,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=4),
    )
    for rate in (0.03, 0.01, 1e-8):
        study.enqueue_trial({"rate": rate})
    study.optimize(objective, n_trials=3)
    return study


def assert_last_is_pruned(study):
    assert [trial.state for trial in study.trials] == [
        TrialState.COMPLETE,
        TrialState.COMPLETE,
        TrialState.PRUNED,
    ]
    assert len(study.trials[0].intermediate_values) == EPOCHS
    assert study.trials[-1].last_step == 4  # the first after its warm-up


@anywhere
def test_a_hopeless_trial_is_pruned(small, place):
    curves = []

    def objective(trial):
        model = network(trial).fit(*small)
        curves.append(model.loss_curve_)
        return model.loss_

    with place():
        study = optimized(objective)
    assert_last_is_pruned(study)
    for trial, curve in zip(study.trials, curves, strict=False):
        assert list(trial.intermediate_values.values()) == curve
        assert trial.value == curve[-1]
    assert len(curves) == 2


def test_the_score_on_validation_rows_prunes(small):
    X, y = small

    def objective(trial):
        model = network(trial, "valid_score").fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
        return model.validation_scores_[-1]

    assert_last_is_pruned(optimized(objective, "maximize"))


def test_a_network_in_a_pipeline_is_pruned(small):
    def objective(trial):
        model = make_pipeline(StandardScaler(), network(trial)).fit(*small)
        return model[-1].loss_

    assert_last_is_pruned(optimized(objective))
