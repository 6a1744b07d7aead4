from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch

from skmlp.network.activations import ACTIVATIONS
from skmlp.network.initialization import (
    BIAS_INITIALIZATIONS,
    INITIALIZATIONS,
    Layer,
    initial_biases,
    initial_layer,
)

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


def test_the_slope_counts_for_leaky_relu_alone():
    assert Layer(3, 2, "leaky_relu").he_gain == pytest.approx(2 / 1.0001, rel=1e-12)
    assert Layer(3, 2, "leaky_relu", 0.3).he_gain == pytest.approx(2 / 1.09, rel=1e-12)
    assert Layer(3, 2, "relu", 0.3).he_gain == Layer(3, 2).he_gain == 2.0


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


@pytest.mark.parametrize("name", ["sklearn", "torch"])
def test_drawn_biases_have_the_mean_and_variance_of_their_interval(name):
    _, bound = FORMULAS[name]
    biases = np.concatenate([draw(name, seed=seed)[1] for seed in range(20)])
    assert abs(biases.mean()) < 5 * bound / sqrt(3 * biases.size)
    assert biases.var() == pytest.approx(bound**2 / 3, rel=0.05)


def test_torch_rule_has_the_bounds_of_torch_nn_linear():
    with torch.random.fork_rng():
        linear = torch.nn.Linear(FAN_IN, FAN_OUT)
    weights, biases = draw("torch")
    assert np.abs(weights).max() == pytest.approx(linear.weight.abs().max().item(), rel=1e-3)
    assert np.abs(biases).max() == pytest.approx(linear.bias.abs().max().item(), rel=0.02)


# name -> bound, for logistic hidden layers and others
BIAS_BOUNDS = {
    "zeros": (0.0, 0.0),
    "torch": (1 / sqrt(FAN_IN), 1 / sqrt(FAN_IN)),
    "sklearn": (sqrt(2 / (FAN_IN + FAN_OUT)), sqrt(6 / (FAN_IN + FAN_OUT))),
}


@pytest.mark.parametrize("name", BIAS_INITIALIZATIONS)
@pytest.mark.parametrize("hidden", ["logistic", "tanh"])
def test_biases_of_a_rule_of_their_own_fill_its_interval(name, hidden):
    bound = BIAS_BOUNDS[name][hidden != "logistic"]
    layer = Layer(FAN_IN, FAN_OUT, "identity", hidden_activation=hidden)
    biases = initial_biases(name, layer, np.random.default_rng(0))
    assert biases.shape == (FAN_OUT,)
    assert 0.98 * bound <= np.abs(biases).max() <= bound
    assert biases.var() == pytest.approx(bound**2 / 3, rel=0.15)  # 500 draws: 4 % of error
    np.testing.assert_array_equal(biases, initial_biases(name, layer, np.random.default_rng(0)))


def test_biases_by_a_number_are_that_number():
    biases = initial_biases(-2, Layer(4, 3), np.random.default_rng(0))
    np.testing.assert_array_equal(biases, [-2.0, -2.0, -2.0])
    assert biases.dtype == np.float64


@pytest.mark.parametrize("shape", [(40, 40), (40, 70), (70, 40)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    weights, _ = draw("orthogonal", Layer(*shape))
    gram = weights @ weights.T if shape[0] <= shape[1] else weights.T @ weights
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (7, 4), (4, 7)])
def test_orthogonal_is_the_factor_whose_triangle_has_a_positive_diagonal(shape):
    # Of a normal matrix this factor alone is uniform over the orthogonal matrices (Mezzadri 2007).
    for seed in range(5):
        weights, _ = draw("orthogonal", Layer(*shape), seed)
        q = weights if shape[0] >= shape[1] else weights.T
        triangle = q.T @ np.random.default_rng(seed).normal(size=q.shape)
        np.testing.assert_allclose(np.tril(triangle, -1), 0.0, atol=1e-12)
        assert (np.diag(triangle) > 0).all()


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
    whole_numbers, _ = draw(lambda shape, rng: np.ones(shape, dtype=int), Layer(4, 3))
    assert whole_numbers.dtype == np.float64


def test_only_a_tuple_of_two_is_weights_and_biases():
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    for given in (rows, np.array(rows)):
        weights, biases = draw(lambda shape, rng, given=given: given, Layer(2, 3))
        np.testing.assert_array_equal(weights, rows)
        np.testing.assert_array_equal(biases, np.zeros(3))
    with pytest.raises(ValueError, match="weights that are no array"):
        draw(lambda shape, rng: (np.ones(shape), np.ones(3), "more"), Layer(2, 3))


def test_callable_must_give_the_right_shape_and_finite_values():
    with pytest.raises(ValueError, match=r"weights of shape \(3, 4\).*needs \(4, 3\)"):
        draw(lambda shape, rng: np.ones(shape[::-1]), Layer(4, 3))
    with pytest.raises(ValueError, match="weights that are not finite"):
        draw(lambda shape, rng: np.full(shape, np.nan), Layer(4, 3))


def test_biases_of_a_callable_are_checked_too():
    with pytest.raises(ValueError, match=r"biases of shape \(4,\).*needs \(3,\)"):
        draw(lambda shape, rng: (np.ones(shape), np.ones(4)), Layer(4, 3))
    with pytest.raises(ValueError, match="biases that are not finite"):
        draw(lambda shape, rng: (np.ones(shape), np.full(3, np.inf)), Layer(4, 3))
