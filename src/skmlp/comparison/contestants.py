"""The contestants: one table of models, their grids and what they store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

__all__ = ["Contestant", "default_contestants", "format_parameters", "make_preprocessing"]

# Beyond this many different values a text column is rather a name or a number than a category,
# and one column for each would fill the memory.
MOST_CATEGORIES = 100

# A kernel that does not suit the data can keep libsvm busy for hours. On the built-in data sets
# no fit needs a tenth of this; a fit that reaches it is counted as not converged.
SVC_ITERATIONS = 1_000_000


@dataclass(frozen=True)
class Contestant:
    """A model, the settings it may choose from, and what it has to store to predict.

    Parameters
    ----------
    name : str
        Shown in tables and figures.
    estimator : BaseEstimator
        A classifier; it is cloned, never fitted itself.
    grid : dict of str to list
        Parameter names and the values to try.
    stored : tuple of str
        Fitted attributes whose numbers are counted as the size of the model.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from skmlp.comparison import Contestant
    >>> Contestant("neighbours", KNeighborsClassifier(), {"n_neighbors": [1, 5, 9]}).candidates
    3
    """

    name: str
    estimator: BaseEstimator
    grid: Mapping[str, Sequence[Any]]
    stored: tuple[str, ...] = ()

    @property
    def candidates(self) -> int:
        """Number of settings in the grid."""
        return len(ParameterGrid(dict(self.grid)))

    def size(self, fitted: BaseEstimator) -> int:
        """Count the numbers that the fitted model stores."""
        parts: list[Any] = []
        for name in self.stored:
            value = getattr(fitted, name)
            parts.extend(value if isinstance(value, (list, tuple)) else [value])
        return int(sum(np.size(part) for part in parts))


SVC_STORED = ("support_vectors_", "dual_coef_", "intercept_")


def default_contestants(random_state: int = 0) -> list[Contestant]:
    """Return the tuned MLP and the SVC kernels, twelve candidates each.

    Examples
    --------
    >>> from skmlp.comparison.contestants import _kernels
    >>> {contestant.candidates for contestant in _kernels()}
    {12}
    """
    # Imported here: a comparison of other contestants, or an error message, needs no torch.
    from .. import MLPClassifier

    mlp = Contestant(
        "MLP",
        MLPClassifier(learning_rate_init=0.01, random_state=random_state),
        {
            "hidden_layer_sizes": [(32,), (100,), (64, 64)],
            "initialization": ["glorot_uniform", "he_normal"],
            "alpha": [1e-4, 1e-1],
        },
        ("coefs_", "intercepts_"),
    )
    return [mlp, *_kernels()]


def _kernels() -> list[Contestant]:
    def svc(name: str, grid: dict[str, list[Any]], **fixed: Any) -> Contestant:
        return Contestant(name, SVC(max_iter=SVC_ITERATIONS, **fixed), grid, SVC_STORED)

    some = [0.1, 1, 10]
    return [
        svc(
            "SVC linear",
            {"C": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300]},
            kernel="linear",
        ),
        svc("SVC rbf", {"C": [*some, 100], "gamma": ["scale", 0.01, 0.1]}, kernel="rbf"),
        svc(
            "SVC poly 2",
            {"C": some, "gamma": ["scale", 0.1], "coef0": [0, 1]},
            kernel="poly",
            degree=2,
        ),
        svc(
            "SVC sigmoid",
            {"C": some, "gamma": ["scale", 0.01], "coef0": [0, -1]},
            kernel="sigmoid",
        ),
    ]


def make_preprocessing(X: pd.DataFrame) -> BaseEstimator:
    """Build the preprocessing that every contestant shares.

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
        (numbers, list(X.columns.difference(text, sort=False))), (categories, list(text))
    )


def format_parameters(parameters: Mapping[str, Any]) -> str:
    """Write parameters as in a call.

    Examples
    --------
    >>> from skmlp.comparison import format_parameters
    >>> format_parameters({"C": 10, "gamma": "scale"})
    'C=10, gamma=scale'
    """
    return ", ".join(f"{name}={value}" for name, value in parameters.items())
