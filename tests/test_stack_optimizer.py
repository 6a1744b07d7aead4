from __future__ import annotations

from functools import partial

import numpy as np
import optimizer_formulas
import pytest
import torch
from helpers import blocks_of

from skmlp.task import OptimizerSettings
from skmlp.training import stack_optimizer
from skmlp.training.optimizers import OPTIMIZERS
from skmlp.training.stack_optimizer import StackOptimizer

SIZES = (4, 5, 3)
TORCH_CLASSES = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.Adam,  # its decay is tested apart
    "nadam": torch.optim.NAdam,
    "adamax": torch.optim.Adamax,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "amsgrad": partial(torch.optim.Adam, amsgrad=True),
    "lion": optimizer_formulas.Lion,
    "muon": optimizer_formulas.TorchsMuon,
    "schedule_free_sgd": optimizer_formulas.ScheduleFree,
    "schedule_free_adam": optimizer_formulas.ScheduleFreeAdam,
}
CUSTOM = {
    "ASGD": torch.optim.ASGD,
    "Rprop": torch.optim.Rprop,
    "partial": partial(torch.optim.RMSprop, alpha=0.8, momentum=0.5),
    "Adafactor": torch.optim.Adafactor,
}


@pytest.fixture(autouse=True, params=["directions", "groups"])
def way_of_different_rates(request, monkeypatch):
    """Different rates by directions, or by groups of equal rates."""
    entries = 10**9 if request.param == "directions" else 0
    monkeypatch.setattr(stack_optimizer, "_ENTRIES_PER_GROUP", entries)
    return request.param


def random_blocks(K, seed):
    blocks = blocks_of(K, SIZES)
    values = np.random.default_rng(seed).normal(size=blocks.flat.numel())
    blocks.flat.copy_(torch.from_numpy(values))
    return blocks


def closure():
    raise AssertionError("this optimizer needs no closure")


def set_gradients(gradients, step):
    """Gradients that depend on the network's number alone, kept in the last bias."""
    for block in gradients.all:
        for k in range(block.shape[0]):
            rng = np.random.default_rng([step, int(gradients.identity[k]), block.shape[1]])
            block[k] = torch.from_numpy(rng.normal(size=block.shape[1:]))


def stack(K, family, rates, seed=0, settings=None):
    blocks, gradients = random_blocks(K, seed), random_blocks(K, 1)
    gradients.identity = list(range(K))
    settings = settings or [OptimizerSettings(family)] * K
    return StackOptimizer(settings, rates, blocks, gradients)


def run_torch(make, blocks, k, rate, steps, identity):
    """The same steps by torch alone, on the network's own parameters."""
    parameters = [torch.nn.Parameter(b[k : k + 1].clone()) for b in blocks.all]
    if make in CUSTOM.values():
        parameters = [torch.nn.Parameter(p.detach()[0].squeeze(0)) for p in parameters]
    optimizer = make(parameters, lr=rate)
    for step in range(steps):
        for p, block in zip(parameters, blocks.all, strict=True):
            rng = np.random.default_rng([step, identity, block.shape[1]])
            p.grad = torch.from_numpy(rng.normal(size=block.shape[1:])).view(p.shape)
        optimizer.step()
    return [p.detach().reshape(b.shape[1:]) for p, b in zip(parameters, blocks.all, strict=True)]


def test_every_family_has_an_oracle():
    assert set(TORCH_CLASSES) == set(OPTIMIZERS)


@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize("name", [*TORCH_CLASSES, *CUSTOM])
def test_steps_are_torchs(name, K):
    make = TORCH_CLASSES.get(name) or CUSTOM[name]
    rates = [0.01, 0.003, 0.02][:K]
    ours = stack(K, CUSTOM.get(name, name), rates)
    expected = [run_torch(make, ours.blocks, k, rates[k], 6, k) for k in range(K)]
    for step in range(6):
        set_gradients(ours.gradients, step)
        ours.step(closure)
    for k in range(K):
        for block, theirs in zip(ours.blocks.all, expected[k], strict=True):
            torch.testing.assert_close(block[k], theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [*OPTIMIZERS, *CUSTOM])
def test_networks_that_stay_go_on_as_before(name):
    family, rates = CUSTOM.get(name, name), [0.01, 0.003, 0.02, 0.005]
    whole, reduced = stack(4, family, rates), stack(4, family, rates)
    for step in range(6):
        if step == 3:
            gradients = reduced.gradients.take([3, 1])
            gradients.identity = [3, 1]
            reduced.keep([3, 1], reduced.blocks.take([3, 1]), gradients)
        for optimizer in (whole, reduced):
            set_gradients(optimizer.gradients, step)
            optimizer.step(closure)
    for all_four, two in zip(whole.blocks.all, reduced.blocks.all, strict=True):
        torch.testing.assert_close(two, all_four[[3, 1]], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(reduced.rates, [0.005, 0.003])


@pytest.mark.parametrize("staying", [[2], [0, 2], [1, 2], [2, 1, 0]])
@pytest.mark.parametrize("family", ["adam", "nadam", "sgd"])
def test_networks_that_stay_come_from_several_groups(family, staying):
    # the first and the last have equal settings: they become neighbours
    settings = [OptimizerSettings(family, beta_1=beta, momentum=beta) for beta in (0.9, 0.5, 0.9)]
    whole, reduced = (stack(3, family, [0.01] * 3, settings=settings) for _ in range(2))
    for step in range(5):
        if step == 2:
            gradients = reduced.gradients.take(staying)
            gradients.identity = staying
            reduced.keep(staying, reduced.blocks.take(staying), gradients)
        for optimizer in (whole, reduced):
            set_gradients(optimizer.gradients, step)
            optimizer.step(closure)
    for all_three, few in zip(whole.blocks.all, reduced.blocks.all, strict=True):
        torch.testing.assert_close(few, all_three[staying], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [*OPTIMIZERS, "Adafactor"])
def test_state_moves_between_stacks(name):
    family = CUSTOM.get(name, name)
    alone, pair = stack(1, family, [0.01]), stack(2, family, [0.02, 0.01])
    pair.gradients.identity = [5, 0]
    for block, other in zip(pair.blocks.all, alone.blocks.all, strict=True):
        block[1] = other[0]
    for step in range(3):
        set_gradients(pair.gradients, step)
        pair.step(closure)
    for block, other in zip(pair.blocks.all, alone.blocks.all, strict=True):
        other[0] = block[1]
    alone.set_network_state(0, pair.network_state(1))
    for step in range(3, 6):
        for optimizer in (alone, pair):
            set_gradients(optimizer.gradients, step)
            optimizer.step(closure)
    for block, other in zip(pair.blocks.all, alone.blocks.all, strict=True):
        torch.testing.assert_close(other[0], block[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [*OPTIMIZERS, *CUSTOM])
def test_a_network_alone_goes_on_from_its_state(name):
    family = CUSTOM.get(name, name)
    first, second = stack(1, family, [0.01]), stack(1, family, [0.01])
    for step in range(6):
        if step == 3:
            second.blocks.flat.copy_(first.blocks.flat)
            second.set_network_state(0, first.network_state(0))
        for optimizer in (first, second) if step >= 3 else (first,):
            set_gradients(optimizer.gradients, step)
            optimizer.step(closure)
    torch.testing.assert_close(second.blocks.flat, first.blocks.flat, rtol=0, atol=0)


def test_a_network_alone_is_one_parameter_with_its_rate():
    ours = stack(1, "adam", [0.03])
    (group,) = ours.torch_optimizer.param_groups
    (parameter,) = group["params"]
    assert parameter.shape == ours.blocks.flat.shape
    assert not parameter.requires_grad
    assert group["lr"] == ours.torch_optimizer.defaults["lr"] == 0.03
    group["lr"] = 0.5  # as a learning-rate scheduler does
    assert ours.rates.tolist() == [0.5]


def test_settings_may_differ_within_a_stack():
    settings = [
        OptimizerSettings("adam"),
        OptimizerSettings("adam"),
        OptimizerSettings("adam", beta_1=0.5, epsilon=1e-3),
    ]
    ours = stack(3, "adam", [0.01] * 3, settings=settings)
    make = partial(torch.optim.Adam, betas=(0.5, 0.999), eps=1e-3)
    expected = run_torch(make, ours.blocks, 2, 0.01, 4, 2)
    for step in range(4):
        set_gradients(ours.gradients, step)
        ours.step(closure)
    for block, theirs in zip(ours.blocks.all, expected, strict=True):
        torch.testing.assert_close(block[2], theirs)


def test_momentum_zero_has_no_nesterov_step():
    settings = [OptimizerSettings("sgd", momentum=0.0, nesterovs_momentum=True)]
    ours = stack(1, "sgd", [0.1], settings=settings)
    set_gradients(ours.gradients, 0)
    expected = ours.blocks.flat - 0.1 * ours.gradients.flat
    ours.step(closure)
    torch.testing.assert_close(ours.blocks.flat, expected)


def test_only_adamw_decays_unasked():
    decays = {name: family.default_weight_decay for name, family in OPTIMIZERS.items()}
    assert {name for name, decay in decays.items() if decay} == {"adamw"}


@pytest.mark.parametrize("K", [1, 2])
def test_sgd_velocity_follows_the_rate_as_in_scikit_learn(K):
    # scikit-learn: velocity = momentum * velocity - rate * gradient
    ours = stack(K, "sgd", [0.1] * K, settings=[OptimizerSettings("sgd", 0.9, False)] * K)
    expected = [b[0].clone() for b in ours.blocks.all]
    velocity = [torch.zeros_like(b) for b in expected]
    for step, rate in enumerate([0.1, 0.1, 0.02, 0.5]):
        for k in range(K):
            ours.set_rate(k, rate)
        set_gradients(ours.gradients, step)
        for i, gradient in enumerate(ours.gradients.all):
            velocity[i] = 0.9 * velocity[i] - rate * gradient[0]
            expected[i] = expected[i] + velocity[i]
        ours.step(closure)
    for block, theirs in zip(ours.blocks.all, expected, strict=True):
        torch.testing.assert_close(block[0], theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_new_rate_counts_from_the_next_step(dtype):
    blocks, gradients = (blocks_of(2, SIZES, dtype) for _ in range(2))
    settings = [OptimizerSettings("sgd", 0.0, False)] * 2
    ours = StackOptimizer(settings, [1, 2], blocks, gradients)  # ints
    gradients.flat.fill_(1.0)
    ours.set_rate(0, 0.25)
    ours.step(closure)
    ours.set_rate(1, 0.5)
    ours.step(closure)
    assert ours.rates.tolist() == [0.25, 0.5]
    for block in blocks.all:
        assert set(block[0].ravel().tolist()) == {-0.5}
        assert set(block[1].ravel().tolist()) == {-2.5}


@pytest.mark.parametrize("K", [1, 2])
def test_a_rate_of_zero_leaves_a_finite_velocity(K):
    ours = stack(K, "sgd", [0.1] * K)
    for step, rate in enumerate([0.1, 0.0, 0.1]):
        ours.set_rate(0, rate)
        set_gradients(ours.gradients, step)
        ours.step(closure)
    assert torch.isfinite(ours.blocks.flat).all()


@pytest.mark.parametrize("rates", [[0.1], [0.1, 0.1], [0.1, 0.5]])
def test_decay_shrinks_weights_and_leaves_biases(rates):
    ours = stack(len(rates), "adam", rates)
    before = ours.blocks.take(range(len(rates)))
    decays = np.array([0.2, 0.4][: len(rates)])
    ours.decay(decays)
    for k, rate in enumerate(rates):
        for new, old in zip(ours.blocks.weights, before.weights, strict=True):
            torch.testing.assert_close(new[k], old[k] * (1 - rate * decays[k]))
        for new, old in zip(ours.blocks.biases, before.biases, strict=True):
            assert torch.equal(new[k], old[k])


def test_adamw_is_torchs_where_weights_decay():
    ours = stack(1, "adamw", [0.01])
    assert OPTIMIZERS["adamw"].default_weight_decay == 0.01
    parameters = [torch.nn.Parameter(b[0].clone()) for b in ours.blocks.weights]
    theirs = torch.optim.AdamW(parameters, lr=0.01)
    for step in range(5):
        set_gradients(ours.gradients, step)
        for p, gradient in zip(parameters, ours.gradients.weights, strict=True):
            p.grad = gradient[0].clone()
        ours.decay(np.array([0.01]))
        ours.step(closure)
        theirs.step()
    for block, p in zip(ours.blocks.weights, parameters, strict=True):
        torch.testing.assert_close(block[0], p.detach())


def test_groups_of_rates_become_directions_when_a_rate_changes(way_of_different_rates):
    ours = stack(3, "adam", [0.01, 0.01, 0.02])
    grouped = ours.directions is None
    set_gradients(ours.gradients, 0)
    ours.step(closure)
    ours.set_rate(1, 0.005)
    assert ours.directions is not None
    np.testing.assert_allclose(ours.rates, [0.01, 0.005, 0.02])
    assert len(ours.torch_optimizer.param_groups) == 1
    assert grouped == (stack_optimizer._ENTRIES_PER_GROUP == 0)


def test_optimizer_that_needs_a_closure_gets_one():
    ours = stack(1, torch.optim.LBFGS, [1.0])
    calls = []

    def loss():
        calls.append(1)
        ours.gradients.flat.copy_(ours.blocks.flat)
        return 0.5 * (ours.blocks.flat**2).sum()

    for _ in range(3):
        ours.step(loss)
    assert calls
    assert ours.blocks.flat.abs().max() < 1e-6
    assert ours.network_state(0)[0]["func_evals"] == len(calls)  # plain numbers are kept too
