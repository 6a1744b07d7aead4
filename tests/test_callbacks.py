from __future__ import annotations

import pickle
import signal
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import torch
from helpers import make_task
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LRScheduler,
    PrintLog,
    ProgressBar,
)
from skorch.callbacks.scoring import BatchScoring
from skorch.dataset import Dataset
from torch.optim.lr_scheduler import StepLR

from skmlp import MLPClassifier, MLPRegressor
from skmlp.task import CallbackView
from skmlp.training import callbacks
from skmlp.training.callbacks import StackLoss, TrainingEngine


class Recorder(Callback):
    """Keeps what it is told, outside of itself: the estimator clones callbacks."""

    told: list = []

    def on_train_begin(self, net, **kwargs):
        type(self).told = [("train_begin", None)]
        type(self).net = net

    def on_epoch_begin(self, net, **kwargs):
        self.told.append(("epoch_begin", len(net.history)))

    def on_batch_end(self, net, batch, training, loss, y_pred, **kwargs):
        self.told.append(("batch_end", (training, len(batch[1]), tuple(y_pred.shape))))

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.told.append(("grad", max(p.grad.abs().max().item() for _, p in named_parameters)))

    def on_epoch_end(self, net, dataset_train, dataset_valid, **kwargs):
        self.told.append(("epoch_end", dict(net.history[-1])))

    def on_train_end(self, net, **kwargs):
        self.told.append(("train_end", None))


def data(n=90):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    return X, np.array(["no", "yes"])[(X[:, 0] + X[:, 1] > 0).astype(int)]


def fit(*callbacks, cls=MLPClassifier, **parameters):
    X, y = data()
    if cls is MLPRegressor:
        y = X[:, 0]
    model = cls((8,), random_state=0, callbacks=list(callbacks), batch_size=32, **parameters)
    return model.fit(X, y, X_val=X[:40], y_val=y[:40])


def history_of(*callbacks, **parameters):
    model = fit(*callbacks, Recorder(), **parameters)
    return model, Recorder.net.history


def test_callbacks_are_told_everything_in_order():
    fit(Recorder(), max_iter=2)
    names = [name for name, _ in Recorder.told]
    epoch = ["epoch_begin", *["grad", "batch_end"] * 3, "batch_end", "batch_end", "epoch_end"]
    assert names == ["train_begin", *epoch, *epoch, "train_end"]
    batches = [told for name, told in Recorder.told if name == "batch_end"][:5]
    assert batches == [
        (True, 32, (32, 1)),
        (True, 32, (32, 1)),
        (True, 26, (26, 1)),
        (False, 32, (32, 1)),
        (False, 8, (8, 1)),
    ]


def test_callbacks_get_the_rows_and_labels_of_each_moment():
    told: dict[str, list] = {}

    class Listener(Callback):
        def on_train_begin(self, net, X, y, **kwargs):
            told["train_begin"] = [(X, y)]

        def on_batch_begin(self, net, batch, training, **kwargs):
            told.setdefault("batch_begin", []).append((*batch, training))

        def on_batch_end(self, net, batch, training, **kwargs):
            told.setdefault("batch_end", []).append((*batch, training))

        def on_grad_computed(self, net, batch, training, **kwargs):
            told.setdefault("grad", []).append((*batch, training))

        def on_train_end(self, net, X, y, **kwargs):
            told["train_end"] = [(X, y)]

    fit(Listener(), max_iter=1, shuffle=False)
    X, y = data()
    for moment in ("train_begin", "train_end"):
        np.testing.assert_array_equal(told[moment][0][0], X)
        np.testing.assert_array_equal(told[moment][0][1], y)
    trained = [(X[a:b], y[a:b], True) for a, b in [(0, 32), (32, 64), (64, 90)]]
    validated = [(X[a:b], y[a:b], False) for a, b in [(0, 32), (32, 40)]]
    for moment, expected in [
        ("batch_begin", trained + validated),
        ("batch_end", trained + validated),
        ("grad", trained),
    ]:
        assert len(told[moment]) == len(expected)
        for (rows, labels, training), right in zip(told[moment], expected, strict=True):
            np.testing.assert_array_equal(rows, right[0])
            np.testing.assert_array_equal(labels, right[1])
            assert training == right[2]


def test_history_is_the_estimators_curves():
    model, history = history_of(max_iter=6)
    assert history[:, "train_loss"] == model.loss_curve_
    assert history[:, "valid_loss"] == model.validation_loss_curve_
    assert history[:, "valid_score"] == model.validation_scores_
    assert history[:, "epoch"] == [1, 2, 3, 4, 5, 6]
    best = [i == 0 or loss < min(model.loss_curve_[:i]) for i, loss in enumerate(model.loss_curve_)]
    assert history[:, "train_loss_best"] == best
    assert all(duration > 0 for duration in history[:, "dur"])


def test_history_has_the_batches():
    _, history = history_of(max_iter=2, alpha=0.0)
    assert history[:, "train_batch_count"] == [3, 3]
    assert history[:, "valid_batch_count"] == [2, 2]
    for epoch in range(2):
        for name, sizes in [("train", [32, 32, 26]), ("valid", [32, 8])]:
            batches = [b for b in history[epoch, "batches"] if f"{name}_loss" in b]
            assert [batch[f"{name}_batch_size"] for batch in batches] == sizes
            # the epoch's loss is the mean over rows, here batch by batch
            losses = [batch[f"{name}_loss"] for batch in batches]
            mean = np.average(losses, weights=sizes)
            assert mean == pytest.approx(history[epoch, f"{name}_loss"], rel=1e-6)


def test_best_is_lower_for_losses_and_higher_for_scores_and_no_tie():
    _, history = history_of(max_iter=30, learning_rate_init=0.1)
    for name, sign in [("train_loss", 1), ("valid_loss", 1), ("valid_score", -1)]:
        curve = sign * np.array(history[:, name])
        assert name != "valid_score" or len(set(curve)) < 30  # there are ties
        expected = [all(value < earlier for earlier in curve[:i]) for i, value in enumerate(curve)]
        assert history[:, f"{name}_best"] == expected


def test_watching_changes_nothing(by_torch):
    X, y = data()
    parameters = {"random_state": 0, "max_iter": 5, "dropout": 0.2, "batch_size": 32}
    watched = MLPClassifier((8,), callbacks=[Recorder()], **parameters).fit(X, y)
    plain = MLPClassifier((8,), **parameters).fit(X, y)
    np.testing.assert_array_equal(watched.coefs_[0], plain.coefs_[0])
    assert watched.loss_curve_ == plain.loss_curve_


def test_watching_changes_nothing_in_early_stopping_either(by_torch):
    parameters = {"early_stopping": True, "n_iter_no_change": 3, "learning_rate_init": 0.05}
    watched, plain = fit(Recorder(), **parameters), fit(**parameters)
    assert watched.stopping_reason_ == plain.stopping_reason_ == "early_stopping"
    np.testing.assert_array_equal(watched.coefs_[0], plain.coefs_[0])
    assert watched.n_iter_ == plain.n_iter_ > np.argmax(plain.validation_scores_) + 1


def test_the_duration_of_an_epoch_is_the_clocks(monkeypatch):
    clock = iter([10.0, 12.5, 20.0, 21.0])
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(perf_counter=clock.__next__))
    _, history = history_of(max_iter=2)
    assert history[:, "dur"] == [2.5, 1.0]


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_epoch_scoring(cls, use_caching):
    metrics = ["accuracy", "roc_auc"] if cls is MLPClassifier else ["r2", "neg_mean_squared_error"]
    scoring = [
        EpochScoring(m, lower_is_better=False, name=m, use_caching=use_caching) for m in metrics
    ]
    model, history = history_of(*scoring, cls=cls, max_iter=4)
    np.testing.assert_allclose(history[:, metrics[0]], model.validation_scores_)
    assert len(set(history[:, metrics[1]])) > 1
    assert set(history[:, f"{metrics[1]}_best"]) <= {True, False}


def test_epoch_scoring_on_train_and_by_the_nets_own_score():
    model, history = history_of(
        EpochScoring("accuracy", lower_is_better=False, name="a", on_train=True, use_caching=False),
        EpochScoring(None, lower_is_better=False, name="own"),
        max_iter=4,
    )
    X, y = data()
    assert history[-1, "a"] == pytest.approx(model.score(X, y))
    np.testing.assert_allclose(history[:, "own"], model.validation_scores_)


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("labels", [["no", "yes"], [-1, 1], [1, 2], ["a", "b", "c"]])
def test_training_scores_compare_labels_whatever_they_are(labels, use_caching):
    X, _ = data()
    y = np.array(labels)[np.digitize(X[:, 0], [0.0] if len(labels) == 2 else [-0.5, 0.5])]
    scoring = EpochScoring(
        "accuracy", lower_is_better=False, on_train=True, name="a", use_caching=use_caching
    )
    parameters = {"random_state": 0, "learning_rate_init": 1e-9, "label_smoothing": 0.1}
    model = MLPClassifier((8,), callbacks=[scoring, Recorder()], max_iter=2, **parameters)
    model.fit(X, y)
    # with next to no learning rate the scores of batches are those of the last weights
    assert Recorder.net.history[-1, "a"] == pytest.approx(model.score(X, y))


def test_batch_scoring():
    def mean_logit(net, X, y):
        return float(next(iter(net.forward_iter(X))).mean())

    _, history = history_of(BatchScoring(mean_logit, name="logit", on_train=True), max_iter=2)
    assert len(history[:, "logit"]) == 2


@pytest.mark.parametrize("monitor", ["train_loss", "valid_loss"])
def test_early_stopping_stops(monitor):
    callback = EarlyStopping(monitor=monitor, patience=3, threshold=0.5)
    model = fit(callback, max_iter=200)
    assert model.stopping_reason_ == "callback"
    assert model.n_iter_ < 200
    assert callback.misses_ == 3  # the user's own object, as in skorch


def test_early_stopping_loads_the_best_weights():
    model = fit(
        EarlyStopping(monitor="valid_score", lower_is_better=False, patience=5, load_best=True),
        max_iter=200,
        learning_rate_init=0.05,
    )
    X, y = data()
    assert model.stopping_reason_ == "callback"
    assert model.score(X[:40], y[:40]) == pytest.approx(max(model.validation_scores_))


def test_lr_scheduler_per_epoch_and_per_batch():
    class Rates(Callback):
        seen: list = []

        def on_train_begin(self, net, **kwargs):
            type(self).seen = []

        def on_epoch_end(self, net, **kwargs):
            self.seen.append(net.optimizer_.param_groups[0]["lr"])

    fit(Rates(), LRScheduler(StepLR, step_size=2, gamma=0.1), max_iter=5, learning_rate_init=0.1)
    np.testing.assert_allclose(Rates.seen, [0.1, 0.1, 0.01, 0.01, 0.001])
    by_batch = LRScheduler(StepLR, step_size=3, gamma=0.5, step_every="batch")
    fit(Rates(), by_batch, max_iter=3, learning_rate_init=0.1)
    np.testing.assert_allclose(Rates.seen, [0.05, 0.025, 0.0125])


def test_lr_scheduler_changes_the_training():
    slow = LRScheduler(StepLR, step_size=1, gamma=1e-9)
    stuck = fit(slow, max_iter=20, learning_rate_init=0.05)
    free = fit(max_iter=20, learning_rate_init=0.05)
    assert stuck.loss_curve_[-1] == pytest.approx(stuck.loss_curve_[5], rel=1e-3)
    assert free.loss_curve_[-1] < 0.5 * stuck.loss_curve_[-1]


def test_reduce_on_plateau_sees_the_monitor():
    scheduler = LRScheduler(
        torch.optim.lr_scheduler.ReduceLROnPlateau, monitor="valid_loss", patience=0, threshold=10.0
    )
    fit(scheduler, Recorder(), max_iter=6, learning_rate_init=0.1)
    assert Recorder.net.optimizer_.param_groups[0]["lr"] < 0.1


def test_checkpoint_saves_and_loads_the_best(tmp_path):
    model = fit(
        Checkpoint(monitor="valid_loss_best", dirname=tmp_path, load_best=True),
        max_iter=60,
        learning_rate_init=0.1,
    )
    assert (tmp_path / "params.pt").exists()
    assert (tmp_path / "optimizer.pt").exists()
    state = torch.load(tmp_path / "params.pt")
    np.testing.assert_array_equal(state["weights.0"][0].numpy(), model.coefs_[0])
    X, y = data()
    z = model.decision_function(X[:40])
    loss = np.mean(np.logaddexp(0, -z * np.where(y[:40] == "yes", 1, -1)))
    assert loss == pytest.approx(min(model.validation_loss_curve_))


def test_progress_bar_counts_batches(capsys):
    class Slow(Callback):
        def on_batch_end(self, net, **kwargs):
            time.sleep(0.11)  # tqdm draws ten times a second at most

    fit(Slow(), ProgressBar(detect_notebook=False), max_iter=2)
    printed = capsys.readouterr().err
    assert "5/5" in printed
    assert "train_loss=" in printed
    assert "valid_loss=" in printed


def test_print_log_prints_a_row_per_epoch(capsys):
    fit(PrintLog(), max_iter=3, verbose=1)
    assert "valid_loss" in capsys.readouterr().out


def test_gradient_clipping_callback_reaches_the_gradients():
    fit(GradientNormClipping(1e-6), Recorder(), max_iter=2)
    largest = [value for name, value in Recorder.told if name == "grad"]
    assert max(largest) <= 1e-6


def test_callbacks_of_other_forms():
    model = fit(("named", Recorder()), Recorder, max_iter=2)
    assert model.n_iter_ == 2


def test_no_traceback_is_no_callback():
    assert callbacks.raised_by_callback(None) is False


class Lines(Callback):
    """Appends to a list of the user's."""

    def __init__(self, lines):
        self.lines = lines

    def on_epoch_end(self, net, **kwargs):
        self.lines.append(net.history[-1, "train_loss"])


class Writer:
    """Like an open file: it can be neither copied nor pickled."""

    def __init__(self):
        self.lock, self.lines = threading.Lock(), []


class Writing(Callback):
    def __init__(self, writer):
        self.writer = writer

    def on_epoch_end(self, net, **kwargs):
        self.writer.lines.append(net.history[-1, "epoch"])


class Odd(Callback):
    """Its parameters are not its attributes, so that scikit-learn cannot clone it."""

    def __init__(self, trial):
        self._trial = trial

    def get_params(self, deep=True):
        return {"_trial": self._trial}

    def on_epoch_end(self, net, **kwargs):
        self._trial.append(1)


def test_callbacks_are_the_users_own_objects():
    lines, trial, writer = [], [], Writer()
    given = [Lines(lines), Writing(writer), ("odd", Odd(trial))]
    model = fit(*given, max_iter=3)
    assert lines == model.loss_curve_
    assert writer.lines == [1, 2, 3]
    assert len(trial) == 3
    assert model.callbacks_[0][1] is given[0]
    assert model.callbacks_[2][0] == "odd"


def test_what_callbacks_and_training_recorded_can_be_read():
    scoring = EpochScoring("roc_auc", lower_is_better=False, name="auc")
    model = fit(scoring, max_iter=4)
    assert len(model.history_[:, "auc"]) == 4
    assert model.history_[:, "train_loss"] == model.loss_curve_
    assert [name for name, _ in model.callbacks_] == ["EpochScoring"]
    plain = model.set_params(callbacks=None).fit(*data())
    assert not hasattr(plain, "history_")
    assert not hasattr(plain, "callbacks_")


def test_searches_copy_callbacks_and_share_what_cannot_be_copied():
    import skmlp

    X, y = data()
    lines, writer = [], Writer()
    model = MLPClassifier(
        (4,), callbacks=[Lines(lines), Writing(writer), Odd([])], max_iter=2, random_state=0
    )
    with skmlp.fused():
        search = GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2, error_score="raise").fit(X, y)
    assert lines == []
    assert search.best_estimator_.callbacks_[0][1].lines == search.best_estimator_.loss_curve_
    assert len(writer.lines) == 2 * (2 * 2 + 1)


def test_partial_fit_goes_on_with_callbacks_and_history():
    X, y = data()
    lines = []
    step = LRScheduler(StepLR, step_size=1000)
    model = MLPClassifier((4,), callbacks=[Lines(lines), step], random_state=0)
    for _ in range(3):
        model.partial_fit(X, y, classes=["no", "yes"])
    assert model.history_[:, "epoch"] == [1, 2, 3]
    assert model.history_[:, "train_loss"] == lines == model.loss_curve_


def test_a_model_of_an_accelerator_is_pickled_without_what_callbacks_hold():
    model = fit(LRScheduler(StepLR, step_size=1), max_iter=2)
    here = pickle.loads(pickle.dumps(model))
    assert hasattr(here.callbacks_[0][1], "lr_scheduler_")
    model.device = "cuda"
    there = pickle.loads(pickle.dumps(model))
    assert not hasattr(there, "callbacks_")
    assert not hasattr(there.callbacks[0], "lr_scheduler_")
    assert there.history_[:, "train_loss"] == model.loss_curve_


def test_callbacks_survive_clone_and_grid_search():
    X, y = data()
    callback = EarlyStopping(monitor="train_loss", patience=2)
    search = GridSearchCV(
        MLPClassifier((4,), callbacks=[callback], max_iter=5, random_state=0),
        {"alpha": [1e-4, 1e-2]},
        cv=2,
        error_score="raise",
    )
    assert np.isfinite(search.fit(X, y).best_score_)


def test_partial_fit_notifies_too():
    X, y = data()
    model = MLPClassifier((4,), callbacks=[Recorder()], random_state=0)
    model.partial_fit(X, y, classes=["no", "yes"])
    assert [name for name, _ in Recorder.told][-2:] == ["epoch_end", "train_end"]


def test_a_callback_that_stops_in_mid_epoch():
    class StopAtBatch(Callback):
        def on_batch_end(self, net, training, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    model = fit(StopAtBatch(), max_iter=10)
    assert (model.n_iter_, model.stopping_reason_) == (1, "callback")


@pytest.mark.parametrize("moment", ["on_train_begin", "on_train_end", "on_epoch_begin"])
def test_a_callback_may_stop_at_any_moment(moment):
    def stop(self, net, **kwargs):
        raise KeyboardInterrupt

    callback = type("Stop", (Callback,), {moment: stop})()
    if moment == "on_train_end":
        assert fit(callback, max_iter=3).n_iter_ == 3
        return
    with pytest.warns(ConvergenceWarning, match="within its first epoch"):
        model = fit(callback, max_iter=3)
    assert (model.n_iter_, model.stopping_reason_) == (0, "callback")
    assert np.isfinite(model.decision_function(data()[0])).all()


def test_freezer_is_refused():
    with pytest.raises(ValueError, match=r"Freezer has no effect here.*layer_learning_rates"):
        fit(Freezer("weights.0"), max_iter=1)


def test_ctrl_c_inside_a_callback_propagates():
    class Slow(Callback):
        def on_epoch_end(self, net, **kwargs):
            time.sleep(5)

    main = threading.main_thread().ident
    timer = threading.Timer(0.5, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fit(Slow(), max_iter=10)


def test_errors_of_callbacks_are_raised():
    class Broken(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fit(Broken(), max_iter=2)


def test_divergence_under_callbacks_is_an_error():
    with pytest.raises(ValueError, match="diverged"):
        fit(
            Recorder(),
            cls=MLPRegressor,
            optimizer="sgd",
            learning_rate_init=1e9,
            max_iter=50,
        )


def test_the_engine_is_a_skorch_net_with_usual_parts():
    view = CallbackView([], lambda z: z.argmax(1), None, "regressor")
    net = TrainingEngine(make_task(callback_view=view, max_iter=2))
    net.run()
    assert isinstance(net.optimizer_, torch.optim.Adam)
    assert next(name for name, _ in net.module_.named_parameters()) == "weights.0"
    assert len(net.history) == 2
    assert not hasattr(net, "classes_")
    with pytest.raises(AttributeError, match="no predict_proba"):
        net.predict_proba(np.zeros((2, 5)))


def test_the_net_has_the_settings_of_the_task():
    view = CallbackView(None, lambda z: z[:, 0], None, "regressor")
    task = make_task(callback_view=view, max_iter=7, learning_rate_init=0.03, batch_size=9)
    net = TrainingEngine(task)
    settings = (net.lr, net.max_epochs, net.batch_size, net.device, net.verbose)
    assert settings == (0.03, 7, 9, "cpu", 0)
    assert net.train_split is None
    assert net.callbacks is None
    assert net._default_callbacks == []
    assert net.module is torch.nn.Module
    assert net.criterion is StackLoss


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_the_net_is_of_the_estimators_kind_and_scores_as_it_does(kind):
    task = make_task(max_iter=1)
    classes = np.arange(3) if kind == "classifier" else None
    view = CallbackView(
        [],
        lambda z: z.argmax(1) if classes is not None else z,
        None,
        kind,
        classes,
        score=r2_score if classes is None else accuracy_score,
    )
    net = TrainingEngine(replace(task, callback_view=view))
    assert is_classifier(net) == (kind == "classifier")
    assert is_regressor(net) == (kind == "regressor")
    tags = net.__sklearn_tags__()
    assert (tags.classifier_tags is None) == (kind == "regressor")
    assert (tags.regressor_tags is None) == (kind == "classifier")
    net.run()
    X, targets = task.train.X, task.train.targets
    logits = net.stack_.module.logits_of(0, torch.from_numpy(X)).numpy()
    for rows in (X, torch.from_numpy(X), scipy.sparse.csr_matrix(X), Dataset(X, targets)):
        (found,) = net.forward_iter(rows)
        np.testing.assert_allclose(found, logits)
    if classes is None:
        assert net.score(X, targets) == pytest.approx(r2_score(targets, logits))
    else:
        np.testing.assert_array_equal(net.classes_, classes)
        y = targets.argmax(1)
        assert net.score(X, y) == accuracy_score(y, logits.argmax(1))


def absolute(z, t):
    return (z - t).abs().sum(1)


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [
        (MLPClassifier, {"loss": "hinge"}),
        (MLPClassifier, {"loss": absolute}),
        (MLPRegressor, {"loss": absolute}),
        (MLPRegressor, {"loss": "quantile", "quantile": [0.2, 0.8]}),
        (MLPRegressor, {"loss": "circular"}),
    ],
)
def test_the_net_scores_and_predicts_as_the_estimator_whatever_the_loss(cls, parameters):
    rng = np.random.default_rng(0)
    X, seen = rng.normal(size=(60, 3)), []

    class Scoring(Callback):
        def on_epoch_end(self, net, dataset_train, **kwargs):
            seen.append((net.score(X, y), net.predict(X), net.view_.predict_proba))

    y = (X[:, 0] > 0).astype(float) + (X[:, 1] > 0)
    model = cls((4,), callbacks=[Scoring()], max_iter=2, random_state=0, **parameters).fit(X, y)
    score, predicted, probabilities = seen[-1]
    assert score == pytest.approx(model.score(X, y))
    np.testing.assert_allclose(predicted, model.predict(X))
    assert probabilities is None
