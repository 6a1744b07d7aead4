"""The preprocessing that every contestant shares."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from .errors import InputError

__all__ = ["make_preprocessing", "resolve_preprocessing"]

# Beyond this many different values a text column is rather a name or a number than a category,
# and one column for each would fill the memory.
MOST_CATEGORIES = 100


def make_preprocessing(X: pd.DataFrame) -> BaseEstimator:
    """Build the default preprocessing for the columns of X.

    Numbers: missing values become the median, then zero mean and unit variance. Text: missing
    values become the most frequent one, then one column per category (the 100 most frequent ones;
    the others share a column). A category never seen in training is all zeros.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmlp.comparison import make_preprocessing
    >>> X = pd.DataFrame({"size": [1.0, None, 3.0], "colour": ["red", "blue", "red"]})
    >>> make_preprocessing(X).fit_transform(X).shape
    (3, 3)
    """
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    text = X.select_dtypes(exclude="number").columns
    if len(text) == 0:
        return numbers
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore", max_categories=MOST_CATEGORIES, sparse_output=False),
    )
    return make_column_transformer(
        (numbers, X.select_dtypes(include="number").columns),
        (categories, text),
    )


def resolve_preprocessing(preprocessing: Any, X: pd.DataFrame) -> BaseEstimator:
    """The default for None, nothing for "passthrough", or a transformer as given.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if preprocessing is None:
        return make_preprocessing(X)
    if isinstance(preprocessing, str) and preprocessing == "passthrough":
        return FunctionTransformer()
    if hasattr(preprocessing, "fit") and hasattr(preprocessing, "transform"):
        return preprocessing
    raise InputError(
        f"Got preprocessing={preprocessing!r}, but expected a transformer of scikit-learn, "
        "'passthrough' or None."
    )
