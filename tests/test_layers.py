"""Layers beyond the linear one, and networks whose gradients are autograd's."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import GIVEN, OPTIONS, assert_same, make_task, random_rows, trained_alone
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skmlp import MLPClassifier, MLPRegressor, fused
from skmlp.network.architecture import KINDS, Architecture
from skmlp.network.layers import (
    NORMALIZATIONS,
    BatchNorm,
    Dropout,
    LayerNorm,
    Step,
    layers_of,
    slots_of,
)
from skmlp.network.losses import LOSSES, Loss
from skmlp.network.mlp import StackedMLP
from skmlp.training import train
from skmlp.training.padding import padded

WIDTH = 4
RNG = np.random.default_rng(0)


def tensor(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(1.0, 2.0, shape))


def started(layer, K=1):
    """A layer's own arrays as they start."""
    return [
        torch.full((K, 1, *slot.shape), KINDS[slot.kind].start, dtype=torch.float64)
        for slot in layer.slots
    ]


def scale_and_shift(theirs, own):
    """Have both layers the same ones."""
    with torch.no_grad():
        for mine, parameter, seed in zip(own, (theirs.weight, theirs.bias), (7, 8), strict=False):
            mine.copy_(tensor(WIDTH, seed=seed))
            parameter.copy_(mine.ravel())


def shares_of(weights):
    weights = torch.as_tensor(weights, dtype=torch.float64)
    return (weights / weights.sum(1, keepdim=True)).unsqueeze(2)


# Each layer against torch.nn's


def test_a_batch_is_normalized_as_torchs_layer_does():
    theirs = torch.nn.BatchNorm1d(WIDTH, momentum=None).double()  # averages of all batches
    ours = BatchNorm(0, WIDTH)
    own = started(ours)
    scale_and_shift(theirs, own)
    for step, n in enumerate((8, 5, 8)):
        x = tensor(1, n, WIDTH, seed=step)
        found = ours.forward(x, own, Step(True, 1 / n))
        torch.testing.assert_close(found[0], theirs(x[0]).detach())
    torch.testing.assert_close(own[2].ravel(), theirs.running_mean)
    torch.testing.assert_close(own[3].ravel(), theirs.running_var)
    assert own[4].item() == theirs.num_batches_tracked.item() == 3
    x = tensor(1, 6, WIDTH, seed=9)
    theirs.eval()
    torch.testing.assert_close(ours.forward(x, own, Step())[0], theirs(x[0]).detach())


def test_running_averages_have_momentum_after_ten_batches():
    theirs = torch.nn.BatchNorm1d(WIDTH, momentum=0.1).double()
    ours = BatchNorm(0, WIDTH)
    own = started(ours)
    for step in range(300):  # what torch's start from is forgotten by then
        x = tensor(1, 8, WIDTH, seed=step)
        ours.forward(x, own, Step(True, 1 / 8))
        theirs(x[0])
    torch.testing.assert_close(own[2].ravel(), theirs.running_mean)
    torch.testing.assert_close(own[3].ravel(), theirs.running_var)


def test_rows_are_normalized_as_torchs_layer_does():
    theirs = torch.nn.LayerNorm(WIDTH).double()
    ours = LayerNorm(0, WIDTH)
    own = started(ours)
    scale_and_shift(theirs, own)
    x = tensor(1, 6, WIDTH)
    for step in (Step(), Step(True, 1 / 6)):
        torch.testing.assert_close(ours.forward(x, own, step), theirs(x).detach())


# Batches with weights, of unequal lengths, and of one row


def test_a_row_of_weight_two_counts_as_two_rows():
    layer = BatchNorm(0, WIDTH)
    x = tensor(1, 5, WIDTH)
    weighted, repeated = started(layer), started(layer)
    one = layer.forward(x, weighted, Step(True, shares_of([[2.0, 1, 1, 2, 1]])))
    twice = x[:, [0, 0, 1, 2, 3, 3, 4]]
    other = layer.forward(twice, repeated, Step(True, 1 / 7))
    torch.testing.assert_close(one[:, [0, 0, 1, 2, 3, 3, 4]], other)
    torch.testing.assert_close(weighted[2], repeated[2])


def test_equal_weights_are_no_weights():
    layer = BatchNorm(0, WIDTH)
    x = tensor(1, 5, WIDTH)
    one, other = started(layer), started(layer)
    a = layer.forward(x, one, Step(True, shares_of([[3e-30] * 5])))
    b = layer.forward(x, other, Step(True, 1 / 5))
    torch.testing.assert_close(a, b)
    for ours, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_rows_that_fill_a_batch_up_do_not_count():
    layer = BatchNorm(0, WIDTH)
    x = tensor(2, 5, WIDTH)
    x[0, 3:] = 1e6
    own, alone = started(layer, K=2), started(layer)
    found = layer.forward(x, own, Step(True, shares_of([[1.0, 1, 1, 0, 0], [1.0] * 5])))
    expected = layer.forward(x[:1, :3], alone, Step(True, 1 / 3))
    torch.testing.assert_close(found[:1, :3], expected)
    for ours, theirs in zip(own, alone, strict=True):
        torch.testing.assert_close(ours[:1], theirs)


def test_two_rows_of_unequal_weight_have_a_variance():
    layer = BatchNorm(0, WIDTH)
    x = tensor(1, 2, WIDTH)
    own = started(layer)
    found = layer.forward(x, own, Step(True, shares_of([[1.0, 0.2]])))
    rows = x[0].numpy()
    mean = np.average(rows, axis=0, weights=[1.0, 0.2])
    variance = np.average((rows - mean) ** 2, axis=0, weights=[1.0, 0.2])
    np.testing.assert_allclose(found[0], (rows - mean) / np.sqrt(variance + 1e-5))
    np.testing.assert_allclose(own[2].ravel(), mean)
    unbiased = variance / (1 - (1.0**2 + 0.2**2) / 1.2**2)
    np.testing.assert_allclose(own[3].ravel(), unbiased)


@pytest.mark.parametrize("share", [1.0, shares_of([[0.0, 2.0, 0.0]])])
def test_a_batch_of_one_row_takes_the_running_averages(share):
    layer = BatchNorm(0, WIDTH)
    own = started(layer)
    layer.forward(tensor(1, 8, WIDTH), own, Step(True, 1 / 8))
    before = [array.clone() for array in own]
    x = tensor(1, 1 if isinstance(share, float) else 3, WIDTH, seed=1)
    found = layer.forward(x, own, Step(True, share))
    torch.testing.assert_close(found, layer.forward(x, own, Step()))
    for array, same in zip(own, before, strict=True):
        torch.testing.assert_close(array, same, rtol=0, atol=0)


def test_before_any_batch_units_are_taken_as_normalized():
    layer = BatchNorm(0, WIDTH)
    x = tensor(1, 1, WIDTH)
    own = started(layer)
    for step in (Step(), Step(True, 1.0)):
        torch.testing.assert_close(layer.forward(x, own, step), x / np.sqrt(1 + 1e-5))
    assert own[4].item() == 0


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
def test_dropout_multiplies_by_its_mask_and_then_adds_its_shift(masked, shifted):
    x, mask, shift = (tensor(2, 9, 5) + k for k in range(3))
    masks, shifts = [None, mask] if masked else (), [None, shift] if shifted else ()
    step = Step(True, 1.0, masks, shifts=shifts)
    expected = x * (mask if masked else 1.0) + (shift if shifted else 0.0)
    assert torch.equal(Dropout(1).forward(x, [], step), expected)
    assert torch.equal(Dropout(0).forward(x, [], step), x)


# Networks


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_gradients_pass_central_differences(name):
    architecture = Architecture((5, 7, 6, 3), ("tanh", "silu"), normalization=name)
    module = StackedMLP(2, architecture, "log_loss", dtype=torch.float64)
    assert not module.by_hand
    rng = np.random.default_rng(0)
    module.blocks.flat.copy_(torch.from_numpy(rng.normal(size=module.blocks.flat.numel())))
    x, targets = tensor(2, 9, 5), torch.from_numpy(np.eye(3)[rng.integers(0, 3, (2, 9))])
    scale = shares_of(rng.uniform(0.1, 1, (2, 9)))
    masks = [torch.from_numpy(rng.integers(0, 2, (2, 9, w)) * 2.0) for w in (7, 6)]
    shifts = [torch.from_numpy(rng.normal(size=(2, 9, 7))), None]
    with torch.no_grad():
        module.compute_gradients(x, targets, scale, masks, shifts)
        gradient, flat, h = module.gradients.flat.clone(), module.blocks.flat, 1e-5

        def value():
            logits = module.compute_gradients(x, targets, scale, masks, shifts)
            return (module.loss.per_row(logits, targets).unsqueeze(2) * scale).sum().item()

        for i in rng.choice(len(flat), 60, replace=False):
            start = flat[i].item()
            flat[i] = start + h
            above = value()
            flat[i] = start - h
            below = value()
            flat[i] = start
            assert gradient[i].item() == pytest.approx(
                (above - below) / (2 * h), rel=1e-5, abs=1e-9
            )


def test_dropout_comes_after_the_activation():
    architecture = Architecture((5, 4, 3), ("tanh",), normalization="layer")
    module = StackedMLP(1, architecture, "squared_error", dtype=torch.float64)
    module.blocks.flat.copy_(tensor(module.blocks.flat.numel()))
    x, mask = tensor(1, 6, 5, seed=1), torch.full((1, 6, 4), 2.0, dtype=torch.float64)
    mask[:, :, 1] = 0.0
    arrays = module.blocks.arrays
    with torch.no_grad():
        found = module.compute_gradients(x, tensor(1, 6, 3, seed=2), 1 / 6, [mask])
        z = torch.nn.functional.layer_norm(x @ arrays["weights.0"] + arrays["biases.0"], (4,))
        h = torch.tanh(z * arrays["scales.0"] + arrays["shifts.0"]) * mask
        torch.testing.assert_close(found, h @ arrays["weights.1"] + arrays["biases.1"])
        assert not module.gradients.arrays["weights.1"][:, 1].any()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_without_a_derivative_by_hand_has_autograds(loss):
    plain = GIVEN[loss]
    width = plain.n_logits(3, OPTIONS[loss])
    z, rows = tensor(2, 9, width), random_rows(loss, 18)
    t = torch.from_numpy(rows.targets).view(2, 9, 3)
    found = replace(plain, delta=None).gradient(z, t)
    torch.testing.assert_close(found, plain.gradient(z, t))
    with torch.inference_mode():
        torch.testing.assert_close(replace(plain, delta=None).gradient(z, t), found)
    assert isinstance(plain, Loss)


def in_torch(name):
    """The same network as plain torch code, and its layers in our order of arrays."""
    of_width = {"batch": torch.nn.BatchNorm1d, "layer": torch.nn.LayerNorm}[name]
    with torch.random.fork_rng([]):
        hidden = torch.nn.Linear(5, 8), of_width(8), torch.nn.ReLU()
        return torch.nn.Sequential(*hidden, torch.nn.Linear(8, 3)).double()


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_training_is_that_of_plain_torch(name):
    rows = random_rows(n=64)
    task = make_task(
        rows=rows, hidden=(8,), normalization=name, batch_size=16, shuffle=False, max_iter=5,
        activations=("relu",),
    )  # fmt: skip
    (start,) = train([replace(task, learning_rate_init=1e-300, max_iter=1)])
    net = in_torch(name)
    with torch.no_grad():
        for layer, w, b in zip((net[0], net[3]), start.coefs, start.intercepts, strict=True):
            layer.weight.copy_(torch.from_numpy(w.T))
            layer.bias.copy_(torch.from_numpy(b))
    optimizer = torch.optim.Adam(net.parameters(), lr=task.learning_rate_init)
    X, T = torch.from_numpy(rows.X), torch.from_numpy(rows.targets)
    for _ in range(5):
        for x, t in zip(X.split(16), T.split(16), strict=True):
            loss = torch.nn.functional.cross_entropy(net(x), t)
            loss = loss + task.alpha / 2 / 16 * sum((net[i].weight ** 2).sum() for i in (0, 3))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    (found,) = train([task])
    expected = [net[0].weight.T, net[3].weight.T, net[0].bias, net[3].bias]
    expected += [net[1].weight, net[1].bias]
    if name == "batch":  # its mean takes the bias away, which we leave where it is
        expected[2] = torch.from_numpy(start.intercepts[0])
    others = [found.arrays.others[key] for key in ("scales.0", "shifts.0")]
    for ours, theirs in zip([*found.coefs, *found.intercepts, *others], expected, strict=True):
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-6, atol=1e-9)


DIFFERENT = [
    {"seed": 1},
    {"seed": 2, "alpha": 0.5, "learning_rate_init": 0.01},
    {"seed": 3, "rows": random_rows(n=33, seed=3)},  # its last batch has one row
    {"seed": 4, "rows": random_rows(n=37, seed=4), "dropout": (0.3,)},
    {"seed": 5, "validation": random_rows(n=11, seed=5), "early_stopping": True, "tol": 10.0,
     "n_iter_no_change": 1},
]  # fmt: skip


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_a_stack_is_its_networks_alone(name):
    weighted = replace(random_rows(n=40), weights=np.random.default_rng(0).uniform(0.1, 2, 40))
    base = {"hidden": (6,), "normalization": name, "batch_size": 16, "max_iter": 6}
    tasks = [make_task(**{**base, **each}) for each in [*DIFFERENT, {"rows": weighted}]]
    assert len({task.stack_key for task in tasks}) == 1
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)


def test_batch_normalized_networks_may_be_padded_and_layer_normalized_ones_not():
    for name, joined in (("batch", True), ("layer", False)):
        tasks = [make_task(hidden=(h,), normalization=name, seed=h, max_iter=4) for h in (4, 6)]
        assert (len({task.stack_key for task in padded(tasks)}) == 1) == joined
        for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
            assert_same(together, alone)


def test_arrays_stand_weights_first():
    slots = slots_of(layers_of(Architecture((4, 3, 2), ("relu",), normalization="batch")))
    assert [slot.name for slot in slots] == [
        "weights.0", "weights.1", "biases.1", "biases.0",
        "scales.0", "shifts.0", "means.0", "variances.0", "counts.0",
    ]  # fmt: skip


# Estimators

X, y = load_digits(return_X_y=True)
X, y = X[:300] / 16, y[:300]


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_partial_fits_are_one_fit_and_pickles_go_on(name):
    whole = MLPClassifier((8, 7), normalization=name, max_iter=4, random_state=0, tol=0)
    parts = clone(whole)
    with pytest.warns(UserWarning, match="max_iter"):
        whole.fit(X, y)
    for _ in range(4):
        parts = pickle.loads(pickle.dumps(parts)).partial_fit(X, y, classes=range(10))
    np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X), rtol=1e-9)
    for key, values in whole.parameters_.items():
        np.testing.assert_allclose(parts.parameters_[key], values, rtol=1e-9)
    assert all(isinstance(values, np.ndarray) for values in whole.parameters_.values())


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_the_best_epochs_statistics_come_back(name):
    net = MLPClassifier(
        (8,), normalization=name, early_stopping=True, n_iter_no_change=3, max_iter=300,
        learning_rate_init=0.05, random_state=0,
    ).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])  # fmt: skip
    assert net.score(X[200:], y[200:]) == net.best_validation_score_


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_a_search_inside_fused_finds_the_same(name):
    search = GridSearchCV(
        MLPClassifier((6,), normalization=name, max_iter=40, tol=0, random_state=0),
        {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(5,), (6,)]},
        cv=2,
    )
    X, y = load_iris(return_X_y=True)
    with fused(), pytest.warns(UserWarning, match="max_iter"):
        together = clone(search).fit(X, y)
    with pytest.warns(UserWarning, match="max_iter"):
        plain = search.fit(X, y)
    np.testing.assert_array_equal(
        plain.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"]
    )


def test_a_deep_network_that_does_not_learn_learns_with_normalization():
    scores = {}
    for name in (None, *NORMALIZATIONS):
        net = MLPClassifier(
            (20,) * 6, "logistic", normalization=name, batch_size=50, max_iter=40, tol=0,
            learning_rate_init=0.01, random_state=0,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            scores[name] = net.fit(X, y).score(X, y)
    assert scores["batch"] > 0.9
    assert scores["layer"] > 0.9
    assert scores[None] < 0.6


def test_going_on_needs_the_same_normalization():
    net = MLPRegressor((4,), normalization="batch", max_iter=2, warm_start=True, tol=0.0)
    for _ in range(2):
        with pytest.warns(UserWarning, match="max_iter"):
            net.fit(X, y)
    with pytest.raises(ValueError, match=r"fitted with normalization='batch', but now .*'layer'"):
        net.set_params(normalization="layer").fit(X, y)


def test_lbfgs_takes_layer_normalization_and_refuses_that_of_batches():
    net = MLPClassifier((5,), normalization="layer", optimizer="lbfgs", max_iter=300)
    assert net.fit(X, y).score(X, y) > 0.9
    with pytest.raises(ValueError, match=r"'normalization' parameter .* no meaning for .*'lbfgs'"):
        net.set_params(normalization="batch").fit(X, y)


def test_callbacks_see_the_arrays_by_their_names():
    from skorch.callbacks import Callback

    class Names(Callback):
        def on_train_end(self, net, **kwargs):
            self.parameters = [name for name, _ in net.module_.named_parameters()]
            self.state = list(net.module_.state_dict())
            self.weights, self.means = net.module_.weights[1], net.module_.means[0]

    names = Names()
    net = MLPClassifier((4,), normalization="batch", max_iter=300, callbacks=[names]).fit(X, y)
    assert net.score(X, y) > 0.6
    assert names.parameters == [
        "weights.0", "weights.1", "biases.1", "scales.0", "shifts.0"
    ]  # fmt: skip
    statistics = ["biases.0", "means.0", "variances.0", "counts.0"]
    np.testing.assert_array_equal(names.weights[0].detach(), net.coefs_[1])
    np.testing.assert_array_equal(names.means[0, 0], net.parameters_["means.0"])
    assert sorted(names.state) == sorted([*names.parameters, *statistics])
