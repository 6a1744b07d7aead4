from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch

from skmlp.network.activations import ACTIVATIONS
from skmlp.network.initialization import INITIALIZATIONS, Layer, initial_layer

FAN_IN, FAN_OUT, SLOPE = 300, 500, 0.2
GLOROT, HE = 2 / (FAN_IN + FAN_OUT), 2 / FAN_IN

# name -> (variance, bound or None)
FORMULAS = {
    "glorot_uniform": (GLOROT, sqrt(6 / (FAN_IN + FAN_OUT))),
    "glorot_normal": (GLOROT, None),
    "he_uniform": (HE, sqrt(6 / FAN_IN)),
    "he_normal": (HE, None),
    "he_uniform_fan_out": (2 / FAN_OUT, sqrt(6 / FAN_OUT)),
    "he_normal_fan_out": (2 / FAN_OUT, None),
    "lecun_uniform": (1 / FAN_IN, sqrt(3 / FAN_IN)),
    "lecun_normal": (1 / FAN_IN, None),
    "sklearn": (GLOROT, sqrt(6 / (FAN_IN + FAN_OUT))),
    "torch": (1 / (3 * FAN_IN), 1 / sqrt(FAN_IN)),
    "lisa_sigmoid": (16 * GLOROT, 4 * sqrt(6 / (FAN_IN + FAN_OUT))),
}


def draw(name, layer=None, seed=0):
    layer = layer or Layer(FAN_IN, FAN_OUT, "relu", SLOPE)
    return initial_layer(name, layer, np.random.default_rng(seed))


def test_every_rule_is_tested():
    assert set(FORMULAS) | {"auto", "orthogonal"} == set(INITIALIZATIONS)


@pytest.mark.parametrize("name", FORMULAS)
def test_variance_and_bound_are_the_formulas(name):
    variance, bound = FORMULAS[name]
    weights, _ = draw(name)
    # 150,000 draws: the relative standard error of the variance is below 0.4 %
    assert weights.shape == (FAN_IN, FAN_OUT)
    assert weights.var() == pytest.approx(variance, rel=0.02)
    assert abs(weights.mean()) < 5 * sqrt(variance / weights.size)
    if bound is not None:
        assert bound * 0.999 < np.abs(weights).max() <= bound


@pytest.mark.parametrize("name", ["he_uniform", "he_normal", "he_normal_fan_out"])
def test_he_divides_by_one_plus_slope_squared_for_leaky_relu(name):
    plain, _ = draw(name)
    leaky, _ = draw(name, Layer(FAN_IN, FAN_OUT, "leaky_relu", SLOPE))
    np.testing.assert_allclose(leaky * sqrt(1 + SLOPE**2), plain)


def test_scikit_learns_rule_is_narrower_for_logistic_and_has_biases():
    hidden = Layer(FAN_IN, FAN_OUT, "logistic", hidden_activation="logistic")
    output = Layer(FAN_IN, FAN_OUT, "identity", hidden_activation="logistic")
    bound = sqrt(2 / (FAN_IN + FAN_OUT))
    for layer in (hidden, output):
        weights, biases = draw("sklearn", layer)
        assert bound * 0.999 < np.abs(weights).max() <= bound
        assert bound * 0.9 < np.abs(biases).max() <= bound


def test_biases_are_zero_except_where_the_library_draws_them():
    for name in INITIALIZATIONS:
        _, biases = draw(name)
        assert biases.any() == (name in ("sklearn", "torch"))


def test_torch_rule_has_the_bounds_of_torch_nn_linear():
    with torch.random.fork_rng():
        linear = torch.nn.Linear(FAN_IN, FAN_OUT)
    weights, biases = draw("torch")
    assert np.abs(weights).max() == pytest.approx(linear.weight.abs().max().item(), rel=1e-3)
    assert np.abs(biases).max() == pytest.approx(linear.bias.abs().max().item(), rel=0.02)


@pytest.mark.parametrize("shape", [(40, 40), (40, 70), (70, 40)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    weights, _ = draw("orthogonal", Layer(*shape))
    gram = weights @ weights.T if shape[0] <= shape[1] else weights.T @ weights
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_auto_follows_the_activation(activation):
    layer = Layer(20, 30, activation)
    expected = draw(ACTIVATIONS[activation].initialization, layer)
    np.testing.assert_array_equal(draw("auto", layer)[0], expected[0])


# Where theory says that Var z stays as it is: He for the ReLU family; Glorot, LeCun and
# orthogonal for a linear network of equal widths; LeCun for selu, whose fixed point is variance 1.
KEEPS_VARIANCE = [
    ("he_normal", "relu"),
    ("he_uniform", "relu"),
    ("he_normal_fan_out", "relu"),
    ("he_uniform", "leaky_relu"),
    ("glorot_normal", "identity"),
    ("glorot_uniform", "identity"),
    ("lecun_normal", "identity"),
    ("orthogonal", "identity"),
    ("lecun_normal", "selu"),
    ("lecun_uniform", "selu"),
]


def variances_of_z(rule, activation, *, depth=20, width=400, n=400, slope=0.3):
    rng = np.random.default_rng(0)
    layer = Layer(width, width, activation, slope)
    x, variances = torch.from_numpy(rng.normal(size=(n, width))), []
    for _ in range(depth):
        z = x @ torch.from_numpy(initial_layer(rule, layer, rng)[0])
        variances.append(z.var().item())
        x = ACTIVATIONS[activation].forward(z, slope)
    return np.array(variances)


@pytest.mark.parametrize(("rule", "activation"), KEEPS_VARIANCE)
def test_variance_of_z_is_kept_through_20_layers(rule, activation):
    ratios = variances_of_z(rule, activation)
    ratios = ratios / ratios[0]
    # z is a product of 20 random matrices: its variance itself varies by √(depth/width) or so
    assert ratios.min() > 0.4
    assert ratios.max() < 2.5


@pytest.mark.parametrize(("rule", "activation"), [("glorot_normal", "relu"), ("torch", "tanh")])
def test_variance_of_z_vanishes_under_the_wrong_rule(rule, activation):
    variances = variances_of_z(rule, activation)
    assert variances[-1] < 1e-3 * variances[0]


def test_callable_gets_shape_and_generator():
    def rule(shape, rng):
        return rng.normal(size=shape), np.ones(shape[1])

    weights, biases = draw(rule, Layer(4, 3))
    np.testing.assert_array_equal(weights, np.random.default_rng(0).normal(size=(4, 3)))
    np.testing.assert_array_equal(biases, np.ones(3))
    assert not draw(lambda shape, rng: np.ones(shape), Layer(4, 3))[1].any()


def test_callable_must_give_the_right_shape_and_finite_values():
    with pytest.raises(ValueError, match=r"weights of shape \(3, 4\).*needs \(4, 3\)"):
        draw(lambda shape, rng: np.ones(shape[::-1]), Layer(4, 3))
    with pytest.raises(ValueError, match="weights that are not finite"):
        draw(lambda shape, rng: np.full(shape, np.nan), Layer(4, 3))
