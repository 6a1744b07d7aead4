from __future__ import annotations

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import skmlp
from skmlp import FeatureSwap, GaussianNoise, Mixup, MLPClassifier, MLPRegressor
from skmlp.augmentation import (
    AUGMENTATION_RULES,
    AUGMENTATIONS,
    Batch,
    ByFunction,
    augmentation_of,
    is_augmentation,
    runs_users_code,
)

EVERY = [GaussianNoise(0.3), Mixup(0.7), FeatureSwap(0.4), FeatureSwap(0.4, mix_targets=True)]
each = pytest.mark.parametrize("rule", EVERY, ids=repr)


def batch(n=6, d=4, dtype="float64", *, weighted=True):
    """All numbers of X differ."""
    X = np.arange(1.0, n * d + 1).reshape(n, d).astype(dtype)
    targets = np.eye(n, 3).astype(dtype) + np.arange(n)[:, None]
    return Batch(X, targets, np.linspace(0.5, 2.0, n) if weighted else None)


def augmented(rule, given, seed=0):
    return rule.augmented(given, np.random.default_rng(seed))


def test_every_rule_is_tested_and_exported():
    assert {type(rule) for rule in EVERY} == set(AUGMENTATION_RULES)
    assert {type(rule) for rule in AUGMENTATIONS.values()} == set(AUGMENTATION_RULES)
    assert all(getattr(skmlp, cls.__name__) is cls for cls in AUGMENTATION_RULES)
    assert {cls.__name__ for cls in AUGMENTATION_RULES} <= set(skmlp.__all__)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
def test_shapes_and_dtypes_stay_and_nothing_is_changed_in_place(rule, dtype, weighted):
    given = batch(dtype=dtype, weighted=weighted)
    before = copy.deepcopy(given)
    found = augmented(rule, given)
    for ours, theirs, was in zip(found, given, before, strict=True):
        if theirs is None:
            assert ours is None
            continue
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(theirs, was)
    assert not np.array_equal(found.X, given.X)


@each
def test_the_generator_alone_decides(rule):
    given = batch(50)
    first, again, other = (augmented(rule, given, seed).X for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_noise_is_normal_and_independent_of_the_rows():
    given = Batch(np.random.default_rng(1).normal(5.0, 2.0, (4000, 5)), np.ones((4000, 1)), None)
    found = augmented(GaussianNoise(0.3), given)
    noise = found.X - given.X
    assert stats.kstest(noise.ravel() / 0.3, "norm").pvalue > 0.01
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    together = np.corrcoef(np.hstack([noise, given.X]).T)
    assert np.abs(together[:5] - np.eye(10)[:5]).max() < 0.08  # 1/√4000 is 0.016
    assert found.targets is given.targets


def test_noise_of_rows_does_not_depend_on_what_is_drawn_at_once():
    for dtype in ("float32", "float64"):
        given, rng = batch(7, 3, dtype), np.random.default_rng(0)
        whole = augmented(GaussianNoise(), given).X
        parts = [
            GaussianNoise().augmented(Batch(given.X[rows], given.targets[rows], None), rng).X
            for rows in (slice(0, 2), slice(2, 3), slice(3, 7))
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_mixup_mixes_all_alike():
    given = batch()
    rng = np.random.default_rng(3)
    own, partner = rng.beta(0.7, 0.7), rng.permutation(6)
    assert 0.01 < own < 0.99
    assert (partner != np.arange(6)).any()
    for ours, values in zip(augmented(Mixup(0.7), given, 3), given, strict=True):
        expected = own * values + (1 - own) * values[partner]
        np.testing.assert_allclose(ours, expected, rtol=1e-14)
        np.testing.assert_allclose(ours.sum(0), values.sum(0), rtol=1e-13)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_of_mixup_have_their_distribution(alpha):
    given = Batch(np.array([[0.0], [1.0]]), np.array([[1.0], [0.0]]), None)
    rng, shares = np.random.default_rng(0), []
    while len(shares) < 2000:
        found = Mixup(alpha).augmented(given, rng)
        np.testing.assert_allclose(found.X + found.targets, 1.0)
        if found.X[0] != 0.0:  # not each row with itself
            shares.append(found.X[1, 0])
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01


@pytest.mark.parametrize("alpha", [1e-300, 1e-5, 1e6])
def test_mixup_of_any_strength_is_finite_and_stays_in_the_domain_of_the_targets(alpha):
    given = batch()._replace(targets=np.array([[0.0], [1e-3], [5.0], [1e300], [2.0], [1.0]]))
    for seed in range(20):
        found = augmented(Mixup(alpha), given, seed)
        assert all(np.isfinite(values).all() for values in found)
        assert (found.targets >= 0).all()
        assert (found.targets <= 1e300).all()


def test_swapped_features_are_those_of_one_other_row():
    given = batch(300, 20)
    found = augmented(FeatureSwap(0.25), given)
    rng = np.random.default_rng(0)
    partner = rng.permutation(300)
    swapped = found.X != given.X
    np.testing.assert_array_equal(found.X[swapped], given.X[partner][swapped])
    # 6000 draws: the standard error of the share is 0.006
    assert swapped.mean() == pytest.approx(0.25, abs=0.025)
    assert found.targets is given.targets
    assert found.weights is given.weights


def test_targets_are_mixed_by_the_share_of_the_features_that_is_kept():
    given = batch(30, 8)
    plain, found = (augmented(FeatureSwap(0.4, mix), given) for mix in (False, True))
    np.testing.assert_array_equal(found.X, plain.X)
    partner = np.random.default_rng(0).permutation(30)
    share = (partner != np.arange(30)) * (found.X != given.X).mean(1)
    expected = given.targets + share[:, None] * (given.targets[partner] - given.targets)
    np.testing.assert_allclose(found.targets, expected, rtol=1e-13)
    assert 0.3 < share.mean() < 0.5
    np.testing.assert_array_equal(found.weights, given.weights)


@pytest.mark.parametrize("rule", EVERY[1:], ids=repr)
def test_a_row_alone_stays_as_it_is(rule):
    given = batch(1)
    for ours, theirs in zip(augmented(rule, given), given, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-15)


@each
def test_rules_are_values(rule):
    for same in (eval(repr(rule)), pickle.loads(pickle.dumps(rule)), clone(rule, safe=False)):
        assert same == rule
        assert hash(same) == hash(rule)
        assert repr(same) == repr(rule)
    assert len(set(EVERY)) == len(EVERY)


def test_numbers_are_plain_whatever_they_were():
    assert repr(GaussianNoise(np.float64(2))) == repr(GaussianNoise(Fraction(2)))
    assert repr(FeatureSwap(np.float32(0.5), np.True_)) == "FeatureSwap(p=0.5, mix_targets=True)"


@pytest.mark.parametrize(
    ("rule", "parameters", "words"),
    [
        (GaussianNoise, {"scale": 0}, "'scale' parameter of GaussianNoise .* above 0. Got 0 "),
        (GaussianNoise, {"scale": float("nan")}, "finite number above 0. Got nan"),
        (Mixup, {"alpha": -1}, "'alpha' parameter of Mixup .* Got -1 "),
        (Mixup, {"alpha": 1e7}, "at most 1e.06.* Got 10000000.0 "),
        (FeatureSwap, {"p": 0.0}, "'p' parameter of FeatureSwap .* above 0. Got 0.0 "),
        (FeatureSwap, {"p": 1.0}, "below 1. Got 1.0 "),
        (FeatureSwap, {"p": "half"}, "Got 'half' "),
        (FeatureSwap, {"mix_targets": 1}, "True or False. Got 1 "),
    ],
)
def test_what_has_no_meaning_is_an_error_at_once(rule, parameters, words):
    with pytest.raises(ValueError, match=words):
        rule(**parameters)


# Users' functions


def doubled(X, rng):
    X *= 2
    return X


def test_a_function_gets_rows_of_its_own():
    given = batch()
    found = augmented(ByFunction(doubled), given)
    np.testing.assert_array_equal(found.X, 2 * given.X)
    assert found.targets is given.targets
    np.testing.assert_array_equal(given.X, batch().X)


def test_a_function_draws_from_the_generator():
    found = augmented(ByFunction(lambda X, rng: X + rng.normal()), batch(), 5)
    np.testing.assert_array_equal(found.X, batch().X + np.random.default_rng(5).normal())


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda X, rng: X[:, :2], r"6 rows of 4 features.* Got shape \(6, 2\)"),
        (lambda X, rng: None, r"Got shape \(\)"),
        (lambda X, rng: X * np.nan, "finite numbers of float32. Got .*nan"),
        (lambda X, rng: X.astype(float) * 1e300, "finite numbers of float32. Got .*e.30"),
        (lambda X, rng: X.astype(str), "real numbers. Got dtype <U"),
        (lambda X, rng: X * 1j, "real numbers. Got dtype complex"),
    ],
)
def test_what_a_function_may_not_return(function, words):
    with pytest.raises(ValueError, match=words):
        augmented(ByFunction(function), batch(dtype="float32"))


def test_what_the_parameter_may_be():
    assert augmentation_of(None) is None
    assert augmentation_of("mixup") == Mixup()
    assert augmentation_of(EVERY[0]) is EVERY[0]
    assert isinstance(augmentation_of(doubled), ByFunction)
    assert all(map(is_augmentation, [*EVERY, doubled]))
    assert not any(map(is_augmentation, [GaussianNoise, 3, "mixup", None]))


def test_code_of_the_users_is_known():
    class Own(GaussianNoise):
        pass

    assert runs_users_code(ByFunction(doubled))
    assert runs_users_code(Own())
    assert not any(map(runs_users_code, [*EVERY, None]))


# As a parameter


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("value", [GaussianNoise, "noise", 0.1])
def test_other_values_are_an_error_that_says_what_may_be(cls, value):
    with pytest.raises(ValueError, match=r"'augmentation' parameter .*skmlp.GaussianNoise\(\)"):
        cls(augmentation=value).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("rule", ["mixup", Mixup(0.5), FeatureSwap(0.1, mix_targets=True)])
@pytest.mark.parametrize(
    ("cls", "loss"),
    [(MLPClassifier, "hinge"), (MLPClassifier, "squared_hinge"), (MLPRegressor, "circular")],
)
def test_sides_and_angles_are_not_mixed(cls, loss, rule):
    X, y = np.random.default_rng(0).normal(size=(9, 2)), np.arange(9) % 3
    with pytest.raises(ValueError, match=rf"'augmentation' .*loss='{loss}'.* Got .*GaussianNoise"):
        cls(loss=loss, augmentation=rule).fit(X, y)


@pytest.mark.parametrize("rule", EVERY)
def test_a_rule_says_whether_it_mixes_targets(rule):
    given = batch(n=12)
    changed = not np.array_equal(augmented(rule, given, 1).targets, given.targets)
    assert rule.mixes_targets == changed


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_searches_over_rules_are_the_same_fused_and_readable(cls):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
    rules = [None, "mixup", *EVERY, doubled]
    model = cls((4,), max_iter=3, n_iter_no_change=np.inf, batch_size=20, random_state=0)
    search = GridSearchCV(model, {"augmentation": rules, "max_iter": [3]}, cv=2)
    with pytest.warns(match="max_iter"):
        alone = clone(search).fit(X, y)
    with pytest.warns(match="max_iter"), skmlp.fused():
        fused = clone(search).fit(X, y)
    scores = [s.cv_results_["mean_test_score"] for s in (alone, fused)]
    np.testing.assert_allclose(*scores, rtol=1e-9)
    shown = [str(value) for value in fused.cv_results_["param_augmentation"]]
    assert [eval(s) for s in shown[2:-1]] == EVERY
    assert clone(model.set_params(augmentation=EVERY[1])).augmentation == EVERY[1]
