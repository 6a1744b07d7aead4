from __future__ import annotations

import copy
import pickle
import warnings
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import skmlp
from skmlp import Constant, Normal, Orthogonal, TruncatedNormal, Uniform, VarianceScaling
from skmlp.network.initialization import Layer, initial_layer
from skmlp.network.rules import DISTRIBUTIONS, MODES, RULES, TRUNCATED_STD, is_users_code

SHAPE = FAN_IN, FAN_OUT = 400, 300
WIDTHS = {"fan_in": 400, "fan_out": 300, "fan_avg": 350}

# rule -> (standard deviation, bound or None)
FORMULAS = {
    **{
        VarianceScaling(3.0, mode, distribution): (
            sqrt(3 / n),
            {
                "normal": None,
                "uniform": sqrt(9 / n),
                "truncated_normal": 2 * sqrt(3 / n) / 0.87962566103423978,
            }[distribution],
        )
        for mode, n in WIDTHS.items()
        for distribution in ("normal", "truncated_normal", "uniform")
    },
    Normal(0.3): (0.3, None),
    TruncatedNormal(0.3): (0.3 * 0.87962566103423978, 0.6),
    Uniform(0.3): (0.3 / sqrt(3), 0.3),
}
EVERY = [*FORMULAS, Orthogonal(2.0), Constant(0.5)]

each = pytest.mark.parametrize("rule", EVERY, ids=repr)


def draw(rule, shape=SHAPE, seed=0):
    return rule(shape, np.random.default_rng(seed))


def test_every_rule_is_tested_and_exported():
    assert {type(rule) for rule in EVERY} == set(RULES)
    assert {cls.__name__ for cls in RULES} <= set(skmlp.__all__)
    assert all(getattr(skmlp, cls.__name__) is cls for cls in RULES)
    assert set(WIDTHS) == set(MODES)
    assert {r.distribution for r in FORMULAS if type(r) is VarianceScaling} == set(DISTRIBUTIONS)


@pytest.mark.parametrize("rule", FORMULAS, ids=repr)
def test_mean_variance_and_bound_are_the_formulas(rule):
    std, bound = FORMULAS[rule]
    weights = draw(rule)
    # 120,000 draws: the relative standard error of the variance is about 0.4 %
    assert weights.shape == SHAPE
    assert weights.var() == pytest.approx(std**2, rel=0.02)
    assert abs(weights.mean()) < 5 * std / sqrt(weights.size)
    if bound is None:
        assert np.abs(weights).max() > 3.5 * std
    else:
        assert 0.999 * bound < np.abs(weights).max() <= bound * (1 + 1e-12)


def test_the_truncated_normal_distribution_has_the_shape_of_the_normal_one_within_the_cut():
    weights, normal = draw(TruncatedNormal(1.0)), draw(Normal(1.0), seed=1)
    assert abs(TRUNCATED_STD - 0.87962566103423978) < 1e-15
    at = np.linspace(0.01, 0.99, 20)
    expected = np.quantile(normal[np.abs(normal) <= 2], at)
    np.testing.assert_allclose(np.quantile(weights, at), expected, atol=0.03)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("he_normal", VarianceScaling(2, "fan_in", "normal")),
        ("he_uniform_fan_out", VarianceScaling(2, "fan_out", "uniform")),
        ("glorot_uniform", VarianceScaling(1, "fan_avg", "uniform")),
        ("lecun_normal", VarianceScaling(1, "fan_in", "normal")),
        ("orthogonal", Orthogonal()),
    ],
)
def test_named_rules_are_cases_of_these(name, rule):
    layer = Layer(FAN_IN, FAN_OUT)
    named, ours = (initial_layer(r, layer, np.random.default_rng(0)) for r in (name, rule))
    np.testing.assert_allclose(ours[0], named[0], rtol=1e-12, atol=1e-15)
    assert not ours[1].any()


@pytest.mark.parametrize("shape", [(40, 40), (40, 70), (70, 40)])
def test_orthogonal_times_its_gain(shape):
    singular_values = np.linalg.svd(draw(Orthogonal(1.5), shape), compute_uv=False)
    np.testing.assert_allclose(singular_values, 1.5)


def test_constant_is_every_weight():
    np.testing.assert_array_equal(draw(Constant(-0.5), (3, 2)), np.full((3, 2), -0.5))
    assert not draw(Constant()).any()


@each
def test_the_generator_alone_decides(rule):
    first, second = draw(rule, (6, 5)), draw(copy.deepcopy(rule), (6, 5))
    np.testing.assert_array_equal(first, second)
    assert np.array_equal(first, draw(rule, (6, 5), seed=1)) == (type(rule) is Constant)


@each
def test_rules_are_values(rule):
    for same in (eval(repr(rule)), pickle.loads(pickle.dumps(rule)), copy.deepcopy(rule)):
        assert same == rule
        assert hash(same) == hash(rule)
        assert repr(same) == repr(rule)
    assert sum(rule == other for other in EVERY) == 1
    model = skmlp.MLPClassifier(initialization=rule)
    assert clone(model).initialization == rule
    with pytest.raises(AttributeError):
        rule.scale = 2.0


def test_numbers_of_any_kind_are_floats():
    rules = [Normal(np.float64(2)), Normal(2), Normal(np.int32(2)), Normal(Fraction(2))]
    assert set(map(repr, rules)) == {"Normal(std=2.0)"}
    assert repr(VarianceScaling(mode=np.str_("fan_avg"))) == repr(VarianceScaling(1, "fan_avg"))


NO_NUMBERS = [np.nan, np.inf, -np.inf, "1", None, True, np.True_, 1j, 10**400, [1.0]]


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (VarianceScaling, "scale"),
        (Normal, "std"),
        (TruncatedNormal, "std"),
        (Uniform, "bound"),
        (Orthogonal, "gain"),
        (Constant, "value"),
    ],
)
def test_bad_numbers_are_refused(cls, name):
    above = "" if cls is Constant else " above 0"
    pattern = rf"The '{name}' parameter of {cls.__name__} must be a finite number{above}\. Got "
    for value in [*NO_NUMBERS, *([] if cls is Constant else [0, -1.0])]:
        with pytest.raises(ValueError, match=pattern):
            cls(value)


@pytest.mark.parametrize("name", ["mode", "distribution"])
@pytest.mark.parametrize("value", ["fan", None, 2, ["fan_in"]])
def test_unknown_names_come_with_the_known_ones(name, value):
    with pytest.raises(ValueError, match=rf"The '{name}' parameter.*'(fan_avg|uniform)'.*Got "):
        VarianceScaling(**{name: value})


def test_the_largest_numbers_do_not_overflow():
    largest = np.finfo(np.float64).max
    assert np.isfinite(draw(Uniform(largest), (5, 5))).all()
    assert np.isfinite(draw(VarianceScaling(largest, distribution="uniform"), (5, 5))).all()


@each
def test_only_the_packages_own_classes_are_known_not_to_be_the_users_code(rule):
    class Changed(type(rule)):
        def __call__(self, shape, rng):
            return np.ones(shape)

    assert not is_users_code(rule)
    assert is_users_code(Changed())
    assert is_users_code(lambda shape, rng: np.ones(shape))
    assert not is_users_code("auto")


@pytest.mark.parametrize("cls", [skmlp.MLPClassifier, skmlp.MLPRegressor])
def test_searches_over_rules_are_the_same_fused_and_readable(cls):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    rules = ["auto", *EVERY[:3], Normal(0.1), TruncatedNormal(), Uniform(), Orthogonal(2)]
    model = cls((5, 3), max_iter=4, learning_rate_init=0.01, random_state=0)
    grid = {"initialization": rules, "bias_initialization": [None, "torch"]}
    search = GridSearchCV(model, grid, cv=2, scoring="neg_mean_squared_error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        alone = clone(search).fit(X, y)
        with skmlp.fused():
            fused = clone(search).fit(X, y)
    scores = [s.cv_results_["mean_test_score"] for s in (alone, fused)]
    np.testing.assert_allclose(*scores, rtol=1e-9)
    if cls is skmlp.MLPRegressor:  # labels of four epochs are often the same
        assert len(set(np.round(scores[0], 9))) == len(scores[0])
    shown = [str(rule) for rule in fused.cv_results_["param_initialization"]]
    assert shown == [str(r) for _ in (None, "torch") for r in rules]
    assert [eval(s) for s in shown[1 : len(rules)]] == rules[1:]
