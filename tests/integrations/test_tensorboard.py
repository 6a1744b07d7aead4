"""TensorBoard's files of networks, through skorch's callback and torch's writer."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import TensorBoard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

import skmlp
from skmlp import MLPClassifier

EPOCHS = 6
GRID = {"learning_rate_init": [0.001, 0.02]}
anywhere = pytest.mark.parametrize("place", [nullcontext, skmlp.fused], ids=["outside", "fused"])


def network(callbacks=None):
    return MLPClassifier((6,), max_iter=EPOCHS, random_state=0, callbacks=callbacks)


@pytest.fixture
def writer(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        yield writer


def written(folder, tag="Loss/train_loss"):
    """Steps and values of a tag, of all fits; fits that start again keep the ones before."""
    events = EventAccumulator(str(folder), purge_orphaned_data=False).Reload().Scalars(tag)
    return [event.step for event in events], np.array([event.value for event in events])


@anywhere
def test_a_fit_writes_its_losses(small, writer, tmp_path, place):
    X, y = small
    with place():
        model = network([TensorBoard(writer)]).fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
    steps, losses = written(tmp_path)
    assert steps == list(range(1, EPOCHS + 1))
    np.testing.assert_allclose(losses, model.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(
        written(tmp_path, "Loss/valid_loss")[1], model.validation_loss_curve_, rtol=1e-6
    )


@anywhere
def test_cross_validation_writes_the_losses_of_every_fold(small, writer, tmp_path, place):
    with place():
        scores = cross_val_score(network([TensorBoard(writer)]), *small, cv=3, error_score="raise")
    assert scores.tolist() == cross_val_score(network(), *small, cv=3).tolist()
    steps, _ = written(tmp_path)
    assert sorted(steps) == sorted(3 * list(range(1, EPOCHS + 1)))


@anywhere
def test_a_search_writes_the_losses_of_every_fit(small, writer, tmp_path, place):
    with place():
        search = GridSearchCV(network([TensorBoard(writer)]), GRID, cv=2, error_score="raise")
        search.fit(*small)
    plain = GridSearchCV(network(), GRID, cv=2).fit(*small)
    assert search.best_params_ == plain.best_params_
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )
    steps, losses = written(tmp_path)
    assert len(steps) == (2 * 2 + 1) * EPOCHS
    for step, loss in enumerate(plain.best_estimator_.loss_curve_, 1):
        assert np.isclose(losses[np.array(steps) == step], loss, rtol=1e-6).sum() >= 1
