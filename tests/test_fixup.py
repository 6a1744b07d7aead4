"""Fixup: how far a step moves a residual network's function does not depend on its depth."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import make_task, random_rows

from skmlp import MLPClassifier, MLPRegressor
from skmlp.network.architecture import NetworkArrays
from skmlp.network.depth import blocks_of
from skmlp.network.fixup import scaled_by_fixup
from skmlp.training import train
from skmlp.training.starting import starting_weights

WIDTH, BATCH = 16, 40


def start_of(task, seed=0):
    return starting_weights(task, np.random.default_rng(seed))


def test_ends_of_branches_and_the_output_layer_start_at_zero_and_the_rest_scaled():
    for length, n_blocks in ((2, 9), (3, 4)):
        n_hidden = length * n_blocks + 1
        task = make_task(
            hidden=(WIDTH,) * n_hidden, residual=length, initialization="fixup", fixup=True
        )
        he = make_task(hidden=(WIDTH,) * n_hidden, residual=length, initialization="he_normal")
        found, drawn = start_of(task).coefs, start_of(he).coefs
        lasts = {block.last for block in blocks_of(task.architecture)} | {n_hidden}
        scale = n_blocks ** (-1 / (2 * length - 2))
        for place, (w, z) in enumerate(zip(found, drawn, strict=True)):
            factor = 0.0 if place in lasts else 1.0 if place == 0 else scale
            np.testing.assert_allclose(w, factor * z, atol=1e-300)


def test_a_branch_of_one_layer_starts_at_zero():
    task = make_task(hidden=(4, 4), residual=2, initialization="fixup", fixup=True)
    arrays = start_of(task)
    assert arrays.coefs[0].all()
    assert not arrays.coefs[1].any()
    again = scaled_by_fixup(NetworkArrays(arrays.coefs, [], {}), task.architecture)
    np.testing.assert_array_equal(again.coefs[0], arrays.coefs[0])


def test_numbers_before_each_layer_and_activation_and_of_each_branch_are_trained():
    names = [f"linear_offsets.{i}" for i in range(7)]
    names += [f"activation_offsets.{i}" for i in range(6)]
    names += [f"multipliers.{i}" for i in range(3)]
    task = make_task(
        hidden=(6,) * 6, residual=2, initialization="fixup", fixup=True, max_iter=30, alpha=0.1,
        learning_rate_init=0.05,
    )  # fmt: skip
    (end,) = train([task])
    found = {n: a for n, a in end.arrays.others.items() if not n.startswith("survivals")}
    assert sorted(found) == sorted(names)
    for name, value in found.items():
        assert value.shape == (1,)
        start = 1.0 if name.startswith("multipliers") else 0.0
        # the last block's branch has one layer alone, which starts at zero as its gradient's factor
        assert value[0] != start, name


def change_per_rate(n_blocks, rule, rate, n_steps=1):
    """How far steps of SGD move the logits (root mean square), divided by the learning rate."""
    rows, logits = random_rows(n=BATCH), []
    for eta, n in ((1e-300, 1), (rate, n_steps)):
        model = MLPClassifier(
            (WIDTH,) * (2 * n_blocks + 1), residual=True, initialization=rule, optimizer="sgd",
            momentum=0.0, learning_rate_init=eta, max_iter=n, batch_size=BATCH, random_state=0,
            alpha=0.0, tol=0.0,
        )  # fmt: skip
        logits.append(model.fit(rows.X, rows.targets.argmax(1))._logits(rows.X))
    return np.sqrt(np.square(logits[1] - logits[0]).mean()) / rate


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("rate", "n_steps"), [(0.01, 1), (0.05, 40)])
def test_steps_move_the_function_as_far_whatever_the_depth(rate, n_steps):
    """Without the factor of L, 40 steps move it twice as far with 30 blocks as with 10."""
    found = [change_per_rate(n, "fixup", rate, n_steps) for n in (10, 30, 100)]
    assert max(found) < 1.3 * min(found)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_step_moves_the_function_in_proportion_to_the_rate():
    found = [change_per_rate(30, "fixup", rate) for rate in (1e-2, 1e-4, 1e-6)]
    assert found == pytest.approx(found[:1] * 3, rel=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_step_from_hes_weights_moves_it_further_the_deeper_it_is():
    """Each block doubles the variance of the sum."""
    found = [change_per_rate(n, "he_normal", 1e-6 * 2.0**-n) for n in (10, 20, 40)]
    assert found[1] > 2**5 * found[0]
    assert found[2] > 2**10 * found[1]


def test_a_hundred_blocks_learn_without_normalization():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    model = MLPRegressor(
        (8,) * 201, residual=True, initialization="fixup", learning_rate_init=0.003, batch_size=50,
        max_iter=15, tol=0.0, random_state=0,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="max_iter"):
        assert model.fit(X, y).score(X, y) > 0.7


@pytest.mark.parametrize(
    "parameters", [{}, {"residual": True, "normalization": "batch"}, {"normalization": "layer"}]
)
def test_it_is_for_residual_networks_without_normalization(parameters):
    with pytest.raises(ValueError, match=r"'initialization' .* 'fixup' for residual networks .*"):
        MLPClassifier((8, 8), initialization="fixup", **parameters).fit(np.eye(4), [0, 1, 0, 1])
