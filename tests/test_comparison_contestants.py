import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.neural_network import MLPClassifier as SklearnMLP
from sklearn.svm import SVC

from skmlp.comparison import Contestant, default_contestants, make_preprocessing


def test_the_contestants_are_the_mlp_and_four_kernels():
    contestants = default_contestants(random_state=3)
    kernels = [contestant.estimator.kernel for contestant in contestants[1:]]
    assert contestants[0].name == "MLP"
    assert contestants[0].estimator.random_state == 3
    assert kernels == ["linear", "rbf", "poly", "sigmoid"]
    assert contestants[3].estimator.degree == 2


def test_all_have_the_same_number_of_candidates():
    assert {contestant.candidates for contestant in default_contestants()} == {12}


def test_every_candidate_is_a_setting_of_its_estimator():
    for contestant in default_contestants():
        for candidate in ParameterGrid(contestant.grid):
            assert clone(contestant.estimator).set_params(**candidate)


def test_the_size_of_an_mlp_is_its_number_of_parameters():
    mlp = Contestant("MLP", SklearnMLP(), {}, ("coefs_", "intercepts_"))
    X, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 3
    fitted = SklearnMLP((5,), tol=1.0, random_state=0).fit(X, y)
    assert mlp.size(fitted) == (4 + 1) * 5 + (5 + 1) * 3


def test_the_size_of_an_svc_is_what_it_stores():
    svc = default_contestants()[1]
    X, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 2
    fitted = SVC(kernel="linear", random_state=0).fit(X, y)
    vectors = fitted.n_support_.sum()
    assert svc.size(fitted) == vectors * 4 + vectors + 1


def test_numbers_are_filled_with_the_median_and_standardized():
    X = pd.DataFrame({"a": [0.0, 2.0, np.nan, 4.0], "b": [1.0, 1.0, 1.0, 1.0]})
    made = make_preprocessing(X).fit_transform(X)
    np.testing.assert_allclose(made[:, 0], np.array([-2, 0, 0, 2]) / np.sqrt(2))
    np.testing.assert_allclose(made[:, 1], 0)


def test_text_becomes_one_column_a_category_and_the_unknown_is_zero():
    X = pd.DataFrame({"n": [0.0, 1.0, 2.0], "c": pd.Series(["x", np.nan, "x"], dtype=object)})
    preprocessing = make_preprocessing(X).fit(X)
    new = pd.DataFrame({"n": [1.0], "c": pd.Series(["never seen"], dtype=object)})
    np.testing.assert_array_equal(preprocessing.transform(X)[:, 1:], [[1], [1], [1]])
    np.testing.assert_array_equal(preprocessing.transform(new), [[0, 0]])


def test_a_column_empty_in_a_training_fold_is_no_trouble():
    X = pd.DataFrame({"n": [np.nan] * 3, "c": pd.Series([np.nan] * 3, dtype=object)})
    assert np.isfinite(make_preprocessing(X).fit_transform(X)).all()


def test_a_column_of_names_does_not_fill_the_memory():
    X = pd.DataFrame({"name": pd.Series([f"person {i}" for i in range(2000)], dtype=object)})
    assert make_preprocessing(X).fit_transform(X).shape == (2000, 100)


@pytest.mark.parametrize("contestant", default_contestants(), ids=lambda c: c.name)
def test_every_contestant_learns_two_clouds(contestant):
    generator = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = generator.normal(size=(80, 2)) + 4 * np.eye(2)[y]
    model = clone(contestant.estimator)
    if model.random_state is None:
        model.set_params(random_state=0)  # libsvm draws a seed from the global generator
    assert model.fit(X, y).score(X, y) > 0.95
