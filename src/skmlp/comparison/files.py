"""The user's own data set, from a CSV or a Parquet file."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pandas as pd

from .dataset import Dataset, make_dataset
from .delimited import read_delimited, refuse_twins
from .errors import InputError

__all__ = ["read_file"]

PARQUET = (".parquet", ".pq")

# What pandas calls columns without a name at the start of a file.
ROW_NUMBERS = re.compile(r"Unnamed: 0(\.\d+)*")


def read_file(path: str | Path, target: str | None, task: str | None = None) -> Dataset:
    """Read a data set from a CSV file, plain or compressed, or from a Parquet file.

    Columns of numbers stay numbers; all other columns become categories. In CSV files empty
    cells, and the words pandas reads so (NA, NaN, None, null, …), are missing values: allowed in
    the features, refused in the target.

    Parameters
    ----------
    path : str or Path
        ``.parquet`` or ``.pq``, or else a CSV file with a header line, UTF-8: comma-separated, or
        by semicolons, tabs or bars where the header line tells so.
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
    table, notes = _read_table(path)
    _check_column(table, target, path)
    features, left_out = _features(table.drop(columns=target))
    return make_dataset(
        features,
        table[target],
        task=task,
        name=path.name,
        source=str(path),
        notes=(*notes, *left_out),
    )


# What goes wrong in reading, the special before the general, and what to say. Decompressors and
# parsers have exceptions of many kinds; none of them is to end as a traceback.
READ_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "No such file: {path!r}. Check the path."),
    (OSError, "Cannot read {path!r} ({reason}): give a readable .csv or .parquet file."),
    (EOFError, "Cannot read {path!r} ({reason}): the compressed file is not complete."),
    (
        ImportError,
        "Cannot read {path!r}: {needs} files need {library}, which is not installed: "
        "pip install {library}.",
    ),
    (pd.errors.EmptyDataError, "{path!r} is empty: expected a header line and rows of values."),
    (
        pd.errors.ParserWarning,
        "{path!r} has rows with more values than the header line has names: complete the header; "
        "if commas are decimal marks, export it with points.",
    ),
    (ValueError, "{path!r} is not {expected} ({reason}): export it as CSV."),
    (
        Exception,
        "Cannot read {path!r} ({kind}: {reason}): the file is damaged, or is not what its name "
        "says.",
    ),
)


def _read_table(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    try:
        table, notes = (_read_parquet(path), ()) if _is_parquet(path) else read_delimited(path)
    except InputError:
        raise
    except Exception as error:
        raise InputError(_explain(path, error)) from None
    if table.empty or table.shape[1] < 2:
        raise InputError(_explain_shape(path, table))
    return table, notes


def _explain(path: Path, error: Exception) -> str:
    parquet = _is_parquet(path)
    message = next(text for kind, text in READ_ERRORS if isinstance(error, kind))
    return message.format(
        path=str(path),
        kind=type(error).__name__,
        reason=getattr(error, "strerror", None) or str(error).strip().split("\n")[0],
        expected="a Parquet file" if parquet else "a comma-separated UTF-8 text file",
        needs="Parquet" if parquet else path.suffix,
        library="pyarrow" if parquet else "zstandard",  # all other kinds are Python's own
    )


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET


def _read_parquet(path: Path) -> pd.DataFrame:
    if path.is_file():
        schema = import_module("pyarrow.parquet").read_schema(path)
        refuse_twins(path, schema.names)
    return pd.read_parquet(path)


def _explain_shape(path: Path, table: pd.DataFrame) -> str:
    """Say why a table without rows, or of one column, cannot be used."""
    if table.shape[1] >= 2:
        return f"{str(path)!r} has a header line but no rows: expected one row per example."
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
    # On sorted data it would give the class away. Written twice, there are two of them.
    while table.shape[1] and ROW_NUMBERS.fullmatch(str(table.columns[0])):
        table = table.drop(columns=table.columns[0])
        notes.append("The first column has no name; it was taken for row numbers and left out.")
    empty = [column for column in table if table[column].isna().all()]
    if empty:
        table = table.drop(columns=empty)
        notes.append(f"Columns without any value were left out: {', '.join(map(str, empty))}.")
    if table.shape[1] == 0:
        raise InputError("No feature columns are left beside the target: add at least one.")
    return table, tuple(notes)
