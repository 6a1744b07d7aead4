import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MinMaxScaler

from skmlp.comparison import InputError, make_preprocessing
from skmlp.comparison.preprocessing import resolve_preprocessing


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


def test_it_can_be_left_out_or_given():
    X = pd.DataFrame({"n": [0.0, 1.0, 3.0]})
    assert resolve_preprocessing("passthrough", X).fit_transform(X)["n"].tolist() == [0, 1, 3]
    given = MinMaxScaler()
    assert resolve_preprocessing(given, X) is given
    with pytest.raises(InputError, match=r"preprocessing='scale'.*'passthrough' or None"):
        resolve_preprocessing("scale", X)
