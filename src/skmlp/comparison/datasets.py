"""The data sets of a comparison: built-in ones, and the user's own CSV."""

import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits, make_circles

from .errors import InputError

__all__ = ["BUILT_IN", "Dataset", "load_dataset", "read_csv"]


@dataclass(frozen=True)
class Dataset:
    """Rows, features and classes, and where they come from.

    Parameters
    ----------
    name : str
        Short name, shown in tables and used in file names.
    X : DataFrame of shape (n, d)
        Features; text columns hold strings, missing values are NaN.
    y : ndarray of shape (n,)
        Class codes 0, 1, …, in the order of `classes`.
    classes : tuple of str
        The classes as the user knows them.
    source : str
        How to get the same data again.
    notes : tuple of str, default=()
        What was changed while reading.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray
    classes: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()

    @property
    def text_columns(self) -> list[str]:
        """Names of the columns that are not numeric."""
        return list(self.X.select_dtypes(exclude="number").columns)

    @property
    def is_planar(self) -> bool:
        """Whether decision boundaries can be drawn: two features, both numeric."""
        return self.X.shape[1] == 2 and not self.text_columns

    @property
    def largest_share(self) -> float:
        """Share of the largest class: the accuracy of always guessing it."""
        return float(np.bincount(self.y).max() / len(self.y))


def _circles() -> Dataset:
    X, y = make_circles(n_samples=1000, noise=0.15, factor=0.5, random_state=0)
    return Dataset(
        "circles",
        pd.DataFrame(X, columns=["x1", "x2"]),
        y,
        ("outer", "inner"),
        "sklearn.datasets.make_circles(n_samples=1000, noise=0.15, factor=0.5, random_state=0)",
    )


def _bundled(name: str, loader: Callable[..., Any]) -> Dataset:
    bunch = loader(as_frame=True)
    return Dataset(
        name,
        bunch.data,
        bunch.target.to_numpy(),
        tuple(str(label) for label in bunch.target_names),
        f"sklearn.datasets.{loader.__name__}()",
    )


BUILT_IN: dict[str, Callable[[], Dataset]] = {
    "circles": _circles,
    "breast_cancer": lambda: _bundled("breast_cancer", load_breast_cancer),
    "digits": lambda: _bundled("digits", load_digits),
}


def load_dataset(name: str) -> Dataset:
    """Load a built-in data set.

    Parameters
    ----------
    name : {"circles", "breast_cancer", "digits"}
        Case does not matter, and ``-`` may stand for ``_``.

    Raises
    ------
    InputError
        If no built-in data set has this name.

    Examples
    --------
    >>> from skmlp.comparison import load_dataset
    >>> load_dataset("circles").X.shape
    (1000, 2)
    """
    load = BUILT_IN.get(name.lower().replace("-", "_"))
    if load is None:
        raise InputError(
            f"Unknown data set {name!r}: choose from {', '.join(BUILT_IN)}, "
            "or give your own file with --data FILE.csv --target COLUMN."
        )
    return load()


def read_csv(path: str | Path, target: str | None) -> Dataset:
    """Read a classification data set from a CSV file, plain or gzipped.

    Columns of numbers stay numbers; all other columns become categories. Empty cells, and the
    words pandas reads so (NA, NaN, None, null, …), are missing values: allowed in the features,
    refused in the target.

    Parameters
    ----------
    path : str or Path
        A file with a header line, comma-separated, UTF-8.
    target : str or None
        The column to predict. None is refused with the list of columns: it is never guessed.

    Raises
    ------
    InputError
        If the file cannot be read, or cannot be used for classification.
    """
    table = _read_table(Path(path))
    _check_target(table, target, Path(path))
    codes, classes = _encode(table[target])
    features, notes = _features(table.drop(columns=target))
    return Dataset(Path(path).name, features, codes, classes, str(path), notes)


# What goes wrong in reading, the special before the general, and what to say.
READ_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "No such file: {path!r}. Check the path given to --data."),
    (OSError, "Cannot read {path!r} ({reason}): give a readable .csv or .csv.gz file."),
    (EOFError, "Cannot read {path!r} ({reason}): the compressed file is not complete."),
    (zlib.error, "Cannot read {path!r} ({reason}): the compressed file is damaged."),
    (pd.errors.EmptyDataError, "{path!r} is empty: expected a header line and rows of values."),
    (
        pd.errors.ParserWarning,
        "{path!r} has rows with more values than the header line has names: complete the header.",
    ),
    (
        ValueError,
        "{path!r} is not a comma-separated UTF-8 text file ({reason}): export it as CSV.",
    ),
)


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = _parse(path)
    except tuple(kind for kind, _ in READ_ERRORS) as error:
        message = next(text for kind, text in READ_ERRORS if isinstance(error, kind))
        reason = getattr(error, "strerror", None) or str(error).strip().split("\n")[0]
        raise InputError(message.format(path=str(path), reason=reason)) from None
    if table.empty or table.shape[1] < 2:
        raise InputError(_explain_shape(path, table))
    return table


def _parse(path: Path) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        # low_memory=False: a column gets one type, decided from all of its rows. index_col=False:
        # when rows are longer than the header, pandas would make their first values row names
        # and shift the others under wrong names; now it warns.
        return pd.read_csv(path, low_memory=False, index_col=False)


def _explain_shape(path: Path, table: pd.DataFrame) -> str:
    """Say why a table without rows, or of one column, cannot be used."""
    header = [str(column) for column in table.columns]
    if len(header) >= 2:
        return f"{str(path)!r} has a header line but no rows: expected one row per example."
    found = next((mark for mark in (";", "\t", "|") if header and mark in header[0]), None)
    if found:
        return (
            f"{str(path)!r} is separated by {found!r}, but expected commas: "
            "export it as comma-separated CSV."
        )
    return (
        f"{str(path)!r} has a single column, but expected comma-separated features and a target: "
        "is it a CSV file?"
    )


def _check_target(table: pd.DataFrame, target: str | None, path: Path) -> None:
    columns = ", ".join(str(column) for column in table.columns)
    if target is None:
        raise InputError(f"Say which column to predict with --target; {path.name} has: {columns}.")
    if target not in table.columns:
        raise InputError(f"No column {target!r} for --target; {path.name} has: {columns}.")
    values = table[target]
    missing = int(values.isna().sum())
    if missing:
        raise InputError(
            f"The target {target!r} is missing in {missing} of {len(values)} rows: remove these "
            "rows or fill them in (empty, NA and None count as missing)."
        )
    if values.nunique() == 1:
        raise InputError(
            f"The target {target!r} is {values.iloc[0]!s} in every row: "
            "there is nothing to classify. Choose another --target."
        )
    if _looks_continuous(values):
        raise InputError(
            f"The target {target!r} looks continuous ({values.nunique()} different numbers in "
            f"{len(values)} rows): only classification is compared so far. Choose a --target "
            "with classes, or put the numbers into classes."
        )


def _looks_continuous(values: pd.Series) -> bool:
    """Tell measured numbers from class numbers, generously: up to 20 values are classes."""
    if not pd.api.types.is_numeric_dtype(values) or values.nunique() <= 20:
        return False
    return bool((values % 1 != 0).any()) or values.nunique() > len(values) / 10


def _encode(values: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number the classes in sorted order; labels of mixed types are compared as text."""
    if values.dtype == object:
        values = values.astype(str)
    classes, codes = np.unique(values.to_numpy(), return_inverse=True)
    return codes, tuple(str(label) for label in classes)


def _features(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Drop columns that cannot inform, and give every other one of two types."""
    notes = []
    # A column without a name, first in the file, is a row number written by DataFrame.to_csv.
    # On sorted data it would give the class away.
    if str(table.columns[0]) == "Unnamed: 0":
        table = table.drop(columns="Unnamed: 0")
        notes.append("The first column has no name; it was taken for row numbers and left out.")
    empty = [column for column in table if table[column].isna().all()]
    if empty:
        table = table.drop(columns=empty)
        notes.append(f"Columns without any value were left out: {', '.join(map(str, empty))}.")
    if table.shape[1] == 0:
        raise InputError("No feature columns are left beside the target: add at least one.")
    return table.apply(_number_or_text), tuple(notes)


def _number_or_text(column: pd.Series) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column.astype(object).map(str, na_action="ignore").astype(object)
    if np.isinf(column).any():
        raise InputError(
            f"The column {column.name!r} holds infinite values: "
            "replace them, or leave the cells empty."
        )
    return column.astype(float)
