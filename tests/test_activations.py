from __future__ import annotations

import numpy as np
import pytest
import torch

from skmlp.network.activations import ACTIVATIONS

TORCH_FUNCTIONS = {
    "identity": lambda z, slope: z,
    "logistic": lambda z, slope: torch.sigmoid(z),
    "tanh": lambda z, slope: torch.tanh(z),
    "relu": lambda z, slope: torch.relu(z),
    "leaky_relu": torch.nn.functional.leaky_relu,
    "elu": lambda z, slope: torch.nn.functional.elu(z),
    "selu": lambda z, slope: torch.selu(z),
    "gelu": lambda z, slope: torch.nn.functional.gelu(z),
    "silu": lambda z, slope: torch.nn.functional.silu(z),
    "mish": lambda z, slope: torch.nn.functional.mish(z),
    "softplus": lambda z, slope: torch.nn.functional.softplus(z, threshold=1e9),
}


def test_every_activation_has_an_oracle():
    assert set(TORCH_FUNCTIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("slope", [0.01, 0.3])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_and_derivative_are_autograds(name, slope):
    z = torch.linspace(-30, 30, 400, dtype=torch.float64).requires_grad_()
    expected = TORCH_FUNCTIONS[name](z, slope)
    delta = torch.from_numpy(np.random.default_rng(0).uniform(size=400))
    expected.backward(delta)

    activation = ACTIVATIONS[name]
    with torch.no_grad():
        before = z.detach().clone()
        out = activation.forward(before, slope)
        torch.testing.assert_close(out, expected.detach(), rtol=1e-12, atol=1e-13)
        saved = out if activation.saves_output else before
        gradient = activation.backward(delta.clone(), saved, slope)
    torch.testing.assert_close(gradient, z.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("slope", [0.01, 0.3])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_loops_are_the_same_function_and_derivative(name, slope):
    z = torch.linspace(-30, 30, 400, dtype=torch.float64).requires_grad_()
    expected = TORCH_FUNCTIONS[name](z, slope)
    delta = np.random.default_rng(0).uniform(size=400)
    expected.backward(torch.from_numpy(delta))

    activation, given = ACTIVATIONS[name], z.detach().numpy()
    out = np.empty(400)
    activation.loop(400, slope, given, out)
    np.testing.assert_allclose(out, expected.detach().numpy(), rtol=1e-10, atol=1e-13)
    activation.loop_backward(400, slope, out if activation.saves_output else given, delta)
    np.testing.assert_allclose(delta, z.grad.numpy(), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", [n for n, a in ACTIVATIONS.items() if not a.saves_output])
def test_input_is_kept_where_the_derivative_needs_it(name):
    z = torch.linspace(-3, 3, 50)
    before = z.clone()
    ACTIVATIONS[name].forward(z, 0.01)
    assert torch.equal(z, before)


def test_logistic_slope_is_at_most_a_quarter():
    out = torch.sigmoid(torch.linspace(-5, 5, 1001, dtype=torch.float64))
    slopes = ACTIVATIONS["logistic"].backward(torch.ones_like(out), out, 0.0)
    assert slopes.max().item() == pytest.approx(0.25)


def test_selu_keeps_mean_zero_and_variance_one():
    z = torch.from_numpy(np.random.default_rng(0).normal(size=1_000_000))
    out = ACTIVATIONS["selu"].forward(z, 0.0)
    assert abs(out.mean().item()) < 5e-3
    assert out.var().item() == pytest.approx(1.0, abs=1e-2)
