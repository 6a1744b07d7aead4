"""Text files of rows and columns: which mark separates them, and which marks decimals."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .dataset import MOSTLY_NUMBERS
from .errors import InputError

__all__ = ["read_delimited", "refuse_twins"]

# Marks that may stand in for the comma, and what to call them.
MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}

WHOLE = r"[+-]?\d+"
EXPONENT = r"(?:[eE][+-]?\d+)?"
WITH_COMMA = rf"[+-]?\d*,\d+{EXPONENT}"
WITH_POINT = rf"[+-]?\d*\.\d+{EXPONENT}"
# Digits with commas and points among them, such as 1.234,5: numbers, of one kind or another.
NUMBER = rf"[+-]?(?=.*\d)[\d.,]+{EXPONENT}"
# After three digits a comma may set thousands apart; here it cannot.
SURELY_DECIMAL = rf"[+-]?(?:0?,\d+|\d+,(?!\d{{3}}$)\d+|\d{{4,}},\d+){EXPONENT}"


Read = tuple[pd.DataFrame, tuple[str, ...]]


def read_delimited(path: Path) -> Read:
    """Read a text file with a header line, plain or compressed.

    Commas separate its columns, unless the header line has none and another mark instead. Then
    commas may be decimal marks, as in many countries: they are read so where they can be nothing
    else, and a note says it.

    Returns
    -------
    table : DataFrame
    notes : tuple of str

    Raises
    ------
    InputError
        If two columns have one name, or the marks have more than one meaning.
    Exception
        Of pandas or of a decompressor, if the file cannot be read.
    """
    mark = _other_mark(_header(path, ","))
    refuse_twins(path, _header(path, mark or ","))
    table, notes = _read_marked(path, mark) if mark else (_parse(path), ())
    return _with_large_integers(table), notes


def refuse_twins(path: Path, names: Sequence[str]) -> None:
    """Two columns of one name: pandas would rename the second, and a copy of the target stay."""
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise InputError(f"{str(path)!r} has two columns named {twice[0]!r}: rename one of them.")


def _header(path: Path, mark: str) -> list[str]:
    """The names as they stand in the file."""
    line = _parse(path, sep=mark, header=None, nrows=1, dtype=str, keep_default_na=False)
    return [str(name) for name in line.iloc[0]]


def _other_mark(header: list[str]) -> str | None:
    """What separates a header line without commas; None if it has commas, or a single name."""
    if len(header) > 1:
        return None
    counts = {mark: header[0].count(mark) for mark in MARKS}
    mark = max(counts, key=lambda one: counts[one])
    return mark if counts[mark] else None


def _parse(path: Path, **options: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        # low_memory=False: a column gets one type, decided from all of its rows. index_col=False:
        # when rows are longer than the header, pandas would make their first values row names
        # and shift the others under wrong names; now it warns.
        return pd.read_csv(path, low_memory=False, index_col=False, **options)


def _with_large_integers(table: pd.DataFrame) -> pd.DataFrame:
    """Integers beyond 64 bits, which pandas may leave as text, as Python's."""
    for column in table.select_dtypes(exclude="number"):
        present = table[column].dropna()
        if len(present) and _all_match(present, WHOLE):
            table[column] = table[column].astype(object).map(int, na_action="ignore")
    return table


def _all_match(present: pd.Series, pattern: str) -> bool:
    return bool(present.astype(str).str.fullmatch(pattern).all())


def _read_marked(path: Path, mark: str) -> Read:
    """A file with another mark than the comma, which may be the decimal mark then."""
    try:
        table, text = _parse(path, sep=mark), _parse(path, sep=mark, dtype=str)
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise InputError(
            f"{str(path)!r} was taken for separated by {MARKS[mark]}, as its header line is, but "
            f"some rows have more values than that has names ({str(error).strip()}): "
            "export it as comma-separated CSV."
        ) from None
    note = f"Separated by {MARKS[mark]}"
    numbers = {name: text[name].dropna() for name in text if _commas_in_numbers(text[name])}
    if not numbers:
        return table, (f"{note}.",)
    _check_decimals(path, mark, text, pd.concat(numbers.values()))
    for name in numbers:
        pointed = table[name].astype(object).str.replace(",", ".")
        found = pd.to_numeric(pointed, errors="coerce")
        # A cell that is no number stays for the message that names it.
        table[name] = found if found.notna().equals(pointed.notna()) else pointed
    return table, (f"{note}; commas were read as decimal marks.",)


def _commas_in_numbers(column: pd.Series) -> bool:
    """Whether most cells are numbers, some of them with a comma."""
    present = column.dropna().str.strip()
    numbers = present[present.str.fullmatch(NUMBER)]
    enough = len(numbers) > 0 and len(numbers) >= MOSTLY_NUMBERS * len(present)
    return bool(enough and numbers.str.contains(",").any())


def _check_decimals(path: Path, mark: str, text: pd.DataFrame, cells: pd.Series) -> None:
    """Refuse what could be read in two ways."""
    way_out = "export it with points as decimal marks."
    begun = f"{str(path)!r} is separated by {MARKS[mark]} and holds"
    cells = cells.str.strip()
    commas = cells[cells.str.fullmatch(NUMBER) & cells.str.contains(",")]
    odd = commas[~commas.str.fullmatch(WITH_COMMA)]
    if len(odd):
        raise InputError(f"{begun} {odd.iloc[0]!r}, whose marks can be read in two ways: {way_out}")
    everything = pd.concat([text[name].dropna().str.strip() for name in text])
    points = everything[everything.str.fullmatch(WITH_POINT)]
    if len(points):
        raise InputError(
            f"{begun} both {commas.iloc[0]!r} and {points.iloc[0]!r}, so that the decimal mark is "
            f"not known: {way_out}"
        )
    if not commas.str.fullmatch(SURELY_DECIMAL).any():
        raise InputError(
            f"{begun} numbers such as {commas.iloc[0]!r}, whose comma may mark decimals or set "
            f"thousands apart: {way_out}"
        )
