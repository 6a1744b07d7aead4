import gzip

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, make_circles
from skmlp.comparison.datasets import BUILT_IN

from skmlp.comparison import InputError, load_dataset, read_csv


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "size": [1.5, None, 3.0, 4.0, 5.0, 6.0],
            "colour": ["red", "blue", None, "red", "blue", "red"],
            "spotted": [True, False, True, False, True, False],
            "kind": ["cat", "dog", "cat", "dog", "cat", "dog"],
        }
    )


def write(tmp_path, table, name="pets.csv", **kwargs):
    path = tmp_path / name
    table.to_csv(path, index=False, **kwargs)
    return path


@pytest.mark.parametrize(
    ("name", "shape", "n_classes"),
    [("circles", (1000, 2), 2), ("breast_cancer", (569, 30), 2), ("digits", (1797, 64), 10)],
)
def test_built_in_sets_have_their_known_shapes(name, shape, n_classes):
    dataset = load_dataset(name)
    assert dataset.X.shape == shape
    assert len(dataset.classes) == n_classes
    assert set(dataset.y) == set(range(n_classes))


def test_circles_are_those_of_their_source():
    X, y = make_circles(n_samples=1000, noise=0.15, factor=0.5, random_state=0)
    dataset = load_dataset("circles")
    np.testing.assert_array_equal(dataset.X, X)
    np.testing.assert_array_equal(dataset.y, y)
    assert dataset.is_planar


def test_the_largest_share_is_the_score_of_always_guessing_it():
    y = load_breast_cancer().target
    assert load_dataset("breast-cancer").largest_share == max(np.mean(y == 0), np.mean(y == 1))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError) as caught:
        load_dataset("iris")
    assert "'iris'" in str(caught.value)
    assert all(name in str(caught.value) for name in BUILT_IN)


def test_a_csv_keeps_numbers_and_turns_the_rest_into_categories(tmp_path, table):
    dataset = read_csv(write(tmp_path, table), "kind")
    assert dataset.text_columns == ["colour", "spotted"]
    assert dataset.X["size"].dtype == float
    assert dataset.X["colour"].isna().sum() == 1
    assert set(dataset.X["spotted"]) == {"True", "False"}
    assert not dataset.is_planar


def test_classes_are_numbered_in_sorted_order(tmp_path, table):
    dataset = read_csv(write(tmp_path, table), "kind")
    assert dataset.classes == ("cat", "dog")
    assert dataset.y.tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    "labels", [["a", "b"], [0, 1], [-1, 7], [True, False], [0.5, 1.5], ["1", "x"]]
)
def test_classes_of_any_type_are_accepted(tmp_path, table, labels):
    dataset = read_csv(write(tmp_path, table.assign(kind=labels * 3)), "kind")
    assert sorted(set(dataset.y)) == [0, 1]
    assert set(dataset.classes) == {str(label) for label in labels}


def test_a_gzipped_csv_reads_the_same(tmp_path, table):
    plain = read_csv(write(tmp_path, table), "kind")
    packed = read_csv(write(tmp_path, table, "pets.csv.gz"), "kind")
    pd.testing.assert_frame_equal(plain.X, packed.X)
    np.testing.assert_array_equal(plain.y, packed.y)


def test_row_numbers_and_empty_columns_are_left_out_and_noted(tmp_path, table):
    path = tmp_path / "pets.csv"
    table.assign(blank=np.nan).to_csv(path)  # with the index
    dataset = read_csv(path, "kind")
    assert list(dataset.X.columns) == ["size", "colour", "spotted"]
    assert "row numbers" in dataset.notes[0]
    assert "blank" in dataset.notes[1]


def test_a_comma_at_the_end_of_every_row_does_no_harm(tmp_path):
    path = tmp_path / "trailing.csv"
    path.write_text("a,b,kind\n1,2,cat,\n3,4,dog,\n")
    dataset = read_csv(path, "kind")
    assert dataset.X.to_numpy().tolist() == [[1, 2], [3, 4]]


BAD_FILES = {
    "empty": (b"", "is empty"),
    "header only": (b"a,b,kind\n", "no rows"),
    "semicolons": (b"a;kind\n1;x\n", "separated by ';'"),
    "prose": (b"hello\nworld\n", "single column"),
    "binary": (b"\x89PNG\r\n\xff\xfe\x00", "not a comma-separated UTF-8 text file"),
    "ragged": (b"a,kind\n1,2\n1,2,3,4,5\n", "not a comma-separated UTF-8 text file"),
    "short header": (b"a,kind\n1,x,7\n2,y,8\n", "more values than the header"),
    "infinite": (b"a,kind\ninf,x\n2,y\n", "'a' holds infinite values"),
    "target alone": (b"kind,blank\nx,\ny,\n", "No feature columns"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_named_with_its_trouble(tmp_path, case):
    content, words = BAD_FILES[case]
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_csv(path, "kind")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"No such file.*nowhere\.csv.*--data"):
        read_csv(tmp_path / "nowhere.csv", "kind")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="Cannot read"):
        read_csv(tmp_path, "kind")


def test_broken_compression_is_named(tmp_path, table):
    not_gzip = tmp_path / "fake.csv.gz"
    not_gzip.write_text("a,b\n")
    with pytest.raises(InputError, match="Cannot read"):
        read_csv(not_gzip, "kind")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"a,kind\n" + b"1,x\n" * 500)[:-12])
    with pytest.raises(InputError, match="not complete"):
        read_csv(cut, "kind")


@pytest.mark.parametrize("target", [None, "weight"])
def test_a_target_is_never_guessed_and_the_columns_are_listed(tmp_path, table, target):
    with pytest.raises(InputError, match=r"--target.*size, colour, spotted, kind") as caught:
        read_csv(write(tmp_path, table), target)
    assert target is None or "'weight'" in str(caught.value)


BAD_TARGETS = {
    "missing": (["a", None] * 30, "'t' is missing in 30 of 60 rows"),
    "constant": ([3] * 60, "'t' is 3 in every row"),
    "floats": (np.linspace(0, 1, 60), "looks continuous.*only classification"),
    "counts": (np.arange(60), "looks continuous"),
}


@pytest.mark.parametrize("case", BAD_TARGETS)
def test_a_bad_target_is_explained(tmp_path, case):
    values, words = BAD_TARGETS[case]
    path = write(tmp_path, pd.DataFrame({"a": np.arange(60), "t": values}))
    with pytest.raises(InputError, match=words):
        read_csv(path, "t")
