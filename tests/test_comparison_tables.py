import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from skmlp.comparison import FoldResult, Outcome, make_row, print_table, write_tables
from skmlp.comparison.tables import footnotes


def fold(score, parameters, unconverged=0):
    return FoldResult(score, 2.0, 0.25, 0.0015, 1234, parameters, unconverged, fits=37)


@pytest.fixture
def finished():
    folds = (fold(0.9, {"C": 1}), fold(0.8, {"C": 10}, 4), fold(0.7, {"C": 10}, 1))
    return Outcome("circles", "SVC rbf", 12, folds)


@pytest.fixture
def failed():
    return Outcome("circles", "MLP", 12, (fold(0.99, {}),), "fold 2: ValueError: bad [luck]")


def printed(rows, width):
    console = Console(file=io.StringIO(), width=width)
    print_table(rows, "circles", console)
    return console.file.getvalue()


def test_a_row_is_over_all_folds(finished):
    row = make_row(finished)
    assert row.accuracy == pytest.approx(0.8)
    assert row.accuracy_std == pytest.approx(np.std([0.9, 0.8, 0.7], ddof=1))
    assert (row.tuning_seconds, row.fit_ms, row.predict_ms) == pytest.approx((2.0, 250, 1.5))
    assert (row.best_parameters, row.chosen) == ("C=10", 2)
    assert (row.unconverged, row.fits) == (5, 111)


def test_a_failed_row_has_no_numbers(failed):
    row = make_row(failed)
    assert np.isnan(row.accuracy)
    assert row.error == "fold 2: ValueError: bad [luck]"


def test_footnotes_say_what_the_numbers_hide(finished, failed):
    failure, unconverged = footnotes([make_row(finished), make_row(failed)])
    assert failure == "MLP failed on fold 2: ValueError: bad [luck]"
    assert "SVC rbf: 5 of 111 fits" in unconverged


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_fits_and_says_everything(finished, failed, width):
    text = printed([make_row(finished), make_row(failed)], width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text
    for word in ("SVC rbf", "0.800 ± 0.100", "2.00", "250", "1.50", "1,234", "12"):
        assert word in text
    for word in ("SVC rbf: C=10", "bad [luck]", "5 of 111"):
        assert word in text


def test_the_csv_files_hold_rows_and_folds(tmp_path, finished, failed):
    results, folds = (pd.read_csv(path) for path in write_tables([finished, failed], tmp_path))
    assert results["contestant"].tolist() == ["SVC rbf", "MLP"]
    assert results["accuracy"][0] == pytest.approx(0.8)
    assert results["error"][1] == "fold 2: ValueError: bad [luck]"
    assert folds["score"].tolist() == [0.9, 0.8, 0.7, 0.99]
    assert folds["fold"].tolist() == [1, 2, 3, 1]
    assert folds["best_parameters"][1] == "C=10"
