"""skorch's callbacks after a fit: what they recorded, and what they did to things of the user."""

from __future__ import annotations

import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback, EpochScoring
from skorch.history import History

from skmlp import MLPClassifier


class Losses(Callback):
    """Appends every epoch's loss to a list of the user's."""

    def __init__(self, losses):
        self.losses = losses

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1, "train_loss"])


def network(*callbacks):
    return MLPClassifier((6,), max_iter=6, random_state=0, callbacks=list(callbacks))


def area():
    return EpochScoring("roc_auc", lower_is_better=False)


@pytest.fixture
def halves(small):
    X, y = small
    return {"X": X[:120], "y": y[:120], "X_val": X[120:], "y_val": y[120:]}


def test_the_history_has_what_epoch_scoring_recorded(halves):
    model = network(area()).fit(**halves)
    assert isinstance(model.history_, History)
    assert model.history_[:, "epoch"] == list(range(1, 7))
    assert model.history_[:, "train_loss"] == model.loss_curve_
    areas = model.history_[:, "roc_auc"]
    final = roc_auc_score(halves["y_val"], model.predict_proba(halves["X_val"])[:, 1])
    assert areas[-1] == pytest.approx(final)
    assert len(set(areas)) > 1


def test_the_fitted_callbacks_have_their_names(halves):
    model = network(area(), ("accuracy", EpochScoring("accuracy", lower_is_better=False)))
    fitted = dict(model.fit(**halves).callbacks_)
    assert set(fitted) >= {"EpochScoring", "accuracy"}
    assert fitted["EpochScoring"].best_score_ == max(model.history_[:, "roc_auc"])
    assert fitted["accuracy"].best_score_ == max(model.history_[:, "accuracy"])


def test_callbacks_of_one_class_have_names_of_their_own(halves):
    model = network(area(), EpochScoring("accuracy", lower_is_better=False)).fit(**halves)
    names = [name for name, callback in model.callbacks_ if isinstance(callback, EpochScoring)]
    assert names == ["EpochScoring_1", "EpochScoring_2"]


def test_a_fit_uses_the_given_callback_and_a_clone_a_copy(halves):
    given = area()
    clone(network(given)).fit(**halves)
    assert not hasattr(given, "best_score_")
    model = network(given).fit(**halves)
    assert dict(model.callbacks_)["EpochScoring"] is given


def test_a_list_of_the_user_is_filled_by_a_fit(small):
    losses: list[float] = []
    model = network(Losses(losses)).fit(*small)
    assert losses == model.loss_curve_
    model.fit(*small)
    assert losses == 2 * model.loss_curve_


def test_a_fit_without_callbacks_has_none(small):
    assert not getattr(network().fit(*small), "callbacks_", [])
