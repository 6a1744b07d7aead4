from dataclasses import FrozenInstanceError, astuple

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from skmlp.comparison.significance import compare_scores, corrected_scale, holm


def test_the_corrected_t_test_by_hand():
    # d = 0.02, 0.01, 0.06: mean 0.03, variance 7e-4; k·r = 3, n_test/n_train = 1/2
    found = compare_scores([0.92, 0.91, 0.96], [0.9, 0.9, 0.9], 1 / 2, 0.01)
    t = 0.03 / np.sqrt((1 / 3 + 1 / 2) * 7e-4)
    assert found.mean == pytest.approx(0.03)
    assert found.t == pytest.approx(t)
    # Student's t with 2 degrees of freedom has a closed form
    assert found.p_value == pytest.approx(1 - t / np.sqrt(2 + t**2))


def test_the_probabilities_are_areas_under_the_posterior():
    first, second = [0.8, 0.85, 0.9, 0.7], [0.82, 0.8, 0.86, 0.71]
    found = compare_scores(first, second, 1 / 3, 0.01)
    d = np.subtract(first, second)
    scale = np.sqrt((1 / 4 + 1 / 3) * d.var(ddof=1))

    def density(x):
        return stats.t.pdf((x - d.mean()) / scale, 3) / scale

    assert found.equal == pytest.approx(integrate.quad(density, -0.01, 0.01)[0])
    assert found.better == pytest.approx(integrate.quad(density, 0.01, np.inf)[0])
    assert found.worse + found.equal + found.better == pytest.approx(1)


# The tables that scikit-learn prints in its example "Statistical comparison of models using grid
# search": t, one-sided p, and the probabilities of worse, better and practically equivalent.
PUBLISHED = {
    ("rbf", "linear"): (0.750, 0.227, 0.068, 0.500, 0.432),
    ("rbf", "3_poly"): (1.657, 0.302 / 6, 0.018, 0.882, 0.100),
    ("rbf", "2_poly"): (4.565, 0.0, 0.0, 1.0, 0.0),
    ("linear", "3_poly"): (1.111, 0.807 / 6, 0.063, 0.750, 0.187),
    ("linear", "2_poly"): (4.276, 0.0, 0.0, 1.0, 0.0),
    ("3_poly", "2_poly"): (3.851, 0.001 / 6, 0.0, 1.0, 0.0),
}


@pytest.fixture(scope="module")
def published_scores():
    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    models = {
        "rbf": SVC(kernel="rbf", random_state=0),
        "linear": SVC(kernel="linear", random_state=0),
        "2_poly": SVC(kernel="poly", degree=2, random_state=0),
        "3_poly": SVC(kernel="poly", degree=3, random_state=0),
    }
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    return {
        name: cross_val_score(model, X, y, scoring="roc_auc", cv=cv)
        for name, model in models.items()
    }


@pytest.mark.parametrize("pair", PUBLISHED)
def test_scikit_learns_published_example(published_scores, pair):
    t, p, worse, better, equal = PUBLISHED[pair]
    found = compare_scores(*(published_scores[name] for name in pair), 10 / 90, 0.01)
    assert found.t == pytest.approx(t, abs=6e-4)
    assert found.p_value / 2 == pytest.approx(p, abs=6e-4)
    probabilities = (found.worse, found.better, found.equal)
    assert probabilities == pytest.approx((worse, better, equal), abs=6e-4)


def test_swapping_the_two_mirrors_everything():
    first, second = [0.8, 0.85, 0.9], [0.82, 0.8, 0.86]
    here, there = compare_scores(first, second, 0.5, 0.01), compare_scores(second, first, 0.5, 0.01)
    assert here.p_value == pytest.approx(there.p_value)
    assert (here.mean, here.t) == pytest.approx((-there.mean, -there.t))
    assert (here.worse, here.better) == pytest.approx((there.better, there.worse))


def test_identical_scores_are_practically_equal_with_p_one():
    found = compare_scores([0.9, 0.8, 0.7], [0.9, 0.8, 0.7], 0.5, 0.01)
    assert (found.mean, found.p_value) == (0, 1)
    assert (found.worse, found.equal, found.better) == (0, 1, 0)


@pytest.mark.parametrize(
    ("shift", "expected"), [(0.1, (0, 0, 1)), (-0.1, (1, 0, 0)), (0.005, (0, 1, 0))]
)
def test_the_same_difference_on_every_fold_is_certain(shift, expected):
    second = np.array([0.9, 0.8, 0.7])
    found = compare_scores(second + shift, second, 0.5, 0.01)
    assert found.p_value == 0
    assert found.mean == pytest.approx(shift)
    assert found.t == np.sign(shift) * np.inf
    assert (found.worse, found.equal, found.better) == expected


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9 / 3])
def test_certainty_does_not_depend_on_the_unit_of_a_score(size):
    """A difference that varies by rounding alone is certain, one that varies by more is tested."""
    second = size * np.array([0.9, 0.8, 0.3, 0.7, 0.1])
    shifted = second + 0.1 * size
    assert np.ptp(shifted - second) > 0
    same = compare_scores(shifted, second, 0.5, 0.01 * size)
    assert (same.p_value, same.t, same.better) == (0, np.inf, 1)
    varied = compare_scores(shifted + 1e-11 * size * np.arange(5), second, 0.5, 0.01 * size)
    assert 0 < varied.p_value < 1e-20
    assert 1e8 < varied.t < 1e12


def test_noise_of_the_last_digits_is_no_variance():
    second = np.array([0.9, 0.8, 0.3, 0.7, 0.1])
    noise = np.array([1, -2, 0, 2, -1]) * 1e-14
    assert compare_scores(second + 0.1 + noise, second, 0.5, 0.01).t == np.inf
    # one of the two may be nothing but zeros: the digits are those of the other
    found = compare_scores(np.zeros(3), [0.1 + 0.2, 0.3, 0.3], 0.5, 0.01)
    assert (found.t, found.p_value, found.worse) == (-np.inf, 0, 1)


def test_differences_are_plain_numbers_of_python():
    for first in ([0.9, 0.8], [0.8, 0.9], [0.5, 0.6], [0.5]):
        found = compare_scores(np.array(first), np.array([0.5, 0.6])[: len(first)], 0.5, 0.01)
        assert {type(value) for value in astuple(found)} == {float}


def test_differences_of_exactly_the_region_are_practically_equal():
    for shift in (0.25, -0.25):
        found = compare_scores(np.array([1.0, 2.0, 0.5]) + shift, [1.0, 2.0, 0.5], 0.5, 0.25)
        assert (found.worse, found.equal, found.better) == (0, 1, 0)
        assert found.p_value == 0


def test_scores_of_nothing_but_zeros_are_equal():
    found = compare_scores([0.0, 0.0], [0.0, 0.0], 0.5, 0.01)
    assert (found.mean, found.t, found.p_value) == (0, 0, 1)
    assert (found.worse, found.equal, found.better) == (0, 1, 0)


@pytest.mark.parametrize("second", [[0.5, np.inf], [-np.inf, 0.5], [np.nan, 0.5]])
def test_a_score_that_is_not_finite_says_nothing(second):
    for scores in ((second, [0.5, 0.6]), ([0.5, 0.6], second)):
        found = compare_scores(*scores, 0.5, 0.01)
        assert np.isnan(
            [found.mean, found.t, found.p_value, found.worse, found.equal, found.better]
        ).all()


def test_two_folds_are_enough():
    found = compare_scores([0.9, 0.8], [0.8, 0.5], 1, 0.01)
    # d = 0.1, 0.3: mean 0.2, variance 0.02; Student's t with one degree of freedom is Cauchy's
    t = 0.2 / np.sqrt((1 / 2 + 1) * 0.02)
    assert found.t == pytest.approx(t)
    assert found.p_value == pytest.approx(1 - 2 * np.arctan(t) / np.pi)


def test_a_difference_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        compare_scores([0.9, 0.8], [0.8, 0.5], 1, 0.01).mean = 0


@pytest.mark.parametrize("scores", [[], [0.9]])
def test_too_few_folds_say_nothing(scores):
    found = compare_scores(scores, np.full(len(scores), 0.5), 0.5, 0.01)
    assert np.isnan([found.mean, found.t, found.p_value, found.equal]).all()


def test_the_scale_is_nadeau_and_bengios():
    d = np.array([0.1, 0.3, 0.2])
    assert corrected_scale(d, 0.25) == pytest.approx(np.sqrt((1 / 3 + 0.25) * 0.01))


def test_holm_by_hand():
    # ordered 0.01, 0.02, 0.03, 0.9 times 4, 3, 2, 1; the third may not undercut the second
    np.testing.assert_allclose(holm([0.03, 0.9, 0.01, 0.02]), [0.06, 0.9, 0.04, 0.06])


def test_holm_is_capped_monotone_and_blind_to_nan():
    p = np.array([0.5, np.nan, 0.4, 0.001])
    adjusted = holm(p)
    np.testing.assert_allclose(adjusted, [0.8, np.nan, 0.8, 0.003])
    assert holm([0.7, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


def test_holm_takes_whole_numbers_and_leaves_what_it_is_given():
    assert holm([1, 0]).tolist() == [1.0, 0.0]
    p = np.array([0.03, 0.01])
    holm(p)
    assert p.tolist() == [0.03, 0.01]


def test_holm_of_a_single_test_changes_nothing():
    assert holm([0.04]).tolist() == [0.04]
    np.testing.assert_array_equal(holm([np.nan, 0.04]), [np.nan, 0.04])
