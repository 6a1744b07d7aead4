"""The user's own data set, from a CSV or a Parquet file."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path

import pandas as pd

from .dataset import Dataset, make_dataset
from .errors import InputError

__all__ = ["read_file"]

PARQUET = (".parquet", ".pq")


def read_file(path: str | Path, target: str | None, task: str | None = None) -> Dataset:
    """Read a data set from a CSV file, plain or compressed, or from a Parquet file.

    Columns of numbers stay numbers; all other columns become categories. In CSV files empty
    cells, and the words pandas reads so (NA, NaN, None, null, …), are missing values: allowed in
    the features, refused in the target.

    Parameters
    ----------
    path : str or Path
        ``.parquet`` or ``.pq``, or else a CSV file with a header line, comma-separated, UTF-8.
    target : str or None
        The column to predict. None is refused with the list of columns: it is never guessed.
    task : {"classification", "regression"} or None
        None decides by the values of the target.

    Raises
    ------
    InputError
        If the file cannot be read, or cannot be compared on.
    """
    path = Path(path)
    table = _read_table(path)
    _check_column(table, target, path)
    features, notes = _features(table.drop(columns=target))
    return make_dataset(
        features, table[target], task=task, name=path.name, source=str(path), notes=notes
    )


# What goes wrong in reading, the special before the general, and what to say.
READ_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "No such file: {path!r}. Check the path."),
    (OSError, "Cannot read {path!r} ({reason}): give a readable .csv or .parquet file."),
    (EOFError, "Cannot read {path!r} ({reason}): the compressed file is not complete."),
    (zlib.error, "Cannot read {path!r} ({reason}): the compressed file is damaged."),
    (ImportError, "Cannot read {path!r}: Parquet files need pyarrow (pip install pyarrow)."),
    (pd.errors.EmptyDataError, "{path!r} is empty: expected a header line and rows of values."),
    (
        pd.errors.ParserWarning,
        "{path!r} has rows with more values than the header line has names: complete the header.",
    ),
    (
        ValueError,
        "{path!r} is not {expected} ({reason}): export it as CSV.",
    ),
)


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = _parse(path)
    except tuple(kind for kind, _ in READ_ERRORS) as error:
        message = next(text for kind, text in READ_ERRORS if isinstance(error, kind))
        reason = getattr(error, "strerror", None) or str(error).strip().split("\n")[0]
        expected = "a Parquet file" if _is_parquet(path) else "a comma-separated UTF-8 text file"
        raise InputError(message.format(path=str(path), reason=reason, expected=expected)) from None
    if table.empty or table.shape[1] < 2:
        raise InputError(_explain_shape(path, table))
    return table


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET


def _parse(path: Path) -> pd.DataFrame:
    if _is_parquet(path):
        return pd.read_parquet(path)
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


def _check_column(table: pd.DataFrame, target: str | None, path: Path) -> None:
    columns = ", ".join(str(column) for column in table.columns)
    if target is None:
        raise InputError(f"Say which column to predict with --target; {path.name} has: {columns}.")
    if target not in table.columns:
        raise InputError(f"No column {target!r} for --target; {path.name} has: {columns}.")


def _features(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Drop columns that cannot inform, and say so."""
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
    return table, tuple(notes)
