from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from skmlp.comparison import InputError, guess_task, make_dataset

ROWS = np.arange(12.0).reshape(6, 2)
LABELS = ["a", "b"] * 3


def test_numbers_stay_numbers_and_the_rest_becomes_categories():
    frame = pd.DataFrame(
        {
            "size": [1, 2, 3, 4, 5, 6],
            "colour": pd.Series(["red", None, "blue"] * 2, dtype="category"),
            "spotted": [True, False] * 3,
            "word": pd.Series(["x", "y", pd.NA] * 2, dtype="string"),
        }
    )
    dataset = make_dataset(frame, LABELS)
    assert dataset.X["size"].dtype == dataset.X["spotted"].dtype == float
    assert dataset.text_columns == ["colour", "word"]
    assert dataset.X["colour"].dropna().tolist() == ["red", "blue"] * 2
    assert dataset.X["colour"].isna().tolist() == [False, True, False] * 2
    assert dataset.X["word"].isna().sum() == 2


@pytest.mark.parametrize(
    "X",
    [
        ROWS,
        ROWS.tolist(),
        pd.DataFrame(ROWS, index=list("uvwxyz")),
        pl.DataFrame(ROWS),
        pd.DataFrame(ROWS).astype("Int64"),
    ],
)
def test_any_table_becomes_floats_with_rows_from_zero(X):
    dataset = make_dataset(X, LABELS)
    np.testing.assert_array_equal(dataset.X.to_numpy(), ROWS)
    assert dataset.X.index.tolist() == list(range(6))
    assert all(isinstance(name, str) for name in dataset.X)


def test_lists_of_numbers_and_text_keep_both():
    dataset = make_dataset([[1.5, "x"], [2.5, "y"]], [0, 1])
    assert dataset.X["x1"].tolist() == [1.5, 2.5]
    assert dataset.X["x2"].tolist() == ["x", "y"]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a"] * 3, ("a", "b")),
        ([7, -1] * 3, (-1, 7)),
        ([True, False] * 3, (False, True)),
        (["1", 2] * 3, ("1", "2")),
        (pd.Series(["x", "y"] * 3, dtype="category"), ("x", "y")),
        (pd.Series([3, 1] * 3, dtype="Int64", index=range(6, 0, -1)), (1, 3)),
        (np.array([[0], [1]] * 3), (0, 1)),
    ],
)
def test_classes_of_any_type_are_sorted(labels, classes):
    dataset = make_dataset(ROWS, labels, task="classification")
    assert dataset.classes == classes
    assert set(dataset.y.tolist()) == set(classes)
    np.testing.assert_array_equal(np.array(dataset.classes)[dataset.codes], dataset.y)


def test_the_largest_share_is_the_score_of_always_guessing_it():
    assert make_dataset(ROWS, list("aabaaa")).largest_share == 5 / 6


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        ([1.0, 2.0, 1.0], "classification"),
        ([0.5, 2.0], "regression"),
        (np.arange(20), "classification"),
        (np.arange(21), "regression"),
        (np.repeat(np.arange(26), 50), "classification"),
        (np.repeat(np.arange(101), 50), "regression"),
    ],
)
def test_the_task_is_guessed_from_the_values(y, task):
    assert guess_task(np.asarray(y)) == task


def test_a_guess_is_noted_and_can_be_overruled():
    y = [3, 4, 5, 6, 7, 8]
    guessed = make_dataset(ROWS, y)
    assert guessed.task == "classification"
    assert "classification" in guessed.notes[0]
    told = make_dataset(ROWS, y, task="regression")
    assert told.y.dtype == float
    assert told.classes == ()
    assert told.notes == ()


def test_rows_can_be_taken_with_all_that_belongs_to_them():
    dataset = make_dataset(ROWS, LABELS, groups=[1, 1, 2, 2, 3, 3], sample_weight=np.arange(6.0))
    part = dataset.take(np.array([1, 4]), "two rows")
    assert part.X.to_numpy().tolist() == [[2, 3], [8, 9]]
    assert part.y.tolist() == ["b", "a"]
    assert (part.groups.tolist(), part.sample_weight.tolist()) == ([1, 3], [1, 4])
    assert part.notes[-1] == "two rows"


SOME = pd.DataFrame({"a": ["1", "2", "3", "4", "oops", "6"], "b": ROWS[:, 0]})
BAD = {
    "text among numbers": (SOME, LABELS, {}, r"'a' holds numbers, but 'oops' in row 4 \(1 of 6"),
    "infinite": (np.where(ROWS == 3, np.inf, ROWS), LABELS, {}, "'x2' holds infinite"),
    "dates": (
        pd.DataFrame({"when": pd.date_range("2020", periods=6)}),
        LABELS,
        {},
        "'when'.*dates",
    ),
    "complex": (ROWS * 1j, LABELS, {}, "'x1' holds complex"),
    "sparse": (scipy.sparse.csr_array(ROWS), LABELS, {}, "toarray"),
    "one dimension": (ROWS[:, 0], LABELS, {}, "1 dimension"),
    "no rows": (ROWS[:0], [], {}, r"shape \(0, 2\)"),
    "same names": (pd.DataFrame(ROWS, columns=["u", "u"]), LABELS, {}, "two columns named 'u'"),
    "short target": (ROWS, LABELS[:-1], {}, "y has 5 values, but X has 6 rows"),
    "two outputs": (ROWS, ROWS, {}, r"y has shape \(6, 2\).*each output on its own"),
    "constant target": (ROWS, [3] * 6, {}, "target is 3 in every row"),
    "missing target": (ROWS, ["a", None, "b"] * 2, {}, "missing in 2 of 6 rows"),
    "named target": (ROWS, pd.Series([1] * 6, name="t"), {}, "target 't' is 1 in every row"),
    "no numbers": (ROWS, LABELS, {"task": "regression"}, "'a', but regression predicts numbers"),
    "infinite target": (ROWS, [1, 2, 3, 4, 5, np.inf], {"task": "regression"}, "infinite"),
    "unknown task": (ROWS, LABELS, {"task": "ranking"}, "task='ranking'"),
    "groups": (ROWS, LABELS, {"groups": [1, 2]}, "groups has 2 values"),
    "missing groups": (
        ROWS,
        LABELS,
        {"groups": [1, 1, np.nan, 2, 2, None]},
        r"groups is missing in 2 of 6 rows, first in row 2: give",
    ),
    "missing groups of text": (ROWS, LABELS, {"groups": ["a", "b", np.nan] * 2}, "missing in 2"),
    "missing groups of a table": (
        ROWS,
        LABELS,
        {"groups": pd.Series([1, None] * 3, dtype="Int64")},
        "groups is missing in 3 of 6 rows",
    ),
    "groups of several types": (
        ROWS,
        LABELS,
        {"groups": [1, "1", 2, "2", 3, "3"]},
        r"groups holds values of several types \(int, str\): make all of them text",
    ),
    "empty cells between labels": (ROWS, ["a", np.nan, "b"] * 2, {}, "missing in 2 of 6 rows"),
    "days": (
        pd.DataFrame({"when": [date(2020, 1, 1 + n) for n in range(6)]}),
        LABELS,
        {},
        "'when'.*dates",
    ),
    "huge": (pd.DataFrame({"a": [10**400] + [1] * 5}), LABELS, {}, "'a' holds infinite"),
    "weights": (ROWS, LABELS, {"sample_weight": [1, 1, 1, 1, 1, -2]}, "smallest value is -2"),
    "no weight": (ROWS, LABELS, {"sample_weight": [0] * 6}, "at least one above zero"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_named_with_its_trouble(case):
    X, y, options, words = BAD[case]
    with pytest.raises(InputError, match=words) as caught:
        make_dataset(X, y, **options)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "numbers",
    [
        [Decimal("1.5"), Decimal("2"), None] * 2,
        [2**70, -(2**70), None] * 2,
        [1, 2.5, None] * 2,
        [np.float32(1), np.int8(2), float("nan")] * 2,
        pd.array([Decimal("1.5"), Decimal("2"), None] * 2, pd.ArrowDtype(pa.decimal128(5, 2))),
    ],
)
def test_numbers_that_stand_as_objects_are_numbers(numbers):
    frame = pd.DataFrame(
        {"a": numbers if hasattr(numbers, "dtype") else pd.Series(numbers, dtype=object)}
    )
    dataset = make_dataset(frame, LABELS)
    assert dataset.text_columns == []
    expected = [np.nan if pd.isna(number) else float(number) for number in numbers]
    np.testing.assert_array_equal(dataset.X["a"], expected)


def test_categories_and_truth_values_with_gaps_are_no_numbers():
    frame = pd.DataFrame(
        {
            "code": pd.Series([1, 2, 3] * 2, dtype="category"),
            "flag": pd.Series([True, None, False] * 2, dtype=object),
        }
    )
    assert make_dataset(frame, LABELS).text_columns == ["code", "flag"]


@pytest.mark.parametrize(
    ("target", "task", "kind"),
    [
        ([Decimal(n) / 4 for n in range(6)], "regression", "f"),
        ([Decimal(n % 2) for n in range(6)], "classification", "i"),
        ([n % 2 * 2**70 for n in range(6)], "classification", "f"),
        (pd.Series(range(6), dtype=object), "classification", "i"),
        (
            pd.Series([Decimal(n) / 4 for n in range(6)], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
            "regression",
            "f",
        ),
    ],
)
def test_a_target_of_numbers_that_stand_as_objects_is_of_numbers(target, task, kind):
    dataset = make_dataset(ROWS, target)
    assert (dataset.task, dataset.y.dtype.kind) == (task, kind)
    assert dataset.y.tolist() == [float(value) for value in target]


def test_groups_of_any_type_that_sorts_are_taken():
    for groups in (list("aabbcc"), [1, 1, 2, 2, 3.5, 3.5], pd.date_range("2020", periods=6)):
        assert len(np.unique(make_dataset(ROWS, LABELS, groups=groups).groups)) in (3, 6)


def test_a_few_numbers_among_categories_are_categories():
    frame = pd.DataFrame({"size": ["small", "large", "38", "40", "small", "large"]})
    assert make_dataset(frame, LABELS).text_columns == ["size"]
