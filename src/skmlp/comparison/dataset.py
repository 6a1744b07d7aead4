"""What is compared on: rows, target and task, checked before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse

from .errors import InputError

__all__ = ["Dataset", "Task", "guess_task", "make_dataset"]

Task = Literal["classification", "regression"]
TASKS = ("classification", "regression")

# Up to this many different whole numbers are taken for classes; more than the second number,
# or than a tenth of the rows, for quantities.
SURELY_CLASSES, SURELY_QUANTITIES = 20, 100

# Floats hold every integer below this, and the next one is the first they cannot hold.
LARGEST_EXACT = 2.0**53

# From this share of numbers on, text in a column is taken for a slip rather than for a category.
MOSTLY_NUMBERS = 0.8


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows, target and task, and where they come from; made by `make_dataset`.

    Parameters
    ----------
    name : str
        Short name, shown in tables and used in file names.
    X : DataFrame of shape (n, d)
        Features: float columns, and text columns of strings; missing values are NaN.
    y : ndarray of shape (n,)
        Class labels, or numbers.
    task : {"classification", "regression"}
    source : str
        How to get the same data again.
    notes : tuple of str
        What was changed or decided while reading.
    groups : ndarray of shape (n,) or None
        Rows of one group are never on both sides of a split.
    sample_weight : ndarray of shape (n,) or None
        Weights of the rows in fits and scores.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray
    task: Task = "classification"
    source: str = ""
    notes: tuple[str, ...] = ()
    groups: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    classes: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        labels = np.unique(self.y).tolist() if self.task == "classification" else []
        object.__setattr__(self, "classes", tuple(labels))

    @property
    def codes(self) -> np.ndarray:
        """Numbers of the classes, 0, 1, …, in the order of `classes`; shape (n,)."""
        return np.searchsorted(np.array(self.classes), self.y)

    @property
    def or_regression(self) -> str:
        """The way out that errors about classes add where the classes are numbers; else ""."""
        if not self.classes or np.array(self.classes).dtype.kind not in "iuf":
            return ""
        return " If the target is a quantity, use task='regression' (--task regression)."

    @property
    def text_columns(self) -> list[str]:
        """Names of the columns that are not numeric."""
        return list(self.X.select_dtypes(exclude="number").columns)

    @property
    def is_planar(self) -> bool:
        """Whether the rows are points of a plane: two features, both numeric."""
        return self.X.shape[1] == 2 and not self.text_columns

    @property
    def largest_share(self) -> float:
        """Share of the largest class: the accuracy of always guessing it."""
        return float(np.bincount(self.codes).max() / len(self.y))

    def mixed(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """These rows in a random order of which every beginning has the classes in proportion."""
        order = rows[np.random.default_rng(seed).permutation(len(rows))]
        if not self.classes:
            return order
        codes = self.codes[order]
        turns = np.empty(len(order))  # each class is spread evenly over the turns
        for code, count in enumerate(np.bincount(codes)):
            turns[codes == code] = (np.arange(count) + 0.5) / count
        return order[np.argsort(turns, kind="stable")]

    def take(self, rows: np.ndarray, note: str) -> Dataset:
        """The data set of some of the rows."""
        return Dataset(
            self.name,
            self.X.iloc[rows].reset_index(drop=True),
            self.y[rows],
            self.task,
            self.source,
            (*self.notes, note),
            None if self.groups is None else self.groups[rows],
            None if self.sample_weight is None else self.sample_weight[rows],
        )


def make_dataset(
    X: Any,
    y: Any,
    *,
    task: str | None = None,
    groups: Any = None,
    sample_weight: Any = None,
    name: str = "data",
    source: str = "",
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Check rows and target and bring them into one form.

    Parameters
    ----------
    X : array-like or DataFrame (pandas, polars) of shape (n, d)
        Columns of numbers stay numbers; all others become categories.
    y : array-like of shape (n,)
        Class labels or numbers.
    task : {"classification", "regression"}, default=None
        None guesses it from y, see `guess_task`, and says so in the notes.
    groups, sample_weight : array-like of shape (n,), default=None
    name, source, notes : str, str, tuple of str
        See `Dataset`.

    Raises
    ------
    InputError
        If the data cannot be compared on; the message names column, value and the way out.

    Examples
    --------
    >>> from skmlp.comparison import make_dataset
    >>> dataset = make_dataset([[1.0, "red"], [2.0, "blue"]], ["yes", "no"])
    >>> dataset.task, dataset.classes, dataset.text_columns
    ('classification', ('no', 'yes'), ['x2'])
    """
    features = as_features(X)
    target = _as_target(y, len(features))
    if task is None:
        task = guess_task(target)
        notes = (*notes, f"Taken for {task}, from the values of the target.")
    if task not in TASKS:
        raise InputError(f"Got task={task!r}, but expected one of {', '.join(TASKS)}, or None.")
    return Dataset(
        name,
        features,
        _as_labels(target) if task == "classification" else _as_numbers(target),
        task,  # type: ignore[arg-type]
        source,
        notes,
        None if groups is None else _as_groups(groups, len(features)),
        None if sample_weight is None else _as_weights(sample_weight, len(features)),
    )


def guess_task(y: np.ndarray | pd.Series) -> Task:
    """Tell classes from quantities.

    Text, booleans and up to 20 different whole numbers are classes; numbers with fractions, more
    than 100 different ones, or more than a tenth of the rows are quantities.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.comparison import guess_task
    >>> guess_task(np.array([0.5, 1.25])), guess_task(np.array([3, 4, 3]))
    ('regression', 'classification')
    """
    values = pd.Series(y)
    values = values if (numbers := _as_floats(values)) is None else numbers
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return "classification"
    different = values.nunique()
    if (values % 1 != 0).any():
        return "regression"
    many = different > SURELY_QUANTITIES or different > len(values) / 10
    return "regression" if different > SURELY_CLASSES and many else "classification"


def as_features(X: Any) -> pd.DataFrame:
    """Columns of floats and of strings, named by strings, rows numbered from zero.

    Raises
    ------
    InputError
        If a column holds something else, or numbers with text between them.
    """
    if scipy.sparse.issparse(X):
        raise InputError("X is a sparse matrix, but expected dense rows: pass X.toarray().")
    table = _as_table(X).reset_index(drop=True)
    table.columns = [str(column) for column in table.columns]
    if table.shape[0] == 0 or table.shape[1] == 0:
        raise InputError(f"X has shape {table.shape}: expected at least one row and one column.")
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise InputError(f"X has two columns named {twice[0]!r}: rename one of them.")
    return pd.DataFrame({name: _as_column(table[name]) for name in table})


def _as_table(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        return X
    if hasattr(X, "to_pandas"):
        return X.to_pandas()
    values = X if isinstance(X, np.ndarray) else np.asarray(X, dtype=_common_dtype(X))
    if values.ndim != 2:
        raise InputError(
            f"X has {values.ndim} dimension(s), but expected a table of rows and columns: "
            "reshape it to (n_samples, n_features)."
        )
    columns = [f"x{number}" for number in range(1, values.shape[1] + 1)]
    return pd.DataFrame(values, columns=columns).infer_objects()


def _common_dtype(X: Any) -> Any:
    """Numbers and text side by side stay what they are: NumPy would make all of them text."""
    return None if np.asarray(X).dtype.kind in "biuf" else object


# What `pandas.api.types.infer_dtype` calls dates and times that stand as Python objects.
TIMES = ("date", "datetime", "datetime64", "time", "timedelta", "timedelta64", "period")


def _as_column(column: pd.Series) -> pd.Series:
    objects = _as_floats(column)
    if objects is not None:
        return _finite(objects)
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return _finite(column)
    if column.dtype.kind in "mM" or pd.api.types.infer_dtype(column, skipna=True) in TIMES:
        raise InputError(
            f"The column {column.name!r} holds dates or times: turn them into numbers or "
            "categories first, such as the year."
        )
    present = column.dropna().astype(str)
    numbers = pd.to_numeric(present, errors="coerce")
    _refuse_mixture(column, present, numbers)
    text = column.astype(object)
    return text.where(text.isna(), text.map(str)).where(text.notna(), np.nan)


def _as_floats(column: pd.Series) -> pd.Series | None:
    """Numbers that stand as objects, decimals and integers of any size, as floats; else None."""
    if column.dtype.kind != "O" or isinstance(column.dtype, pd.CategoricalDtype):
        return None
    objects = column.astype(object)
    present = objects.dropna()
    if not len(present) or not all(map(_is_number, {type(value) for value in present})):
        return None
    floats = np.full(len(objects), np.nan)
    floats[objects.notna().to_numpy()] = [_float(value) for value in present]
    return pd.Series(floats, column.index, name=column.name)


def _is_number(kind: type) -> bool:
    return issubclass(kind, (Real, Decimal)) and not issubclass(kind, (bool, np.bool_))


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # beyond 1e308
        return float("inf")


def _finite(column: pd.Series) -> pd.Series:
    if pd.api.types.is_complex_dtype(column):
        raise InputError(f"The column {column.name!r} holds complex numbers: split or drop it.")
    numbers = pd.Series(column.to_numpy(dtype=float, na_value=np.nan), name=column.name)
    if np.isinf(numbers).any():
        raise InputError(
            f"The column {column.name!r} holds infinite values: "
            "replace them, or leave the cells empty."
        )
    return numbers


def _refuse_mixture(column: pd.Series, present: pd.Series, numbers: pd.Series) -> None:
    """A column of numbers with some text in it is a mistake that categories would hide."""
    text = present[numbers.isna()]
    if len(text) == 0 or len(text) > (1 - MOSTLY_NUMBERS) * len(present):
        return
    raise InputError(
        f"The column {column.name!r} holds numbers, but {text.iloc[0]!r} in row {text.index[0]} "
        f"({len(text)} of {len(present)} cells are text): correct these cells or leave them "
        "empty. If the column holds categories, give them names that are not numbers."
    )


def _column(values: Any, name: str, n: int) -> np.ndarray:
    """A vector of n values, whatever it came as; NumPy would make text of an empty cell."""
    if hasattr(values, "to_numpy"):
        column = values.to_numpy()
    elif isinstance(values, np.ndarray):
        column = values
    else:
        column = np.asarray(values, dtype=_common_dtype(values))
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise InputError(
            f"{name} has shape {column.shape}, but expected one value for each row: "
            "compare each output on its own."
        )
    if len(column) != n:
        raise InputError(f"{name} has {len(column)} values, but X has {n} rows.")
    return column


def _as_target(y: Any, n: int) -> pd.Series:
    if isinstance(y, pd.Series) and len(y) == n:
        target = y.reset_index(drop=True)  # with its dtype: categories, or integers with NA
    else:
        target = pd.Series(_column(y, "y", n)).infer_objects()
    called = "The target" if target.name is None else f"The target {target.name!r}"
    missing = int(target.isna().sum())
    if missing:
        raise InputError(
            f"{called} is missing in {missing} of {n} rows: remove these rows or fill them in "
            "(empty, NA and None count as missing)."
        )
    if target.nunique() == 1:
        raise InputError(
            f"{called} is {target.iloc[0]!s} in every row: there is nothing to predict. "
            "Choose another target."
        )
    return _plain_numbers(target)


def _plain_numbers(target: pd.Series) -> pd.Series:
    """Numbers that stand as objects as integers or floats, unless two of them would become one."""
    numbers = _as_floats(target)
    if numbers is None or numbers.nunique() < target.astype(object).nunique():
        return target
    whole = (numbers % 1 == 0).all() and numbers.abs().max() < LARGEST_EXACT
    return numbers.astype("int64") if whole else numbers


def _as_groups(groups: Any, n: int) -> np.ndarray:
    """Groups that can be told apart: each row has one, and they sort."""
    column = _column(groups, "groups", n)
    missing = np.flatnonzero(pd.isna(column))
    if len(missing):
        raise InputError(
            f"groups is missing in {len(missing)} of {n} rows, first in row {missing[0]}: give "
            "each of these rows a group, one of its own if it belongs to none."
        )
    try:
        np.unique(column)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in column})
        raise InputError(
            f"groups holds values of several types ({', '.join(kinds)}): make all of them text, "
            "such as [str(group) for group in groups]."
        ) from None
    return column


def _as_labels(target: pd.Series) -> np.ndarray:
    """Labels that sort: those of mixed types are compared as text."""
    values = target.astype(object).to_numpy()
    kinds = {type(value) for value in values}
    if all(issubclass(kind, (bool, np.bool_, int, float, np.number)) for kind in kinds):
        labels = np.array(values.tolist())
        if labels.dtype != object:  # as integers beyond 64 bits are
            return labels
    return np.array([str(value) for value in values])


def _as_numbers(target: pd.Series) -> np.ndarray:
    try:
        numbers = target.astype(float).to_numpy()
    except (ValueError, TypeError):
        raise InputError(
            f"The target holds {target.iloc[0]!r}, but regression predicts numbers: "
            "use task='classification', or turn the target into numbers."
        ) from None
    if not np.isfinite(numbers).all():
        raise InputError("The target holds infinite values: remove these rows.")
    if (numbers == numbers[0]).all():
        raise InputError(
            f"The target is {numbers[0]} in every row, as far as a float can tell: subtract what "
            "all of its values have in common."
        )
    return numbers


def _as_weights(sample_weight: Any, n: int) -> np.ndarray:
    weights = _column(sample_weight, "sample_weight", n).astype(float)
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() == 0:
        raise InputError(
            "sample_weight must be finite and not negative, with at least one above zero. "
            f"Its smallest value is {np.min(weights)}."
        )
    return weights
