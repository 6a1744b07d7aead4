"""LSUV: every linear layer's outputs have variance one on training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import torch
from helpers import assert_same, every_array, make_task, trained_alone

from skmlp import config
from skmlp.network.forward import forward
from skmlp.network.initialization import INITIALIZATIONS
from skmlp.network.layers import Step, layers_of, slots_of
from skmlp.network.lsuv import scaled_to_unit_variance
from skmlp.network.mlp import Blocks
from skmlp.task import Rows
from skmlp.training import train
from skmlp.training.padding import padded
from skmlp.training.starting import starting_weights

N, D = 300, 12
RNG = np.random.default_rng(0)
ROWS = Rows(3.0 + RNG.normal(size=(N, D)) * np.geomspace(0.01, 100, D), np.eye(3)[np.arange(N) % 3])
HIDDEN = (20, 7, 20, 20, 9)


def lsuv_task(**parameters):
    parameters = {"rows": ROWS, "hidden": HIDDEN, "activations": ("relu",) * 5, **parameters}
    return make_task(initialization="lsuv", **parameters)


def start_of(task, seed=0):
    return starting_weights(task, np.random.default_rng(seed))


def variances(task, arrays, X=None):
    """Of the outputs of each linear layer, in a batch of all rows."""
    layers, found = layers_of(task.architecture), []
    blocks = Blocks(1, slots_of(layers), torch.empty(0, dtype=torch.float64))
    blocks.start()
    blocks.set_network(0, *arrays)

    def note(x, weights, biases):
        found.append(((x @ weights) + biases).var(correction=0).item())

    x = torch.from_numpy(task.train.X if X is None else X)[None]
    forward(layers, blocks.arrays, x, Step(True, 1.0 / x.shape[1], visit=note))
    return found


@pytest.mark.parametrize("residual", [0, 2])
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
def test_the_outputs_of_every_layer_have_variance_one(activation, normalization, residual):
    task = lsuv_task(activations=(activation,) * 5, normalization=normalization, residual=residual)
    found = variances(task, start_of(task))
    assert len(found) == 6
    assert found == pytest.approx([1.0] * 6, abs=0.05)
    plain = variances(task, start_of(replace(task, initialization="orthogonal")))
    assert plain != pytest.approx([1.0] * 6, abs=0.05)


@pytest.mark.parametrize("bias", ["torch", 0.3, -0.2])
def test_biases_count_too(bias):
    task = lsuv_task(bias_initialization=bias, activations=("tanh",) * 5)
    arrays = start_of(task)
    assert variances(task, arrays) == pytest.approx([1.0] * 6, abs=0.05)
    assert np.any(arrays.intercepts[0] != 0)


def test_weights_are_orthonormal_but_for_a_scale():
    arrays = start_of(lsuv_task())
    for w in arrays.coefs:
        values = np.linalg.svd(w, compute_uv=False)
        np.testing.assert_allclose(values, values[0])


def test_rows_are_drawn_from_all_by_the_networks_seed():
    rng = np.random.default_rng(1)
    many = Rows(rng.normal(size=(3000, D)) * np.geomspace(0.1, 10, 3000)[:, None], None)
    task = lsuv_task()
    task = replace(task, train=many)
    first, again, other = (start_of(task, seed).coefs for seed in (0, 0, 1))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.linalg.norm(first[0]) != pytest.approx(np.linalg.norm(other[0]), rel=1e-3)
    # 512 of 3000: within the sampling error of a fourth moment that is large
    assert variances(task, start_of(task))[0] == pytest.approx(1.0, abs=0.3)


def test_sparse_rows_give_the_same_start():
    X = np.where(RNG.random((N, D)) < 0.7, 0.0, ROWS.X)
    dense = lsuv_task(rows=replace(ROWS, X=X))
    sparse = lsuv_task(rows=replace(ROWS, X=scipy.sparse.csr_matrix(X)))
    for a, b in zip(start_of(dense).coefs, start_of(sparse).coefs, strict=True):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("normalization", [None, "batch"])
@pytest.mark.parametrize("factor", [1.0, 1e-300, 1e300])
def test_a_row_of_weight_two_counts_as_two_rows(normalization, factor):
    weights = np.repeat([1.0, 2.0, 1.0], 100)
    index = np.repeat(np.arange(N), weights.astype(int))
    weighted, repeated = (
        start_of(lsuv_task(rows=rows, normalization=normalization))
        for rows in (
            replace(ROWS, weights=factor * weights),
            Rows(ROWS.X[index], ROWS.targets[index]),
        )
    )
    plain = start_of(lsuv_task(normalization=normalization))
    for ours, theirs, other in zip(weighted.coefs, repeated.coefs, plain.coefs, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
        assert np.linalg.norm(ours - other) > 1e-5 * np.linalg.norm(other)


def dead(kind):
    if kind == "zero":
        return np.zeros((N, D))
    if kind == "equal":
        return np.full((N, D), 1e3)
    return np.full((N, D), 1e200)  # whose squares are no numbers


@pytest.mark.parametrize("kind", ["zero", "equal", "huge"])
@pytest.mark.parametrize("hidden", [(4, 3), (1, 1)])
@pytest.mark.parametrize("bias", [None, 1e-3])
def test_layers_without_variance_keep_their_weights(kind, hidden, bias):
    task = lsuv_task(
        rows=replace(ROWS, X=dead(kind)), hidden=hidden, activations=("relu",) * 2,
        bias_initialization=bias,
    )  # fmt: skip
    arrays = start_of(task)
    for w in arrays.coefs:
        assert np.isfinite(w).all()
        assert 0 < np.abs(w).max() < 1e4


def test_biases_that_vary_too_much_by_themselves_leave_the_weights():
    task = lsuv_task(hidden=(4,), activations=("tanh",))
    arrays = start_of(replace(task, initialization="orthogonal"))
    arrays = arrays._replace(intercepts=[np.array([-9.0, 9, 9, -9]), np.zeros(3)])
    found = scaled_to_unit_variance(arrays, task.architecture, ROWS.X, np.ones(N))
    np.testing.assert_array_equal(found.coefs[0], arrays.coefs[0])
    assert variances(task, found)[1] == pytest.approx(1.0, abs=0.05)


def test_both_executors_start_alike_alone_and_together():
    tasks = [lsuv_task(seed=seed, max_iter=2, rows=replace(ROWS, X=seed + ROWS.X))
             for seed in (1, 2)]  # fmt: skip
    found = {}
    for executor in ("torch", "compiled"):
        with config(executor=executor):
            found[executor] = train(tasks), [train([task])[0] for task in tasks]
    expected = found["torch"][0]
    for results in (found["torch"][1], *found["compiled"]):
        for ours, theirs in zip(results, expected, strict=True):
            for a, b in zip(every_array(ours), every_array(theirs), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


def test_networks_of_unequal_sizes_share_a_stack():
    tasks = [lsuv_task(hidden=(h,), activations=("relu",), max_iter=3, seed=h) for h in (5, 8)]
    assert len({task.stack_key for task in padded(tasks)}) == 1
    with config(executor="torch"):
        for together, alone in zip(train(tasks), trained_alone(tasks), strict=True):
            assert_same(together, alone)


def test_it_is_no_rule_of_one_layer():
    assert "lsuv" not in INITIALIZATIONS
