from __future__ import annotations

import re
import threading
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import torch
from helpers import assert_same, drawn_options, make_task, random_rows, trained_alone

from skmlp import config
from skmlp.network.architecture import NetworkArrays
from skmlp.network.initialization import Layer, initial_biases, initial_layer
from skmlp.network.losses import LOSSES
from skmlp.task import CallbackView, OptimizerSettings, Rows
from skmlp.training import stack, stack_optimizer, stacks, train, validation
from skmlp.training.dropout import DropoutMasks
from skmlp.training.flops import stack_flops
from skmlp.training.optimizers import OPTIMIZERS
from skmlp.training.progress import DivergenceError, Progress
from skmlp.training.stack import Stack, finished, random_streams
from skmlp.training.stacks import slices
from skmlp.training.starting import starting_weights

pytestmark = pytest.mark.usefixtures("by_torch")


@pytest.fixture(autouse=True, params=["directions", "groups"])
def way_of_different_rates(request, monkeypatch):
    """Different rates by directions, or by groups of equal rates, as in larger stacks."""
    entries = 10**9 if request.param == "directions" else 0
    monkeypatch.setattr(stack_optimizer, "_ENTRIES_PER_GROUP", entries)


def seven_tasks(optimizer="adam", **others):
    """Networks that differ in all that may differ within a stack."""
    rng = np.random.default_rng(0)
    tasks = []
    for k in range(7):
        rows = random_rows(n=[40, 40, 37, 52, 33, 64, 40][k], seed=k)
        if k in (2, 5):
            rows.weights = rng.uniform(0.2, 3.0, len(rows))
        tasks.append(
            make_task(
                rows=rows,
                optimizer=optimizer,
                seed=k,
                learning_rate_init=[1e-2, 3e-3, 2e-2, 1e-2, 5e-3, 1e-2, 4e-2][k],
                learning_rate=["constant", "invscaling", "adaptive"][k % 3],
                weight_decay=[0.0, 0.1, 0.0, 0.3, 0.0, 0.1, 0.2][k],
                alpha=[1e-4, 0.0, 0.5, 0.1, 1e-2, 0.0, 1.0][k],
                l1_ratio=[0.0, 0.0, 0.5, 0.0, 1.0, 0.0, 0.2][k],
                dropout=[0.0, 0.2, 0.5, 0.0, 0.1, 0.0, 0.3][k],
                max_iter=[4, 9, 6, 12, 3, 10, 7][k],
                max_grad_norm=[None, 0.5, None, 1.0, None, None, 0.2][k],
                max_grad_value=[None, None, 0.05, None, None, None, None][k],
                settings={"beta_1": [0.9, 0.5][k % 2], "momentum": [0.9, 0.0, 0.5][k % 3]},
                initialization=["auto", "orthogonal", "sklearn"][k % 3],
                shuffle=k != 3,
                validation=random_rows(n=20, seed=100 + k) if k in (1, 4) else None,
                early_stopping=k == 1,
                n_iter_no_change=2 if k == 1 else float("inf"),
                tol=0.5 if k == 1 else 1e-4,
                **others,
            )
        )
    return tasks


@pytest.mark.parametrize(
    "optimizer", ["adam", "sgd", "rmsprop", "nadam", "amsgrad", "lion", "muon", torch.optim.ASGD]
)
def test_seven_different_networks_train_together_as_alone(optimizer):
    tasks = seven_tasks(optimizer)
    assert len({task.stack_key for task in tasks}) == 1
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)
        if alone.validation_scores is not None:
            np.testing.assert_allclose(together.validation_scores, alone.validation_scores)


def test_stopping_epochs_do_differ_in_that_test():
    results = train(seven_tasks())
    assert len({result.n_iter for result in results}) >= 5
    assert {result.stopping_reason for result in results} >= {"max_iter", "early_stopping"}


def test_networks_are_validated_on_their_own_rows_when_others_have_left():
    tasks = [
        make_task(seed=k, max_iter=epochs, validation=random_rows(n=11 + 4 * k, seed=50 + k))
        for k, epochs in enumerate([2, 5, 3, 7])
    ]
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)
        assert together.validation_scores == alone.validation_scores
        np.testing.assert_allclose(together.validation_loss_curve, alone.validation_loss_curve)


@pytest.mark.parametrize("loss", LOSSES)
def test_all_losses_train_together_as_alone_whatever_their_options(loss):
    tasks = [
        make_task(
            loss=loss,
            score=LOSSES[loss].score,
            rows=random_rows(loss, n=30 + 5 * k, seed=k),
            validation=random_rows(loss, n=20 - k, seed=9 + k),
            seed=k,
            dropout=0.1 * k,
            max_iter=3 + k,  # who stays goes on with its own options
            loss_options=drawn_options(loss, k),
        )
        for k in range(3)
    ]
    assert len({task.stack_key for task in tasks}) == 1
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)


def test_tasks_of_different_shapes_each_find_their_stack_and_their_place():
    tasks = [make_task(hidden=hidden, seed=i) for i, hidden in enumerate([(8,), (4,), (8,), ()])]
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)


def test_sparse_networks_train_together_as_dense_ones():
    tasks = [make_task(rows=random_rows(n=30 + k, seed=k), seed=k) for k in range(3)]
    sparse = [
        replace(t, train=Rows(scipy.sparse.csr_matrix(t.train.X), t.train.targets)) for t in tasks
    ]
    for ours, theirs in zip(train(sparse), train(tasks), strict=True):
        assert_same(ours, theirs)


def test_one_network_that_diverges_leaves_the_others_alone():
    tasks = [
        make_task(loss="squared_error", seed=k, max_iter=30, optimizer="sgd") for k in range(3)
    ]
    tasks[1] = replace(tasks[1], learning_rate_init=1e6)
    results = train(tasks)
    assert isinstance(results[1], DivergenceError)
    assert "learning rate 1e+06" in str(results[1])
    for k in (0, 2):
        assert_same(results[k], train([tasks[k]])[0])


def linear_task(X, x_validation, *, coef=1.0, **others):
    """A network without hidden layers, all of whose weights are ``coef``."""
    start = NetworkArrays([np.full((5, 3), coef)], [np.zeros(3)], {})
    rows, validation = (
        Rows(np.full((16, 5), x), np.arange(48.0).reshape(16, 3)) for x in (X, x_validation)
    )
    return make_task(
        rows=rows,
        hidden=(),
        initial=start,
        validation=validation,
        **{"max_iter": 3, "score": "r2", "learning_rate_init": 1e-300, **others},
    )


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (linear_task(1e200, 1.0, loss="squared_error"), "the loss became inf in epoch 1 with"),
        (linear_task(1.0, 200.0, loss="poisson"), "validation loss became inf in epoch 1 with"),
        # exp(400) is finite, its square is not
        (linear_task(1.0, 80.0, loss="poisson"), "validation score became -inf in epoch 1 with"),
        (
            linear_task(1.0, 1.0, loss="squared_error", learning_rate_init=1e308, max_iter=1),
            "the validation loss became .* in epoch 1 with learning rate 1e.308",
        ),
    ],
)
def test_divergence_is_told_where_it_is_first_seen(task, message):
    (error,) = train([task])
    assert isinstance(error, DivergenceError)
    assert re.search(message, str(error))


def test_weights_that_diverge_in_the_last_step_are_an_error():
    task = make_task(loss="squared_error", optimizer="sgd", batch_size=40, max_iter=1)
    (error,) = train([replace(task, learning_rate_init=1e308)])
    assert isinstance(error, DivergenceError)
    assert "the largest weight became" in str(error)
    assert "in epoch 1 with learning rate 1e+308" in str(error)


def test_a_layer_without_inputs_is_finite():
    task = make_task()
    finished(Progress(task), NetworkArrays([np.empty((0, 3))], [np.zeros(3)], {}), None)
    with pytest.raises(DivergenceError):
        finished(Progress(task), NetworkArrays([np.empty((0, 3))], [np.full(3, np.nan)], {}), None)
    others = {"means.0": np.array([np.inf])}
    with pytest.raises(DivergenceError):
        finished(Progress(task), NetworkArrays([np.zeros((1, 3))], [np.zeros(3)], others), None)


def resumed(task, first, **changes):
    """The task, going on where another one's result stopped."""
    history = {"t": first.t, "n_iter": first.n_iter, "loss_curve": list(first.loss_curve)}
    start = first.arrays
    task = replace(task, history=history, initial=start, resume=first.checkpoint)
    return train([replace(task, **changes)])[0]


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, torch.optim.Adafactor])
def test_a_checkpoint_goes_on_as_if_training_had_not_stopped(optimizer):
    task = make_task(
        optimizer=optimizer, max_iter=5, dropout=0.3, learning_rate="invscaling", alpha=0.1
    )
    (whole,), (first,) = train([task]), train([replace(task, max_iter=2, keep_checkpoint=True)])
    assert whole.checkpoint is None
    assert_same(resumed(task, first), whole, rtol=0)


def test_a_checkpoint_keeps_what_still_holds():
    task = make_task(optimizer="sgd", learning_rate="invscaling", learning_rate_init=0.1)
    (first,) = train([replace(task, max_iter=2, keep_checkpoint=True)])
    # a new rate counts at once
    stays = resumed(task, first, learning_rate_init=1e-300)
    np.testing.assert_array_equal(stays.coefs[0], first.coefs[0])
    # the state of another optimizer is not its own
    adam = {"optimizer": OptimizerSettings("adam")}
    empty = replace(first.checkpoint, optimizer=[{} for _ in first.checkpoint.optimizer])
    fresh = resumed(task, first, **adam, resume=empty)
    assert_same(resumed(task, first, **adam), fresh, rtol=0)


def test_equal_units_stay_equal_and_zero_weights_stay_zero():
    task = make_task(initialization=lambda shape, rng: np.full(shape, 0.1), hidden=(6,))
    (result,) = train([task])
    np.testing.assert_allclose(result.coefs[0], result.coefs[0][:, :1].repeat(6, 1), rtol=1e-12)
    task = make_task(initialization=lambda shape, rng: np.zeros(shape), hidden=(6,))
    (result,) = train([task])
    assert not result.coefs[0].any()
    assert not result.coefs[1].any()
    assert result.intercepts[1].any()


def step_by_hand(task):
    """The weights after one step of plain SGD on all rows, by autograd."""
    initial, _, dropout = random_streams(task)
    weights, biases = (
        [torch.from_numpy(a).requires_grad_() for a in part]
        for part in starting_weights(task, initial)[:2]
    )
    p, widths = task.dropout, task.layer_sizes[1:-1]
    drawn = DropoutMasks([p], widths, 40, [dropout], torch.float64, torch.device("cpu"))
    h = torch.from_numpy(task.train.X)
    for w, b, mask in zip(weights, biases, drawn.next_step(40), strict=False):
        h = torch.nn.functional.leaky_relu(h @ w + b, task.negative_slope)
        h = h if mask is None else h * mask[0]
    logits = h @ weights[-1] + biases[-1]
    targets = torch.from_numpy(task.train.targets)
    loss = torch.nn.functional.cross_entropy(logits, targets)
    l1, l2 = task.alpha * task.l1_ratio, task.alpha * (1 - task.l1_ratio)
    loss = loss + sum(l1 * w.abs().sum() + l2 / 2 * (w**2).sum() for w in weights) / 40
    loss.backward()
    if task.max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_([*weights, *biases], task.max_grad_norm)
    rate = task.learning_rate_init
    with torch.no_grad():
        decayed = [w * (1 - rate * task.weight_decay) for w in weights]
        moved = [
            w - rate * q.grad for w, q in zip([*decayed, *biases], [*weights, *biases], strict=True)
        ]
    return moved, loss.item()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"dropout": 0.4},
        {"weight_decay": 0.5},
        {"max_grad_norm": 0.01},
        {"alpha": 2.0, "l1_ratio": 0.3},
        {"dropout": 0.2, "weight_decay": 0.1, "max_grad_norm": 0.1, "alpha": 1.0},
    ],
)
@pytest.mark.parametrize("n_networks", [1, 2])
def test_a_step_is_the_one_by_hand(parameters, n_networks):
    common = {"optimizer": "sgd", "settings": {"momentum": 0.0}, "batch_size": 40, "max_iter": 1}
    tasks = [
        make_task(
            activations=("leaky_relu",) * 2,
            negative_slope=0.3,
            learning_rate_init=0.1,
            shuffle=False,
            seed=k,
            **common,
            **parameters,
        )
        for k in range(n_networks)
    ]
    for task, result in zip(tasks, train(tasks), strict=True):
        moved, loss = step_by_hand(task)
        for ours, theirs in zip([*result.coefs, *result.intercepts], moved, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-9)
        assert result.loss == pytest.approx(loss, rel=1e-6)


def test_the_output_layer_starts_as_the_last_hidden_activation_asks():
    # scikit-learn's rule: narrower for logistic units, in the output layer too
    for hidden, last in [((300,), "logistic"), ((4, 300), "logistic"), ((300, 4), "tanh")]:
        names = ("tanh",) * (len(hidden) - 1) + (last,)
        task = make_task(hidden=hidden, activations=names, initialization="sklearn")
        coefs, *_ = starting_weights(task, np.random.default_rng(0))
        bound = np.sqrt((2 if last == "logistic" else 6) / (hidden[-1] + 3))
        largest = np.abs(coefs[-1]).max()
        assert 0.7 * bound < largest <= bound


LAYERS = [Layer(5, 8, "tanh", 0.01, "tanh"), Layer(8, 6, "tanh", 0.01, "tanh")]
LAYERS += [Layer(6, 3, "identity", 0.01, "tanh")]


@pytest.mark.parametrize("rule", ["glorot_uniform", "sklearn", lambda s, rng: rng.normal(size=s)])
@pytest.mark.parametrize("biases", [None, "zeros", "torch", "sklearn", 0.25])
def test_biases_of_their_own_are_drawn_after_all_weights(rule, biases):
    task = make_task(initialization=rule, bias_initialization=biases)
    coefs, intercepts, _ = starting_weights(task, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    expected = [initial_layer(rule, layer, rng) for layer in LAYERS]
    if biases is not None:
        own = [initial_biases(biases, layer, rng) for layer in LAYERS]
        expected = [(w, b) for (w, _), b in zip(expected, own, strict=True)]
    for w, b, (expected_w, expected_b) in zip(coefs, intercepts, expected, strict=True):
        np.testing.assert_array_equal(w, expected_w)
        np.testing.assert_array_equal(b, expected_b)


@pytest.mark.parametrize("weighted", [False, True])
def test_closure_gives_the_loss_with_penalty_and_its_gradient(weighted):
    rows = random_rows()
    rows.weights = np.random.default_rng(0).uniform(0.2, 3.0, 40) if weighted else None
    task = make_task(rows=rows, optimizer=torch.optim.LBFGS, batch_size=40, alpha=0.5, l1_ratio=0.3)
    stack = Stack([task])
    chunk = stack.store.chunk([m.order for m in stack.members], 1)
    stack.penalty.start_chunk(chunk)
    ((x, targets, scale),) = chunk.batches()
    stack._loss(0, x, targets, scale, None)
    gradient, flat = stack.module.gradients.flat.clone(), stack.module.blocks.flat
    for i in (0, 17, 60, 110):
        start = flat[i].item()
        flat[i] = start + 1e-6
        above = stack._loss(0, x, targets, scale, None).item()
        flat[i] = start - 1e-6
        below = stack._loss(0, x, targets, scale, None).item()
        flat[i] = start
        assert gradient[i].item() == pytest.approx((above - below) / 2e-6, rel=1e-5, abs=1e-8)


def test_torch_lbfgs_class_trains():
    task = make_task(
        optimizer=torch.optim.LBFGS, batch_size=40, learning_rate_init=0.5, max_iter=10
    )
    (result,) = train([task])
    assert result.loss_curve[-1] < 0.5 * result.loss_curve[0]


def test_large_networks_are_trained_in_slices_that_fit_the_cache():
    small = [make_task(hidden=(8,)) for _ in range(50)]
    large = [make_task(hidden=(400, 400)) for _ in range(50)]
    assert [len(s) for s in slices(range(50), small)] == [50]
    sizes = [len(s) for s in slices(range(50), large)]
    assert len(sizes) > 5
    assert sum(sizes) == 50
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("n_threads", "n_slices"), [(1, 1), (2, 2), (3, 3)])
def test_each_core_gets_a_slice_where_there_is_work_for_it(monkeypatch, n_threads, n_slices):
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    tasks = [make_task(hidden=(8,)) for _ in range(50)]
    assert len(slices(range(50), tasks)) == 1
    monkeypatch.setattr(stacks, "_FLOPS_FOR_SLICES", 1)
    assert len(slices(range(50), tasks)) == n_slices
    assert len(slices(range(2), tasks)) == min(2, n_slices)


@pytest.mark.parametrize(("dtype", "at_once"), [("float64", 6), ("float32", 12)])
def test_a_slice_is_what_the_cache_holds(monkeypatch, dtype, at_once):
    # 6 · 8 + 9 · 3 = 75 parameters, as many gradients, and two moments of each
    monkeypatch.setattr(stacks, "_SLICE_BYTES", 6 * 4 * 75 * 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    tasks = [make_task(hidden=(8,), dtype=dtype) for _ in range(at_once + 1)]
    assert len(slices(range(at_once), tasks)) == 1
    assert len(slices(range(at_once + 1), tasks)) == 2
    monkeypatch.setattr(stacks, "_SLICE_BYTES", 1)
    assert [len(part) for part in slices(range(12), tasks[:1] * 12)] == [1] * 12


@pytest.mark.parametrize(("share", "n_slices"), [(0.9, 1), (1.9, 1), (2.5, 2), (9.0, 4)])
def test_no_more_cores_than_the_work_is_worth(monkeypatch, share, n_slices):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    tasks = [make_task(hidden=(8,)) for _ in range(12)]
    monkeypatch.setattr(stacks, "_FLOPS_FOR_SLICES", stack_flops(tasks) / share)
    assert len(slices(range(12), tasks)) == n_slices
    assert len(slices(range(12), [replace(task, device="cuda") for task in tasks])) == 1


def test_networks_of_equal_settings_share_a_slice(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(stacks, "_FLOPS_FOR_SLICES", 1)
    for name, values in [("learning_rate_init", (0.1, 0.2)), ("alpha", (0.0, 1.0))]:
        tasks = [make_task(**{name: values[k % 2]}) for k in range(6)]
        assert slices([0, 1, 2, 3, 4, 5], tasks) == [[0, 2, 4], [1, 3, 5]]


def test_stacks_of_several_shapes_train_side_by_side(monkeypatch):
    monkeypatch.setattr(stacks, "_FLOPS_FOR_SLICES", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    names, original = set(), Stack.end_epochs

    def end_epochs(self):
        names.add(threading.current_thread().name)
        original(self)

    monkeypatch.setattr(Stack, "end_epochs", end_epochs)
    tasks = [make_task(hidden=hidden, seed=k) for k, hidden in enumerate([(5,), (3, 4), (5, 5)])]
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)
    assert any("ThreadPoolExecutor" in name for name in names)


def test_a_stack_that_exceeds_the_memory_is_trained_in_halves(monkeypatch):
    tried, original = [], stacks.Stack

    def stack(tasks):
        tried.append(len(tasks))
        if len(tasks) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(tasks)

    tasks = seven_tasks()
    alone = trained_alone(tasks)
    monkeypatch.setattr(stacks, "Stack", stack)
    for one, other in zip(train(tasks), alone, strict=True):
        assert_same(one, other)
    assert tried == [7, 3, 1, 2, 4, 2, 2]


def test_only_networks_that_do_not_fit_the_memory_alone_fail(monkeypatch):
    original = stacks.Stack

    def stack(tasks):
        if any(task.seed == 3 for task in tasks):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(tasks)

    monkeypatch.setattr(stacks, "Stack", stack)
    outcomes = train([make_task(seed=k) for k in range(5)])
    assert [isinstance(o, torch.OutOfMemoryError) for o in outcomes] == [0, 0, 0, 1, 0]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_slices_train_side_by_side_as_alone(monkeypatch, n_threads):
    monkeypatch.setattr(stacks, "_SLICE_BYTES", 1)
    monkeypatch.setattr(stacks, "_FLOPS_FOR_SLICES", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    tasks = seven_tasks()
    results = train(tasks)
    for together, alone in zip(results, trained_alone(tasks), strict=True):
        assert_same(together, alone, rtol=0)


@pytest.mark.parametrize(("n_parts", "n_threads"), [(1, 2), (2, 1), (2, 2), (3, 2)])
def test_parts_share_the_processor_where_there_are_several_of_each(monkeypatch, n_parts, n_threads):
    monkeypatch.setattr(stacks, "_FLOPS_FOR_SLICES", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    side_by_side, original = [], stacks._train_side_by_side
    limited, one_thread = [], stacks.one_thread

    def seen(parts, bar):
        side_by_side.append(len(parts))
        return original(parts, bar)

    monkeypatch.setattr(stacks, "_train_side_by_side", seen)
    monkeypatch.setattr(
        stacks, "one_thread", lambda wanted: limited.append(wanted) or one_thread(wanted)
    )
    monkeypatch.setattr(stacks, "_FLOPS_FOR_THREADS", 0)
    stacks._train_parts([[make_task(seed=k)] for k in range(n_parts)], None)
    several = n_parts > 1 and n_threads > 1
    assert side_by_side == [n_parts] * several
    # each on one core only where they are side by side
    assert limited == [several] * n_parts


def test_only_enough_work_on_the_cpu_without_callbacks_shares_the_processor(monkeypatch):
    task = make_task()
    may_share = stacks._may_share_the_processor
    assert not may_share([task])
    monkeypatch.setattr(stacks, "_FLOPS_FOR_SLICES", stack_flops([task]))
    assert may_share([task])
    assert not may_share([replace(task, device="cuda")])
    view = CallbackView([], lambda z: z, None, "regressor")
    assert not may_share([replace(task, callback_view=view)])


def test_an_interrupt_stops_all_slices(monkeypatch):
    monkeypatch.setattr(stacks, "_SLICE_BYTES", 1)
    monkeypatch.setattr(stacks, "_FLOPS_FOR_SLICES", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    epochs, original = [], Stack.end_epochs

    def end_epochs(self):
        epochs.append(self)
        if self.members[0].task.seed == 1 and len(epochs) >= 5:
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(Stack, "end_epochs", end_epochs)
    with pytest.raises(KeyboardInterrupt):
        train([make_task(max_iter=100_000, seed=k) for k in range(4)])
    assert len(epochs) < 10_000


def test_early_stopping_goes_back_to_the_best_epoch():
    stopping = {"validation": random_rows(n=30, seed=9), "early_stopping": True}
    task = make_task(max_iter=200, learning_rate_init=0.05, n_iter_no_change=3, **stopping)
    other = make_task(max_iter=3, seed=1)
    result, _ = train([task, other])
    assert result.stopping_reason == "early_stopping"
    best = int(np.argmax(result.validation_scores))
    assert best + 1 < result.n_iter
    (shorter,) = train([replace(task, early_stopping=False, max_iter=best + 1)])
    for ours, theirs in zip(result.coefs, shorter.coefs, strict=True):
        np.testing.assert_allclose(ours, theirs)
    assert result.best_validation_score == max(result.validation_scores)
    assert result.best_loss is None
    assert shorter.best_loss == min(shorter.loss_curve)
    assert shorter.best_validation_score is None
    assert shorter.loss == shorter.loss_curve[-1]
    assert len(shorter.validation_loss_curve) == len(shorter.validation_scores) == best + 1


def test_optimizer_settings_are_sorted_but_results_come_in_order():
    tasks = [
        replace(make_task(seed=k), optimizer=OptimizerSettings("adam", beta_1=0.9 - 0.3 * (k % 2)))
        for k in range(4)
    ]
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)


def penalized_tasks(**others):
    """Networks of two penalties; the last batches of the second have 8, 8 and 5 rows."""
    return [
        make_task(
            rows=random_rows(n=n, seed=k),
            seed=k,
            alpha=[0.3, 0.02][k // 3],
            l1_ratio=[0.0, 0.5][k // 3],
            learning_rate_init=0.01,
            max_iter=12 - k,
            **others,
        )
        for k, n in enumerate([40, 40, 40, 40, 40, 37])
    ]


@pytest.mark.parametrize(
    "between", [{}, {"max_grad_norm": 0.5}, {"max_grad_value": 0.1}, {"weight_decay": 0.1}]
)
def test_networks_of_unequal_penalties_are_what_they_are_alone(between):
    tasks = penalized_tasks(**between)
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)


# Validations every few epochs, and a limit of time


@pytest.mark.usefixtures("by_torch")
def test_networks_are_validated_when_it_is_their_turn(monkeypatch):
    asked, tasks = [], []
    for k, every in enumerate([1, 2, 3, 50]):
        rows = random_rows(n=20, seed=100 + k)
        tasks.append(make_task(seed=k, max_iter=7, validation=rows, validation_every=every))
    original = validation.ValidationTogether.__call__

    def counted(self, module, networks):
        asked.append(list(networks))
        return original(self, module, networks)

    monkeypatch.setattr(validation.ValidationTogether, "__call__", counted)
    results = train(tasks)
    assert asked == [[0], [0, 1], [0, 2], [0, 1], [0], [0, 1, 2], [0, 1, 2, 3]]
    assert [len(r.validation_scores) for r in results] == [7, 4, 3, 1]
    for together, alone in zip(results, trained_alone(tasks), strict=True):
        assert_same(together, alone)
        np.testing.assert_allclose(together.validation_scores, alone.validation_scores)


@pytest.mark.usefixtures("by_torch")
def test_a_network_of_a_stack_has_its_share_of_the_time(monkeypatch):
    """Each look at the clock is a second later: once in an epoch, and once after it."""
    clock = iter(range(10**6))
    monkeypatch.setattr(stack, "perf_counter", lambda: float(next(clock)))
    limits = {"max_iter": 40, "max_time": 3.0}
    (alone,) = train([make_task(**limits)])
    together = train([make_task(seed=k, **limits) for k in range(3)])
    assert (alone.n_iter, alone.stopping_reason) == (2, "max_time")  # 1 and 3 seconds
    assert {r.n_iter for r in together} == {5}  # 9 seconds, divided by 3
    mixed = train([make_task(seed=0, **limits), make_task(seed=1, max_iter=9)])
    assert [(r.n_iter, r.stopping_reason) for r in mixed] == [(4, "max_time"), (9, "max_iter")]


@pytest.mark.usefixtures("by_torch")
def test_what_a_scorer_raises_leaves_the_others_in_the_stack(monkeypatch):
    calls = []

    def failing(task, logits, arrays, epoch):
        calls.append(epoch)
        if epoch == 3:
            raise KeyError("no such thing")
        return float(epoch)

    rows = random_rows(n=20, seed=9)
    tasks = [
        make_task(seed=k, validation=rows, metric=metric)
        for k, metric in enumerate([None, failing, "loss"])
    ]
    first, error, last = train(tasks)
    assert isinstance(error, KeyError)
    assert calls == [1, 2, 3]
    for ours, theirs in zip((first, last), trained_alone([tasks[0], tasks[2]]), strict=True):
        assert_same(ours, theirs)


def test_units_are_not_added_to_a_network_that_a_scorer_sees():
    rows = random_rows(n=20, seed=9)

    def scorer(task, logits, arrays, epoch):
        assert [w.shape for w in arrays.coefs] == [(5, 4), (4, 3)]
        return 0.0

    tasks = [
        make_task(hidden=(width,), activations=("tanh",), validation=rows, metric=metric)
        for width, metric in ((4, scorer), (5, None), (6, "loss"))
    ]
    with config(executor="torch"):
        for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
            assert_same(together, alone)
