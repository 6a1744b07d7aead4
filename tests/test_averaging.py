"""Averages of weights: by formula, as torch's, in stacks, in both executors, and going on."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import assert_same, every_array, make_task, random_rows, trained_alone
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import skmlp
from skmlp import config
from skmlp.network.architecture import NetworkArrays
from skmlp.task import OptimizerSettings
from skmlp.training import train
from skmlp.training.averaging import AVERAGINGS
from skmlp.training.stack import Stack

EXECUTORS = pytest.mark.parametrize("executor", ["torch", "compiled"])
KINDS = [
    {"averaging": "swa", "averaging_wait": 3},
    {"averaging": "ema", "averaging_horizon": 0.7},
    {"optimizer": "schedule_free_sgd", "learning_rate_init": 0.1},
    {"optimizer": "schedule_free_adam"},
]
EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=str)


def task_of(**others):
    return make_task(
        **{"hidden": (4,), "learning_rate_init": 0.02, "max_iter": 6, "batch_size": 9, **others}
    )


def flat(result):
    return np.concatenate([a.ravel() for a in every_array(result)])


def plain_weights(task, n_epochs):
    """Weights after each of the first epochs, without averaging."""
    return [
        flat(train([replace(task, averaging=None, max_iter=e + 1)])[0]) for e in range(n_epochs)
    ]


class StepByStep:
    """Sees the parameters after each step."""

    def __init__(self):
        self.seen = []

    def begin_batch(self, x, rows):
        pass

    def gradients_computed(self):
        pass

    def end_batch(self, logits, targets):
        self.seen.append(self.stack.module.blocks.flat.clone())

    def validated(self, found):
        pass


def weights_after_steps(task):
    observer = StepByStep()
    with torch.no_grad():
        observer.stack = stack = Stack([replace(task, averaging=None)], observer)
        while not stack.members[0].progress.stopping_reason:
            stack.advance()
            stack.end_epochs()
    return [values.numpy() for values in observer.seen]


@EXECUTORS
@pytest.mark.parametrize("wait", [0, 3, 5])
def test_swa_is_the_mean_of_the_last_epochs(executor, wait):
    task = task_of(averaging="swa", averaging_wait=wait)
    with config(executor=executor):
        (result,) = train([task])
        expected = np.mean(plain_weights(task, 6)[wait:], axis=0)
    np.testing.assert_allclose(flat(result), expected, rtol=1e-9, atol=1e-12)


@EXECUTORS
@pytest.mark.parametrize("horizon", [1e-6, 0.3, 2.0, 1e9])
def test_ema_is_the_weighted_mean_of_all_steps(executor, horizon):
    task = task_of(averaging="ema", averaging_horizon=horizon)
    seen = np.array(weights_after_steps(task))
    assert len(seen) == 6 * 5
    ages = np.arange(len(seen))[::-1]
    expected = np.average(seen, axis=0, weights=np.exp(-ages / (5 * horizon)))
    with config(executor=executor):
        (result,) = train([task])
    np.testing.assert_allclose(flat(result), expected, rtol=1e-9, atol=1e-12)


def test_they_are_torchs_averaged_models():
    task = task_of(averaging="ema", averaging_horizon=0.7, averaging_wait=0)
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    seen, keep = weights_after_steps(task), np.exp(-1 / (0.7 * 5))
    plain = torch.optim.swa_utils.AveragedModel(model)
    weight = 0.0
    by_ema = torch.optim.swa_utils.get_ema_multi_avg_fn(keep)
    moving = torch.zeros(len(seen[0]), dtype=torch.float64)  # with Adam's bias towards zero
    for values in seen:
        by_ema([moving], [torch.from_numpy(values)], None)
        weight = keep * weight + 1 - keep
        with torch.no_grad():
            model.weight.fill_(values[0])
        plain.update_parameters(model)
    corrected = moving.numpy() / weight
    np.testing.assert_allclose(flat(train([task])[0]), corrected, rtol=1e-9, atol=1e-12)
    every_step = replace(task, averaging_horizon=1e12)
    mean = plain.module.weight.item()
    assert flat(train([every_step])[0])[0] == pytest.approx(mean, rel=1e-9)


@EVERY_KIND
@EXECUTORS
def test_validation_sees_what_is_returned(executor, kind):
    held_out = random_rows(n=30, seed=9)
    with config(executor=executor):
        (result,) = train([task_of(validation=held_out, **kind)])
        # a network that starts where the other ended, and does not move
        start = NetworkArrays(result.coefs, result.intercepts, {})
        (stays,) = train(
            [task_of(validation=held_out, initial=start, learning_rate_init=1e-300, max_iter=1)]
        )
    assert stays.validation_loss_curve[0] == pytest.approx(result.validation_loss_curve[-1])
    assert stays.validation_scores[0] == result.validation_scores[-1]


@EVERY_KIND
@EXECUTORS
def test_the_best_weights_are_averages(executor, kind):
    held_out = random_rows(n=30, seed=9)
    stopping = {"validation": held_out, "early_stopping": True, "n_iter_no_change": 3, "tol": 0.0}
    task = task_of(max_iter=30, **stopping, **kind)
    with config(executor=executor):
        (result,) = train([task])
        best = int(np.argmax(result.validation_scores)) + 1
        (shorter,) = train([replace(task, max_iter=best, early_stopping=False)])
    assert_same(replace_reason(result, shorter), shorter)


def replace_reason(result, other):
    return replace(
        result,
        stopping_reason=other.stopping_reason,
        n_iter=other.n_iter,
        loss_curve=other.loss_curve,
    )


@EVERY_KIND
def test_both_executors_give_the_same(kind):
    task = task_of(dropout=0.2, alpha=0.1, weight_decay=0.1, validation=random_rows(seed=9), **kind)
    results = []
    for executor in ("torch", "compiled"):
        with config(executor=executor):
            results += train([task])
    assert_same(*results)
    np.testing.assert_allclose(*(r.validation_loss_curve for r in results), rtol=1e-9)
    (plain,) = train([replace(task, averaging=None, optimizer=OptimizerSettings("adam"))])
    assert np.abs(flat(plain) - flat(results[0])).max() > 1e-4


def mixed(optimizer="adam", normalization=None):
    kinds = [
        {},
        {"averaging": "swa", "averaging_wait": 2},
        {"averaging": "ema", "averaging_horizon": 0.5},
        {"averaging": "ema", "averaging_horizon": 3.0, "max_iter": 4},
        {"averaging": "swa", "averaging_wait": 0, "max_iter": 9},
        {"max_iter": 8},
    ]
    return [
        task_of(
            rows=random_rows(n=[40, 33, 40, 47, 25, 40][k], seed=k),
            seed=k,
            optimizer=optimizer,
            normalization=normalization,
            learning_rate_init=[0.02, 0.01, 0.03][k % 3],
            learning_rate=["constant", "invscaling", "adaptive"][k % 3],
            weight_decay=[0.0, 0.1][k % 2],
            validation=random_rows(n=20, seed=100 + k) if k % 2 else None,
            **kinds[k],
        )
        for k in range(6)
    ]


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "muon", torch.optim.ASGD])
def test_networks_of_a_stack_have_averages_of_their_own(by_torch, optimizer, normalization):
    tasks = mixed(optimizer, normalization)
    assert len({task.stack_key for task in tasks}) == 1
    for fused, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(fused, alone)
        assert fused.validation_scores == pytest.approx(alone.validation_scores)


@pytest.mark.parametrize("optimizer", ["schedule_free_sgd", "schedule_free_adam"])
def test_so_have_those_whose_optimizer_averages(by_torch, optimizer):
    tasks = [replace(task, averaging=None) for task in mixed(optimizer)]
    for fused, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(fused, alone)
        assert fused.validation_scores == pytest.approx(alone.validation_scores)


def resumed(task, result):
    history = {"t": result.t, "loss_curve": list(result.loss_curve)}
    return replace(
        task,
        initial=result.arrays,
        history=history,
        resume=pickle.loads(pickle.dumps(result.checkpoint)),
    )


@EVERY_KIND
@pytest.mark.parametrize(
    "executors", [("torch",) * 6, ("compiled",) * 6, ("torch", "compiled") * 3], ids=str
)
def test_a_checkpoint_goes_on_from_the_weights_themselves(executors, kind):
    whole_task = task_of(learning_rate="invscaling", dropout=0.2, **kind)
    (whole,) = train([whole_task])
    step = replace(whole_task, max_iter=1, keep_checkpoint=True)
    task = step
    for executor in executors:
        with config(executor=executor):
            (result,) = train([task])
        task = resumed(step, result)
    np.testing.assert_allclose(flat(result), flat(whole), rtol=1e-9, atol=1e-12)
    assert result.loss_curve == pytest.approx(whole.loss_curve, rel=1e-9)


@pytest.mark.parametrize("executor", ["torch", "compiled"])
def test_another_kind_starts_a_new_average_and_another_optimizer_at_the_old_one(executor):
    with config(executor=executor):
        task = task_of(averaging="ema", keep_checkpoint=True)
        (first,) = train([task])
        (without,) = train([replace(task, averaging=None)])
        goes_on = resumed(task, first)
        (plain,) = train([replace(goes_on, averaging=None, max_iter=1)])
        (expected,) = train([replace(resumed(task, without), averaging=None, max_iter=1)])
        np.testing.assert_array_equal(flat(plain), flat(expected))
        (swa,) = train([replace(goes_on, averaging="swa", max_iter=1)])
        np.testing.assert_array_equal(flat(swa), flat(expected))  # of one epoch
        (free,) = train([task_of(optimizer="schedule_free_adam", keep_checkpoint=True)])
        adam = OptimizerSettings("adam")
        stays = {"optimizer": adam, "learning_rate_init": 1e-300, "max_iter": 1}
        (kept,) = train([replace(resumed(task_of(), free), **stays)])
    np.testing.assert_array_equal(flat(kept), flat(free))


def test_running_averages_of_batches_are_averaged_and_counts_are_not():
    task = task_of(normalization="batch", averaging="swa", averaging_wait=4)
    (result,) = train([task])
    ends = [train([replace(task, averaging=None, max_iter=e)])[0] for e in (5, 6)]
    for name, values in result.arrays.others.items():
        pair = [end.arrays.others[name] for end in ends]
        expected = pair[1] if name.startswith("counts") else np.mean(pair, axis=0)
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)


# Of the estimators


def small(cls=skmlp.MLPClassifier, **parameters):
    defaults = {"max_iter": 8, "learning_rate_init": 0.02, "random_state": 0, "batch_size": 20}
    return cls((5,), **{**defaults, **parameters})


def data(n=80):
    X = np.random.default_rng(0).normal(size=(n, 3))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


@pytest.mark.parametrize("averaging", AVERAGINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@EXECUTORS
def test_partial_fits_are_one_fit(executor, averaging, dtype):
    X, y = data()
    model = small(averaging=averaging, averaging_start=0.5, dtype=dtype)
    with config(executor=executor):
        whole, steps = clone(model).fit(X, y), clone(model)
        for _ in range(8):
            steps = pickle.loads(pickle.dumps(steps.partial_fit(X, y, classes=[0, 1])))
    rtol = 1e-9 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(steps.coefs_[0], whole.coefs_[0], rtol=rtol, atol=rtol / 100)


def test_the_start_of_swa_is_a_share_of_max_iter():
    X, y = data()
    ends = [small(max_iter=e).fit(X, y).coefs_[0] for e in range(1, 9)]
    for start, n_plain in [(0.0, 0), (0.25, 2), (0.3, 2), (0.75, 6), (0.99, 7)]:
        model = small(averaging="swa", averaging_start=start).fit(X, y)
        np.testing.assert_allclose(
            model.coefs_[0], np.mean(ends[n_plain:], axis=0), rtol=1e-9, atol=1e-12
        )


def test_warm_start_starts_from_the_average():
    X, y = data()
    model = small(averaging="swa", warm_start=True).fit(X, y)
    average = [w.copy() for w in model.coefs_]
    model.set_params(learning_rate_init=1e-300, max_iter=1).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], average[0])


def test_training_that_ends_before_anything_is_averaged_says_so():
    X, y = data()
    model = small(averaging="swa", tol=10.0, n_iter_no_change=1, max_iter=100)
    with pytest.warns(ConvergenceWarning, match=r"after \d+ epochs.*after 75: .*'averaging_start'"):
        model.fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"optimizer": "lbfgs", "averaging": "swa"}, "'averaging'.*no meaning.*'lbfgs'.*'swa'"),
        ({"optimizer": "cg", "averaging": "ema"}, "'averaging'.*no meaning.*'cg'"),
        (
            {"optimizer": "schedule_free_adam", "averaging": "ema"},
            "'averaging'.*no meaning.*an average of its own.*'ema': set averaging=None",
        ),
        (
            {"optimizer": "schedule_free_sgd", "normalization": "batch"},
            "'normalization'.*cannot be 'batch'.*take 'layer'",
        ),
        ({"averaging": "mean"}, "'averaging' parameter.*'ema'.*'swa'"),
        ({"averaging_start": 1.0}, "'averaging_start'"),
        ({"averaging_horizon": 0.0}, "'averaging_horizon'"),
        ({"averaging_horizon": np.nan}, "'averaging_horizon'"),
    ],
)
def test_what_makes_no_sense_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(*data())


def test_callbacks_see_the_average_at_the_end_of_an_epoch():
    from skorch.callbacks import Callback

    class Weights(Callback):
        def on_epoch_end(self, net, **kwargs):
            self.seen_ = net.module_.blocks.weights[0][0].numpy().copy()

    X, y = data()
    model = small(averaging="ema", callbacks=[Weights]).fit(X, y)
    np.testing.assert_allclose(model.callbacks_[0][1].seen_, model.coefs_[0], rtol=1e-12)
    without = small(averaging="ema").fit(X, y)
    np.testing.assert_allclose(without.coefs_[0], model.coefs_[0], rtol=1e-9)
