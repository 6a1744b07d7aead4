"""Residual networks: what they compute, their gradients, and the rest of the package with them."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import torch
from helpers import OPTIONS, TARGETS, assert_same, iris, make_task, random_rows, trained_alone
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from torch import nn

from skmlp import Constant, MLPClassifier, MLPRegressor, fused
from skmlp.estimators.equal_units import equal_units_message
from skmlp.network.architecture import Architecture
from skmlp.network.forward import forward
from skmlp.network.layers import Step
from skmlp.network.mlp import StackedMLP
from skmlp.training import train
from skmlp.training.compiled.arrays import is_plain
from skmlp.training.flops import flops_per_step
from skmlp.training.padding import may_pad, padded

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = iris()
SAME, UNEQUAL = (6, 4, 6, 6, 6), (6, 6, 4, 4)  # the second: a projection, and a layer left over
NORMALIZATIONS = [None, "batch", "layer"]


def of_random_weights(architecture, loss="log_loss", K=1, seed=0):
    module = StackedMLP(K, architecture, loss, OPTIONS[loss], dtype=torch.float64)
    rng = np.random.default_rng(seed)
    module.blocks.flat.copy_(torch.from_numpy(0.5 * rng.normal(size=module.blocks.flat.numel())))
    return module


class Reference(nn.Module):
    """A pre-activated residual network of torch's own layers."""

    def __init__(self, arrays, length, normalization, f):
        super().__init__()
        self.f, self.length, self.arrays = f, length, arrays
        widths = [b.shape[-1] for b in self.all("biases")]
        self.linear = nn.ModuleList(
            self.filled(nn.Linear(*w.shape), w.T, b)
            for w, b in zip(self.all("weights"), self.all("biases"), strict=True)
        )
        kinds = {None: lambda w: nn.Identity(), "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
        self.norm = nn.ModuleList(kinds[normalization](width) for width in widths[:-1])
        if normalization is not None:
            for norm, scale, shift in zip(
                self.norm, self.all("scales"), self.all("shifts"), strict=True
            ):
                self.filled(norm, scale, shift)
        self.double()

    def all(self, kind):
        n = sum(name.startswith(f"{kind}.") for name in self.arrays)
        return [self.arrays[f"{kind}.{i}"][0].squeeze(0).detach().clone() for i in range(n)]

    @staticmethod
    def filled(layer, weight, bias):
        layer.weight, layer.bias = nn.Parameter(weight.contiguous()), nn.Parameter(bias)
        return layer

    def forward(self, x):
        *hidden, last = self.linear
        x = hidden[0](x)
        for block, first in enumerate(range(1, len(hidden), self.length)):
            branch = x
            for i in range(first, min(first + self.length, len(hidden))):
                branch = hidden[i](self.f(self.norm[i - 1](branch)))
            projection = self.arrays.get(f"projections.{block}")
            x = (x if projection is None else x @ projection[0]) + branch
        return last(self.f(self.norm[-1](x)))


@pytest.mark.parametrize("hidden", [SAME, UNEQUAL])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("length", [2, 3])
def test_logits_and_gradients_are_those_of_torchs_layers(hidden, normalization, length):
    architecture = Architecture((5, *hidden, 3), ("relu",) * len(hidden), 0.01, normalization)
    module = of_random_weights(architecture._replace(residual=length))
    with torch.random.fork_rng([]):
        theirs = Reference(module.blocks.arrays, length, normalization, torch.relu)
    rng = np.random.default_rng(1)
    x, t = torch.from_numpy(rng.normal(size=(1, 9, 5))), torch.eye(3).double().repeat(1, 3, 1)
    logits = theirs(x[0])
    nn.functional.cross_entropy(logits, t[0]).backward()
    with torch.no_grad():
        torch.testing.assert_close(module.compute_gradients(x, t, 1 / 9)[0], logits)
    for i, layer in enumerate(theirs.linear):
        found = module.gradients.arrays[f"weights.{i}"][0].T
        torch.testing.assert_close(found, layer.weight.grad)
    if normalization == "layer":
        torch.testing.assert_close(module(x)[0], theirs(x[0]))
        shifts = module.gradients.arrays["shifts.1"].ravel()
        torch.testing.assert_close(shifts, theirs.norm[1].bias.grad)


CASES = [
    *itertools.product(NORMALIZATIONS, [SAME, UNEQUAL], ["log_loss", "squared_error"], [False]),
    (None, SAME, "binary_log_loss", True),
    (None, UNEQUAL, "huber", True),
]


@pytest.mark.parametrize(("normalization", "hidden", "loss", "fixup"), CASES)
def test_gradients_pass_central_differences(normalization, hidden, loss, fixup):
    architecture = Architecture(
        (5, *hidden, 3), ("tanh", "silu") * 2 + ("tanh",) * (len(hidden) - 4), 0.01, normalization,
        2, fixup,
    )  # fmt: skip
    module = of_random_weights(architecture, loss, K=2)
    assert not module.by_hand
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(2, 9, 5)))
    t = torch.from_numpy(np.stack([TARGETS[loss](rng, 9) for _ in range(2)]))
    scale = torch.from_numpy(rng.dirichlet(np.ones(9), 2)).unsqueeze(2)
    masks = [torch.from_numpy(rng.integers(0, 2, (2, 9, w)) * 2.0) for w in hidden]
    module.survivors = [torch.tensor([1.0, 0.0]).double().view(2, 1, 1), True]

    def value():
        logits = module.compute_gradients(x, t, scale, masks)
        return (module.loss.per_row(logits, t).unsqueeze(2) * scale).sum().item()

    with torch.no_grad():
        value()
        gradient, flat, h = module.gradients.flat.clone(), module.blocks.flat, 1e-5
        assert gradient.count_nonzero() > len(gradient) / 3
        for i in rng.choice(len(flat), 60, replace=False):
            start = flat[i].item()
            flat[i] = start + h
            above = value()
            flat[i] = start - h
            below = value()
            flat[i] = start
            difference = (above - below) / (2 * h)
            assert gradient[i].item() == pytest.approx(difference, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_an_activation_leaves_the_sum_that_it_reads_as_it_is(activation):
    """A branch of weights zero adds nothing: the rest is a network of one hidden layer."""
    model = of_random_weights(Architecture((5, 4, 4, 4, 3), (activation,) * 3, residual=2))
    arrays = model.blocks.arrays
    for name in ("weights.2", "biases.2"):
        arrays[name].zero_()
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 9, 5)))
    f = {"relu": torch.relu, "tanh": torch.tanh, "logistic": torch.sigmoid}[activation]
    h = f(x @ arrays["weights.0"] + arrays["biases.0"])
    torch.testing.assert_close(model(x), h @ arrays["weights.3"] + arrays["biases.3"])


def gradient_norms(residual, n_hidden, activation):
    task = make_task(
        hidden=(16,) * n_hidden, residual=residual, activations=(activation,) * n_hidden,
        optimizer="sgd", settings={"momentum": 0.0}, learning_rate_init=1.0, batch_size=40,
        max_iter=1, shuffle=False,
    )  # fmt: skip
    (start,) = train([replace(task, learning_rate_init=1e-300)])
    (end,) = train([task])
    return [np.linalg.norm(a - b) for a, b in zip(start.coefs, end.coefs, strict=True)]


@pytest.mark.parametrize("activation", ["logistic", "tanh"])
def test_the_first_layer_of_a_deep_network_has_a_gradient_because_of_the_skips(activation):
    plain = gradient_norms(0, 41, activation)
    residual = gradient_norms(2, 41, activation)
    assert residual[0] > 0.05 * residual[-1]
    assert plain[0] < (1e-9 if activation == "logistic" else 0.3) * residual[0]


# Training


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_stack_is_its_networks_alone(normalization):
    base = {"hidden": UNEQUAL, "residual": 2, "normalization": normalization, "max_iter": 4}
    rows = random_rows(n=33, seed=3)
    weighted = random_rows(n=40)
    weighted.weights = np.random.default_rng(0).uniform(0.1, 2, 40)
    tasks = [
        make_task(**base, seed=1, alpha=0.5, l1_ratio=0.5),
        make_task(**base, seed=2, weight_decay=0.1, learning_rate_init=0.01, rows=rows),
        make_task(**base, seed=3, dropout=0.3, max_grad_norm=0.1),
        make_task(**base, seed=4, rows=weighted, initialization="lsuv"),
        make_task(**base, seed=5, optimizer="adam", validation=random_rows(n=11)),
    ]
    assert len({task.stack_key for task in tasks}) == 1
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)


def test_matrices_of_skips_start_orthonormal_and_are_penalized_and_decay():
    base = {"hidden": (8, 8, 4, 4, 6), "residual": 2, "max_iter": 1}
    still = {"learning_rate_init": 1e-300, "optimizer": "sgd"}
    (start,) = train([make_task(**base, **still)])
    narrow, wide = (start.arrays.others[f"projections.{i}"] for i in range(2))
    np.testing.assert_allclose(narrow.T @ narrow, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(wide @ wide.T, 6 / 4 * np.eye(4), atol=1e-12)
    (penalized,) = train([make_task(**base, **still, alpha=0.3, batch_size=40)])
    (plain,) = train([make_task(**base, **still, batch_size=40)])
    squares = sum((w**2).sum() for w in [*start.coefs, narrow, wide])
    assert penalized.loss - plain.loss == pytest.approx(0.3 / 2 * squares / 40, rel=1e-9)
    decay = {"optimizer": "sgd", "learning_rate_init": 1e-13, "weight_decay": 1e12}
    (decayed,) = train([make_task(**base, **decay)])
    kept = (1 - 0.1) ** 3  # in three steps
    np.testing.assert_allclose(decayed.arrays.others["projections.1"], kept * wide, rtol=1e-6)


@pytest.mark.parametrize("residual", [0, 2])
def test_all_other_draws_are_those_of_a_plain_network(residual):
    (plain,) = train([make_task(hidden=UNEQUAL, learning_rate_init=1e-300, max_iter=1)])
    (found,) = train(
        [make_task(hidden=UNEQUAL, learning_rate_init=1e-300, max_iter=1, residual=residual)]
    )
    for a, b in zip(found.coefs, plain.coefs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_torch_trains_them_unpadded_and_counts_the_skips():
    tasks = [make_task(hidden=h, residual=2) for h in [(6, 6, 4), (6, 6, 6), (7, 6, 4)]]
    assert not any(map(is_plain, tasks))
    assert not any(map(may_pad, tasks))
    assert padded(tasks) == tasks
    plain = make_task(hidden=(6, 6, 4))
    assert flops_per_step(tasks[0]) - flops_per_step(plain) == 6 * 16 * 6 * 4
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)


@pytest.mark.parametrize("optimizer", [torch.optim.LBFGS, torch.optim.Rprop])
def test_optimizers_of_torch_take_them(optimizer):
    tasks = [
        make_task(hidden=UNEQUAL, residual=2, seed=s, optimizer=optimizer, stochastic_depth=0.5)
        for s in range(2)
    ]
    for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
        assert_same(together, alone)


# Estimators


def test_two_layers_are_the_default_block():
    models = [
        MLPClassifier((6,) * 5, residual=residual, max_iter=2, random_state=0).fit(X, y)
        for residual in (True, np.True_, 2, 4)
    ]
    for model in models[1:3]:
        np.testing.assert_array_equal(model.coefs_[0], models[0].coefs_[0])
    assert [model.expected_depth_ for model in models] == [2, 2, 2, 1]
    assert [len(model.coefs_) for model in models] == [6] * 4
    assert MLPClassifier((6,), max_iter=1).fit(X, y).expected_depth_ is None


@pytest.mark.parametrize("residual", [1, 0, -2, 2.0, "yes"])
def test_a_block_is_of_two_layers_or_more(residual):
    with pytest.raises(ValueError, match="'residual' parameter"):
        MLPClassifier((6,) * 5, residual=residual).fit(X, y)


@pytest.mark.parametrize("hidden", [(), (6,), 6])
def test_blocks_need_a_layer_before_them(hidden):
    with pytest.raises(ValueError, match=r"'residual' parameter .* two or more hidden layers"):
        MLPClassifier(hidden, residual=True).fit(X, y)


@pytest.mark.parametrize("parameters", [
    {"normalization": "batch"}, {"normalization": "layer", "residual": 3}, {"dropout": 0.2},
    {"initialization": "fixup"}, {"initialization": "lsuv", "optimizer": "sgd"},
])  # fmt: skip
def test_partial_fits_are_one_fit_and_pickles_predict(parameters):
    parameters = {"hidden_layer_sizes": UNEQUAL, "residual": True, **parameters}
    whole = MLPClassifier(**parameters, max_iter=3, tol=0, random_state=0)
    parts = clone(whole)
    whole.fit(X, y)
    for _ in range(3):
        parts = pickle.loads(pickle.dumps(parts)).partial_fit(X, y, classes=range(3))
    np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X), rtol=1e-9)
    for key, values in whole.parameters_.items():
        np.testing.assert_allclose(parts.parameters_[key], values, rtol=1e-9)


def test_going_on_needs_the_same_blocks():
    model = MLPRegressor((4, 4, 4), residual=True, max_iter=1, warm_start=True).fit(X, y)
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"fitted with residual=2, but now has residual=0"):
        model.set_params(residual=False).fit(X, y)
    with pytest.raises(ValueError, match=r"fitted with initialization='any other'.*='fixup'"):
        model.set_params(residual=True, initialization="fixup").fit(X, y)


def test_a_search_inside_fused_finds_the_same():
    search = GridSearchCV(
        MLPClassifier(UNEQUAL, max_iter=5, tol=0, random_state=0, learning_rate_init=0.01),
        [
            {"residual": [True], "stochastic_depth": [None, 0.5], "normalization": [None, "batch"]},
            {"residual": [False, 3]},
            {"residual": [True], "initialization": ["fixup", "lsuv"]},
        ],
        cv=2,
    )
    with fused():
        together = clone(search).fit(X, y)
    plain = search.fit(X, y)
    np.testing.assert_array_equal(
        plain.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"]
    )


def test_lbfgs_trains_them():
    model = MLPRegressor(
        (8,) * 5, residual=True, normalization="layer", activation="tanh", optimizer="lbfgs",
        max_iter=300, random_state=0,
    )  # fmt: skip
    assert model.fit(X[:, :3], X[:, 3]).score(X[:, :3], X[:, 3]) > 0.9


def test_lbfgs_makes_exact_zeros_of_a_skips_matrix():
    model = MLPClassifier(
        (6, 6, 6, 4), residual=True, optimizer="lbfgs", alpha=2.0, l1_ratio=1.0, max_iter=100,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    zeros = [np.mean(w == 0) for w in [*model.coefs_, model.parameters_["projections.1"]]]
    assert min(zeros) > 0.1
    assert max(np.abs(w).max() for w in model.coefs_) > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_rows_are_rows(dtype):
    model = MLPClassifier(
        UNEQUAL, residual=True, initialization="lsuv", dtype=dtype, max_iter=3, random_state=0
    )
    dense = clone(model).fit(X, y, sample_weight=1 + y)
    sparse = clone(model).fit(scipy.sparse.csr_matrix(X), y, sample_weight=1 + y)
    assert sparse.parameters_["projections.0"].dtype == dtype
    np.testing.assert_allclose(sparse.predict_proba(X), dense.predict_proba(X), rtol=1e-4)


def test_callbacks_see_the_arrays_and_change_nothing():
    from skorch.callbacks import Callback

    class Names(Callback):
        def on_train_end(self, net, **kwargs):
            self.names = [name for name, _ in net.module_.named_parameters()]

    names = Names()
    model = MLPClassifier(UNEQUAL, residual=True, stochastic_depth=0.5, max_iter=3, random_state=0)
    watched = clone(model).set_params(callbacks=[names]).fit(X, y)
    np.testing.assert_allclose(watched.predict_proba(X), model.fit(X, y).predict_proba(X))
    assert "projections.0" in names.names
    assert not any(name.startswith("survivals") for name in names.names)


def test_a_deep_network_learns_that_does_not_without_skips():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    scores = {}
    for residual in (False, True):
        model = MLPClassifier(
            (20,) * 21, "tanh", residual=residual, normalization="layer", batch_size=50,
            max_iter=15, learning_rate_init=0.003, random_state=0,
        )  # fmt: skip
        scores[residual] = model.fit(X, y).score(X, y)
    assert scores[True] > 0.95
    assert scores[False] < scores[True] - 0.2


def test_equal_units_are_those_that_no_drawn_matrix_tells_apart():
    rule = {"initialization": Constant(0.1), "residual": 2}
    assert "a layer of 6 units" in equal_units_message(make_task(hidden=SAME, **rule))
    assert "a layer of 7 units" in equal_units_message(make_task(hidden=(6, 7, 4), **rule))
    message = equal_units_message(make_task(hidden=(6, 1, 4), **rule))
    assert message is None
    (found,) = train([make_task(hidden=(6, 7, 4), **rule, max_iter=20)])
    first, inner = found.coefs[0], found.coefs[1]
    assert np.ptp(inner, axis=1).max() < 1e-12
    assert np.ptp(first, axis=1).min() > 1e-6


def test_rows_of_a_batch_that_only_fill_it_up_are_not_there():
    module = of_random_weights(Architecture((5, 4, 4, 3), ("tanh",) * 2, 0.01, "batch", 2), K=2)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 6, 5)))
    share = torch.full((2, 6, 1), 1 / 6, dtype=torch.float64)
    share[0, 4:], share[0, :4] = 0.0, 1 / 4
    step = Step(True, share, (), [torch.tensor([0.0, 1.0]).double().view(2, 1, 1)])
    forward(module.layers, module.blocks.arrays, x, step)
    counts = module.blocks.arrays["counts.0"].ravel().tolist()
    assert counts == [0.0, 1.0]
